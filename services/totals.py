"""What a day's bill and our tables add up to, in fen. Only looks; runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import fn

from models import BillLine, Payment, Refund
from services.bills import Day
from services.differences import ACCEPTED, Part, lines, times, within


@dataclass(frozen=True, slots=True)
class Total:
    """A sum of ``model.amount_fen``, in parts that each take a moment."""

    model: Any
    parts: Callable[[Day], list[Part]]
    part: Callable[[Day, Part], Any]  # as a condition

    def of(self, day: Day) -> int:
        return sum(self._sum(day, part) for part in self.parts(day))

    def _sum(self, day: Day, part: Part) -> int:
        return int(self.model.select(fn.SUM(self.model.amount_fen)).where(self.part(day, part)).scalar() or 0)


def _paid(_: Day, part: Part) -> Any:
    return (Payment.paid_at > part[0]) & (Payment.paid_at <= part[1])


def _refunded(_: Day, part: Part) -> Any:
    return (Refund.created_at > part[0]) & (Refund.created_at <= part[1]) & Refund.state.in_(ACCEPTED)


def _billed(kind: str) -> Total:
    return Total(BillLine, partial(lines, BillLine, kind), partial(within, BillLine, kind))


TOTALS = {  # by the names of the columns of ``Bill``
    "paid_fen": _billed("payment"),
    "refunded_fen": _billed("refund"),
    "our_paid_fen": Total(Payment, partial(times, Payment.paid_at), _paid),
    "our_refunded_fen": Total(Refund, partial(times, Refund.created_at), _refunded),
}


def totals(day: Day) -> dict[str, int]:
    return {name: total.of(day) for name, total in TOTALS.items()}
