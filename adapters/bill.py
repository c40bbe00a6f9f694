"""The file of a bill, which both API generations share (v2.md 10, 11): believed whole or not at all.

It reads a file in bounded memory and must not know a socket, who downloaded it or what a row means. The file, packed or
not, is gone through before its first line is handed out: digest, every line, and the totals at its end.
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
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, cast

from adapters.base import Bill, BillKind, BillLine, FundLine
from adapters.bill_forms import FORMS, Form, Row
from adapters.errors import Malformed, OutcomeUnknown, PaymentError

BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
PIECE = 65_536  # bytes at once, and the longest line
MAX_UNPACKED = 2_000_000_000  # bytes: some five million lines
TOTALS_TABLE = 2  # the second table of the file

_FIGURE = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,5})?")


def empty() -> Bill:
    """The bill of a day without trade."""
    return Bill(iter(()), 0, {}, iter(()))


def read(path: Path, kind: BillKind, sha1: str | None = None, max_unpacked: int = MAX_UNPACKED) -> Bill:
    """The bill in the file ``path``, plain or gzip. ``sha1``: hex digest of the unpacked bytes with BOM (v3.md 14).

    Raises OutcomeUnknown if it is cut, too large or not what its digest and totals say; Malformed, with the line's
    number, if a line is not understood. It takes half a minute for a million lines: not for an event loop.
    """
    if sha1 is not None and not hmac.compare_digest(_digest(path, max_unpacked), sha1.lower()):
        raise OutcomeUnknown("the bill does not match its digest")
    form = FORMS[kind]
    count, sums = _check(path, form, max_unpacked)
    return Bill(_walk(path, form, max_unpacked), count, sums, _pieces(path, max_unpacked, lines=False))


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


def _walk(path: Path, form: Form, limit: int) -> Iterator[BillLine | FundLine]:
    for table, number, row in _rows(path, limit):
        if table == TOTALS_TABLE:
            return
        with _named(number):
            line = form.line(row)
        yield line


def _check(path: Path, form: Form, limit: int) -> tuple[int, dict[str, Decimal]]:
    """How many lines there are, and the sums. Raises unless each line is understood and the totals agree."""
    count, sums, totals = 0, Counter[str](), None
    for table, number, row in _rows(path, limit):
        if table < TOTALS_TABLE:
            with _named(number):
                form.line(row)
                sums.update(form.adds(row))
            count += 1
        elif totals is None and table == TOTALS_TABLE:
            totals = row
        else:
            raise Malformed(f"line {number} comes after the totals")
    if totals is None:
        raise OutcomeUnknown("the bill ends before its totals")
    _compare(form, totals, sums)
    return count, _sums(form, totals)


def _compare(form: Form, totals: Row, sums: Mapping[str, int]) -> None:
    for name in form.totals & totals.keys() | form.required:
        if _figure(totals, name) * 100 != sums.get(name, 0):
            raise OutcomeUnknown(f"the lines of the bill do not add up to its {name}")


def _sums(form: Form, totals: Row) -> dict[str, Decimal]:
    """What the totals say, in fen, by our names. A fee may have parts of a fen."""
    said = {ours: next((name for name in names if name in totals), None) for ours, names in form.sums.items()}
    return {ours: _figure(totals, name) * 100 for ours, name in said.items() if name}


def _figure(totals: Row, name: str) -> Decimal:
    """A total as it is written: ``45.0`` and ``45.00`` are the same."""
    if not _FIGURE.fullmatch(totals.get(name, "")):
        raise OutcomeUnknown(f"{name} is missing or no figure")
    return Decimal(totals[name])
