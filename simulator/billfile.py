"""Bills as files: back-ticks, commas, CRLF, a byte order mark, yuan with decimals, two summary lines (v2.md 10, 11).

Written line by line to a temporary file, so that a million lines never stand in memory; the SHA-1 is of the unpacked
bytes. It must not know the ledger or who asks.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import IO

from simulator.billplan import Flow, Line, fee_fen
from simulator.clock import spaced

_BOM = b"\xef\xbb\xbf"
_PIECE = 1 << 18
_BEGIN = (
    "交易时间 公众账号ID 商户号 特约商户号 设备号 微信订单号 商户订单号 用户标识 交易类型 交易状态 付款银行 货币种类"
)
_MONEY = "应结订单金额 代金券金额"
_TIMES = "退款申请时间 退款成功时间"
_REFUND = "微信退款单号 商户退款单号 退款金额 充值券退款金额 退款类型 退款状态"
_GOODS = "商品名称 商户数据包"
_ALL_NAMES = f"{_BEGIN} {_MONEY} {_TIMES} {_REFUND} {_GOODS} 手续费 费率 订单金额 申请退款金额 费率备注".split()
_OLD_NAMES = {
    "特约商户号": "子商户号",
    "应结订单金额": "总金额",
    "代金券金额": "代金券或立减优惠金额",
    "充值券退款金额": "代金券或立减优惠退款金额",
}
_END = "手续费 费率 订单金额 申请退款金额"
FORMS = {
    "ALL": f"{_BEGIN} {_MONEY} {_REFUND} {_GOODS} {_END} 费率备注".split(),
    "SUCCESS": f"{_BEGIN} {_MONEY} {_GOODS} 手续费 费率 订单金额 费率备注".split(),
    "REFUND": f"{_BEGIN} {_MONEY} {_TIMES} {_REFUND} {_GOODS} {_END} 费率备注".split(),
    "RECHARGE_REFUND": f"{_BEGIN} {_MONEY} {_TIMES} {_REFUND} {_GOODS} {_END}".split(),
}
_OLD_FORM = f"{_BEGIN} {_MONEY} {_REFUND} {_GOODS} 手续费 费率".split()
_TOTALS = [
    "总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额", "申请退款总金额",
]  # fmt: skip
_OLD_TOTALS = ["总交易单数", "总交易额", "总退款金额", "总代金券或立减优惠退款金额", "手续费总金额"]
_FLOW_NAMES = [
    "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)",
    "资金变更提交申请人", "备注", "业务凭证号",
]  # fmt: skip
_FLOW_TOTALS = ["资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"]


class BillFile:
    """A bill, unpacked, on disk: it goes when nobody holds it any more."""

    def __init__(self) -> None:
        self.rows = 0
        self.size = 0
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 lives as long as this object
        weakref.finalize(self, self._file.close)
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._put(_BOM)

    @property
    def sha1(self) -> str:
        return self._hash.hexdigest()

    def head(self, names: Iterable[str]) -> None:
        self._put((",".join(names) + "\r\n").encode("utf-8"))

    def line(self, values: Iterable[str]) -> None:
        self.rows += 1
        self._put(("`" + ",`".join(values) + "\r\n").encode("utf-8"))

    def summary(self, names: Iterable[str], values: Iterable[str]) -> None:
        self.head(names)
        self._put(("`" + ",`".join(values) + "\r\n").encode("utf-8"))
        self._file.flush()

    def pieces(self, packed: bool) -> Iterator[bytes]:
        """The file from its beginning, packed with gzip or as it is. Several may read at once."""
        packer = zlib.compressobj(6, zlib.DEFLATED, 31) if packed else None
        at = 0
        while piece := os.pread(self._file.fileno(), _PIECE, at):
            at += len(piece)
            yield packer.compress(piece) if packer else piece
        if packer:
            yield packer.flush()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)


def trade(lines: Iterable[Line], form: str, columns: int, appid: str, mchid: str) -> BillFile:
    """A trade bill of a form; ``columns`` 24 is the old form of ALL. No row is a bill without rows: see ``rows``."""
    old = form == "ALL" and columns == 24
    names = _OLD_FORM if old else FORMS[form]
    pick = itemgetter(*(_ALL_NAMES.index(name) for name in names))
    file, sums = BillFile(), _Sums()
    file.head(_shown_names(names, form, old))
    for line in lines:
        if _belongs(line, form):
            sums.add(line)
            file.line(pick(_values(line, appid, mchid)))
    totals = sums.texts()
    file.summary(_OLD_TOTALS if old else _TOTALS, totals[:5] if old else totals)
    return file


def fund_flow(before: int, flows: Iterable[Flow]) -> BillFile:
    """A fund-flow bill of the basic account; ``before`` is its balance in fen when the day began."""
    file, balance = BillFile(), before
    counts, sums = [0, 0], [0, 0]
    file.head(_FLOW_NAMES)
    for number, flow in enumerate(flows):
        balance += flow.fen
        out = flow.fen < 0
        counts[out] += 1
        sums[out] += abs(flow.fen)
        file.line(_flow_values(flow, balance, f"{flow.transaction_id}{number:010d}"))
    totals = (sum(counts), counts[0], sums[0], counts[1], sums[1])
    file.summary(_FLOW_TOTALS, [_loose(n) if i in (2, 4) else f"{n}.0" for i, n in enumerate(totals)])
    return file


class _Sums:
    """The figures of the summary, in fen."""

    def __init__(self) -> None:
        self.count = self.amount = self.refunded = self.refunded_coupon = self.fee = 0

    def add(self, line: Line) -> None:
        self.count += 1
        if line.refund_id:
            self.refunded += line.refunded
            self.refunded_coupon += line.refunded_coupon
            self.fee -= fee_fen(line.refunded)
        else:
            self.amount += line.amount
            self.fee += fee_fen(line.amount)

    def texts(self) -> list[str]:
        money = (self.amount, self.refunded, self.refunded_coupon)
        fee = f"{yuan(self.fee)}000"
        return [str(self.count), *map(_loose, money), fee, _loose(self.amount), _loose(self.refunded)]


def yuan(fen: int) -> str:
    """``-0.05`` for minus five fen."""
    whole, part = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{part:02d}"


def _loose(fen: int) -> str:
    """As the summaries have it: a last zero is lost (``45.0``)."""
    return yuan(fen).removesuffix("0")


def _belongs(line: Line, form: str) -> bool:
    if form == "SUCCESS":
        return not line.refund_id
    if form == "ALL":
        return True
    return bool(line.refund_id) and (form == "REFUND" or line.recharged)


def _shown_names(names: list[str], form: str, old: bool) -> list[str]:
    if old:
        return [_OLD_NAMES.get(name, name) for name in names]
    return ["返还手续费" if name == "手续费" and form == "RECHARGE_REFUND" else name for name in names]


def _values(line: Line, appid: str, mchid: str) -> tuple[str, ...]:
    """One value for each of ``_ALL_NAMES``."""
    begin = (
        spaced(line.at), appid, mchid, "0", line.device, line.transaction_id, line.out_trade_no, line.openid, "JSAPI",
        "REFUND" if line.refund_id else "SUCCESS", line.bank, "CNY",
    )  # fmt: skip
    goods = (_one_line(line.name), _one_line(line.attach))
    if not line.refund_id:
        amount = yuan(line.amount)
        nothing = ("", "", "0", "0", "0.00", "0.00", "", "")
        return (*begin, amount, yuan(line.coupon), *nothing, *goods, _fee(line.amount), "0.60%", amount, "0.00", "")
    refunded = yuan(line.refunded)
    return (
        *begin, "0.00", "0.00", spaced(line.at), spaced(line.succeeded_at) if line.succeeded_at else "",
        line.refund_id, line.out_refund_no, refunded, yuan(line.refunded_coupon), line.channel, line.refund_state,
        *goods, _fee(-line.refunded), "0.60%", "0.00", refunded, "",
    )  # fmt: skip


def _fee(amount: int) -> str:
    """Five decimals, as WeChat writes fees: ``-0.01000``."""
    fen = fee_fen(abs(amount))
    return f"{yuan(-fen if amount < 0 else fen)}000"


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").replace("`", "'")


def _flow_values(flow: Flow, balance: int, number: str) -> tuple[str, ...]:
    return (
        spaced(flow.at), flow.transaction_id, number, flow.name, flow.name, "支出" if flow.fen < 0 else "收入",
        yuan(abs(flow.fen)), yuan(balance), "system", "", flow.number,
    )  # fmt: skip
