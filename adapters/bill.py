"""The file of a trade bill, which both API generations share (v2.md 10): believed whole or not at all.

It reads a file in bounded memory and must not know a socket or who downloaded it. The file, packed or not, is gone
through before its first line is handed out: digest, every line, and the totals at its end.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Literal, cast

from adapters.base import Bill, BillLine
from adapters.errors import Malformed, OutcomeUnknown, PaymentError

BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
PIECE = 65_536  # bytes at once, and the longest line
MAX_UNPACKED = 2_000_000_000  # bytes: some five million lines
TOTALS_TABLE = 2  # the second table of the file
BEIJING = timezone(timedelta(hours=8))

# 交易状态 (v2.md 10). REVOKED, of payments by bar code only, is money that went back, too.
KINDS: dict[str, Literal["payment", "refund"]] = {"SUCCESS": "payment", "REFUND": "refund", "REVOKED": "refund"}
# What was paid, and what goes back: the first of these columns that a file has. Files have 27 now and had 24 before.
PAID = ("订单金额", "应结订单金额", "总金额")
REFUNDED = ("申请退款金额", "退款金额")
COUNT = "总交易单数"
# A total, and the columns that it sums up, of which a file has one.
TOTALS = {
    "订单总金额": ("订单金额",),
    "应结订单总金额": ("应结订单金额",),
    "申请退款总金额": ("申请退款金额",),
    "退款总金额": ("退款金额",),
    "总交易额": ("应结订单金额", "总金额"),
    "总退款金额": ("退款金额",),
}
SUMMED = {column for columns in TOTALS.values() for column in columns}

_YUAN = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?")
_FIGURE = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,5})?")
_TIME = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_WORD = re.compile(r"[!-~]{1,128}")

Row = Mapping[str, str]  # by column name


def empty() -> Bill:
    """The bill of a day without trade."""
    return Bill(iter(()), 0)


def read(path: Path, sha1: str | None = None, max_unpacked: int = MAX_UNPACKED) -> Bill:
    """The bill in the file ``path``, plain or gzip. ``sha1``: hex digest of the unpacked bytes with BOM (v3.md 14).

    Raises OutcomeUnknown if it is cut, too large or not what its digest and totals say; Malformed, with the line's
    number, if a line is not understood. It takes some seconds for a million lines: not for an event loop.
    """
    if sha1 is not None and not hmac.compare_digest(_digest(path, max_unpacked), sha1.lower()):
        raise OutcomeUnknown("the bill does not match its digest")
    return Bill(_walk(path, max_unpacked), _check(path, max_unpacked))


# --- the file: bytes, lines, two tables ---


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _pieces(path: Path, limit: int, *, lines: bool) -> Iterator[bytes]:
    """The unpacked bytes, by lines or as they come, never much at once."""
    size = 0
    with _open(path) as file:
        take = file.readline if lines else file.read
        try:
            while piece := take(PIECE):
                size += len(piece)
                if size > limit:
                    raise OutcomeUnknown("the bill is too large")
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise OutcomeUnknown("the bill is cut, or packed in an unknown way") from None


def _digest(path: Path, limit: int) -> str:
    digest = hashlib.sha1()  # WeChat's protocol
    for piece in _pieces(path, limit, lines=False):
        digest.update(piece)
    return digest.hexdigest()


def _lines(path: Path, limit: int) -> Iterator[tuple[int, str, bool]]:
    """Each line's number, its text, and whether a line end follows it."""
    for number, raw in enumerate(_pieces(path, limit, lines=True), 1):
        ended = raw.endswith(b"\n")
        try:
            yield number, raw.removeprefix(BOM if number == 1 else b"").decode().rstrip("\r\n"), ended
        except UnicodeDecodeError:
            raise _wrong(number, "is not UTF-8", ended=ended) from None


