"""Reconciliation, day by day: what our tables and WeChat's bills add up to, and where they disagree. Only looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models import Bill, Discrepancy
from services.bills import Day, day_of
from services.console.flags import Flag, flag_of
from services.totals import TOTALS


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day as it was when it was last compared. Sums by the names of ``TOTALS``; None: not kept then."""

    day: str
    state: str  # READING, DONE, FREE
    lines: int
    differences: int
    finished_at: int | None
    sums: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class OneDay:
    """A day as it is now."""

    line: DayLine | None  # None: it was never compared
    sums: Mapping[str, int]
    flags: list[Flag]
    after: int | None  # where the next page of the discrepancies begins


def days(before: str | None, size: int) -> tuple[list[DayLine], str | None]:
    """The newest first, those before that day; and where the next page begins."""
    rows = Bill.select().order_by(Bill.day.desc()).limit(size + 1)
    found = [_line(row) for row in (rows.where(Bill.day < before) if before else rows)]
    return found[:size], found[size - 1].day if len(found) > size else None


def one_day(name: str, after: int | None, size: int) -> OneDay:
    """Raises Invalid("day_invalid")."""
    day: Day = day_of(name)
    row = Bill.get_or_none(Bill.day == day.name)
    shown, further = _flags(day, after, size)
    return OneDay(_line(row) if row else None, _sums(day, row), shown, further)


def _sums(day: Day, row: Bill | None) -> dict[str, int]:
    """A bill stays as it was read; what it added up to need not be added again. Ours may have grown since."""
    kept = {name: getattr(row, name) for name in ("paid_fen", "refunded_fen")} if row else {}
    return {name: total.of(day) if (sum_ := kept.get(name)) is None else sum_ for name, total in TOTALS.items()}


def _flags(day: Day, after: int | None, size: int) -> tuple[list[Flag], int | None]:
    """What was found in that day's bill, the newest first, older than ``after``; and where the next page begins."""
    rows = Discrepancy.select().where(Discrepancy.day == day.name).order_by(Discrepancy.id.desc()).limit(size + 1)
    found = [flag_of(row) for row in (rows.where(Discrepancy.id < after) if after else rows)]
    return found[:size], found[size - 1].id if len(found) > size else None


def _line(row: Bill) -> DayLine:
    sums = {name: getattr(row, name) for name in TOTALS}
    return DayLine(row.day, row.state, row.lines, row.differences, row.finished_at, sums)
