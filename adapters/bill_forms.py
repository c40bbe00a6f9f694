"""What a row of a bill means: the trade bill's (v2.md 10) and the fund-flow bill's (v2.md 11), in both generations.

Columns are found by name, yuan become fen exactly. Pure: it must not know a file, and keeps nothing of other rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Literal

from adapters.base import BillKind, BillLine, FundLine
from adapters.errors import Malformed

BEIJING = timezone(timedelta(hours=8))
Row = Mapping[str, str]  # by column name


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of bill."""

    line: Callable[[Row], BillLine | FundLine]  # raises Malformed
    adds: Callable[[Row], Mapping[str, int]]  # to each total: fen, and 100 for each thing counted; raises Malformed
    totals: frozenset[str]  # all that are compared with what the rows add to them
    required: frozenset[str]  # those without which a file is cut
    sums: Mapping[str, tuple[str, ...]]  # how we call a sum, and the totals that say it, of which the first counts


# --- trade ---

# 交易状态 (v2.md 10). REVOKED, of payments by bar code only, is money that went back, too.
KINDS: dict[str, Literal["payment", "refund"]] = {"SUCCESS": "payment", "REFUND": "refund", "REVOKED": "refund"}
# What was paid, and what goes back: the first of these columns that a file has. Files have 27 now and had 24 before.
PAID = ("订单金额", "应结订单金额", "总金额")
REFUNDED = ("申请退款金额", "退款金额")
# What of it moves on the merchant's account: less than that where WeChat does not pay for a coupon.
PAID_OUT = ("应结订单金额", "总金额")
TAKEN_BACK = ("退款金额",)
# A column, and the totals that it is summed up in.
TOTALS = {
    "订单金额": ("订单总金额",),
    "应结订单金额": ("应结订单总金额", "总交易额"),
    "总金额": ("总交易额",),
    "申请退款金额": ("申请退款总金额",),
    "退款金额": ("退款总金额", "总退款金额"),
}


def _trade_line(row: Row) -> BillLine:
    kind = KINDS.get(row.get("交易状态", ""))
    if kind is None:
        raise Malformed("交易状态 is not a documented one")
    back = kind == "refund"
    return BillLine(
        kind=kind,
        out_trade_no=_word(row, "商户订单号"),
        provider_transaction_id=_word(row, "微信订单号"),
        amount_fen=_fen(row, REFUNDED if back else PAID),
        settled_fen=_fen(row, TAKEN_BACK if back else PAID_OUT),
        at=_epoch(row, "交易时间"),
        appid=_word(row, "公众账号ID"),
        mchid=_word(row, "商户号"),
        openid=row.get("用户标识", ""),
        out_refund_no=_word(row, "商户退款单号") if back else "",
        provider_refund_id=_word(row, "微信退款单号") if back else "",
        refund_status=row.get("退款状态", "") if back else "",
    )


def _trade_adds(row: Row) -> dict[str, int]:
    adds = {"总交易单数": 100}
    for column in TOTALS.keys() & row.keys():
        adds |= dict.fromkeys(TOTALS[column], _fen(row, (column,)))
    return adds


# --- fund flow ---

# 业务类型 and 收支类型 of what is compared with our tables. Fees, withdrawals and the rest are other business.
MOVES: dict[tuple[str, str], Literal["payment", "refund", "other"]] = {
    ("交易", "收入"): "payment",
    ("退款", "支出"): "refund",
}
SIGNS = {"收入": 1, "支出": -1}
MOVED = ("收支金额(元)", "收支金额（元）")  # official samples have either bracket
FUND_TOTALS = frozenset({"资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"})


def _fund_line(row: Row) -> FundLine:
    kind = MOVES.get((row.get("业务类型", ""), row.get("收支类型", "")), "other")
    return FundLine(
        kind=kind,
        provider_number=row.get("微信支付业务单号", "") if kind == "other" else _word(row, "微信支付业务单号"),
        amount_fen=_sign(row) * _fen(row, MOVED),
        at=_epoch(row, "记账时间"),
    )


def _sign(row: Row) -> int:
    sign = SIGNS.get(row.get("收支类型", ""))
    if sign is None:
        raise Malformed("收支类型 is not a documented one")
    return sign


def _fund_adds(row: Row) -> dict[str, int]:
    way = row.get("收支类型", "")
    return {"资金流水总笔数": 100, f"{way}笔数": 100, f"{way}金额": _fen(row, MOVED)}


FORMS: Mapping[BillKind, Form] = {
    "trade": Form(
        _trade_line,
        _trade_adds,
        frozenset({"总交易单数"}.union(*TOTALS.values())),
        frozenset({"总交易单数"}),
        {
            "paid": ("订单总金额", "应结订单总金额", "总交易额"),
            "refunded": ("申请退款总金额", "退款总金额", "总退款金额"),
            "fees": ("手续费总金额",),
        },
    ),
    "fund": Form(
        _fund_line,
        _fund_adds,
        FUND_TOTALS,
        FUND_TOTALS,
        {"in": ("收入金额",), "out": ("支出金额",)},
    ),
}

# --- values ---

_YUAN = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?")
_TIME = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_WORD = re.compile(r"[!-~]{1,128}")


def _word(row: Row, column: str) -> str:
    value = row.get(column, "")
    if not _WORD.fullmatch(value):
        raise Malformed(f"{column} is missing or not of its form")
    return value


def _fen(row: Row, columns: tuple[str, ...]) -> int:
    """Yuan to fen, exactly; of the first of ``columns`` that the file has. Malformed for parts of a fen."""
    column = next((name for name in columns if name in row), columns[0])
    if not _YUAN.fullmatch(row.get(column, "")):
        raise Malformed(f"{column} is not an amount in yuan")
    return int(Decimal(row[column]) * 100)


def _epoch(row: Row, column: str) -> int:
    """Epoch seconds of ``yyyy-MM-dd HH:mm:ss``, which is Beijing time whatever zone this machine is in."""
    text = row.get(column, "")
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return int(datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp())
    except ValueError:
        raise Malformed(f"{column} is not a time") from None