def _rows(path: Path, limit: int) -> Iterator[tuple[int, int, Row]]:
    """The file is two tables, lines and totals. Of each row: which table (1, 2), the line's number, values by column.

    Only the last row, of the totals, may lack its line end: anything else without one was cut.
    """
    table, header = 0, [""]
    for number, text, ended in _lines(path, limit):
        row = text.startswith("`")
        if not ended and not (row and table == TOTALS_TABLE):
            raise OutcomeUnknown(f"line {number} is cut")
        if row:
            values = fields(text)
            if len(values) != len(header):
                raise _wrong(number, f"has {len(values)} fields, not {len(header)}", ended=ended)
            yield table, number, dict(zip(header, values, strict=True))
        elif text:
            table, header = table + 1, text.split(",")


def fields(text: str) -> list[str]:
    """The values of one row. Each begins with a back-tick; a comma alone may belong to a product's name."""
    return text.removeprefix("`").split(",`")


def _wrong(number: int, what: str, *, ended: bool) -> PaymentError:
    """A line that is not understood; if nothing follows it, it is rather cut."""
    return (Malformed if ended else OutcomeUnknown)(f"line {number} {what}")


# --- what is in it ---


@contextmanager
def _named(number: int) -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise Malformed(f"line {number}: {error}") from None


def _walk(path: Path, limit: int) -> Iterator[BillLine]:
    for table, number, row in _rows(path, limit):
        if table == TOTALS_TABLE:
            return
        with _named(number):
            line = _line(row)
        yield line


def _check(path: Path, limit: int) -> int:
    """How many lines there are. Raises unless each is understood and the totals agree."""
    count, sums, totals = 0, Counter[str](), None
    for table, number, row in _rows(path, limit):
        if table < TOTALS_TABLE:
            with _named(number):
                _line(row)
                sums.update({column: _fen(row, (column,)) for column in SUMMED if column in row})
            count += 1
        elif totals is None and table == TOTALS_TABLE:
            totals = row
        else:
            raise Malformed(f"line {number} comes after the totals")
    if totals is None:
        raise OutcomeUnknown("the bill ends before its totals")
    _compare(totals, count, sums)
    return count


def _compare(totals: Row, count: int, sums: Mapping[str, int]) -> None:
    if _figure(totals, COUNT) != count:
        raise OutcomeUnknown(f"the bill has {count} lines and counts otherwise")
    for name, columns in TOTALS.items():
        if name in totals and _figure(totals, name) * 100 != sum(sums.get(column, 0) for column in columns):
            raise OutcomeUnknown(f"the lines of the bill do not add up to its {name}")


def _figure(totals: Row, name: str) -> Decimal:
    """A total as it is written: ``45.0`` and ``45.00`` are the same."""
    if not _FIGURE.fullmatch(totals.get(name, "")):
        raise OutcomeUnknown(f"{name} is missing or no figure")
    return Decimal(totals[name])


def _line(row: Row) -> BillLine:
    kind = KINDS.get(row.get("交易状态", ""))
    if kind is None:
        raise Malformed("交易状态 is not a documented one")
    back = kind == "refund"
    return BillLine(
        kind=kind,
        out_trade_no=_word(row, "商户订单号"),
        provider_transaction_id=_word(row, "微信订单号"),
        amount_fen=_fen(row, REFUNDED if back else PAID),
        at=_epoch(row.get("交易时间", "")),
        appid=_word(row, "公众账号ID"),
        mchid=_word(row, "商户号"),
        openid=row.get("用户标识", ""),
        out_refund_no=_word(row, "商户退款单号") if back else "",
        provider_refund_id=_word(row, "微信退款单号") if back else "",
        refund_status=row.get("退款状态", "") if back else "",
    )


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


def _epoch(text: str) -> int:
    """Epoch seconds of ``yyyy-MM-dd HH:mm:ss``, which is Beijing time whatever zone this machine is in."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return int(datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp())
    except ValueError:
        raise Malformed("交易时间 is not a time") from None
