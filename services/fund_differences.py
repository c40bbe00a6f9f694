"""What moved on the merchant's account against the trade bill and our tables, by WeChat's numbers.

Only what bill and tables agree on is looked for here, so that each difference is one row: what they do not agree on has
one already (``services/differences.py``). Fees, withdrawals and balances are not compared. Same rules as there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import JOIN, fn

from models import BillLine, FundLine, Order, Payment, Refund
from services.bills import Day
from services.differences import Comparison, Difference, Part, difference, lines, safely, twice, within


@dataclass(frozen=True, slots=True)
class Sort:
    """Payments or refunds: by which number each of the three knows them."""

    kind: str  # of lines
    model: Any
    ours: Any  # our column of what a trade line calls ref
    wechats: Any  # our column of what a movement calls ref
    billed: Any  # the trade line's
    twice: str  # what is found is called so
    unknown: str
    amount: str
    missing: str

    @property
    def movement(self) -> Any:
        """A movement and the trade line of the same thing, in whatever day's bill; as a condition."""
        return (FundLine.ref == self.billed) & (FundLine.kind == self.kind) & (BillLine.kind == self.kind)

    def finished(self, day: Day) -> Any:
        """Our row of a trade line whose money has moved. When it does, between asking and success, is WeChat's choice:
        of refunds, those that were asked for and done on that day."""
        same = self.ours == BillLine.ref
        return same & (Refund.state == "SUCCESS") & safely(Refund.refunded_at, day) if self.model is Refund else same


PAYMENT = Sort(
    kind="payment",
    model=Payment,
    ours=Payment.provider_transaction_id,
    wechats=Payment.provider_transaction_id,
    billed=BillLine.ref,
    twice="FUND_TWICE",
    unknown="FUND_UNKNOWN",
    amount="FUND_AMOUNT",
    missing="FUND_MISSING",
)
REFUND = Sort(
    kind="refund",
    model=Refund,
    ours=Refund.out_refund_no,
    wechats=Refund.provider_refund_id,
    billed=BillLine.provider_refund_id,
    twice="FUND_TWICE",
    unknown="FUND_REFUND_UNKNOWN",
    amount="FUND_REFUND_AMOUNT",
    missing="FUND_REFUND_MISSING",
)


def _unknown(sort: Sort, day: Day, part: Part) -> Iterable[Difference]:
    rows: Any = FundLine.select(FundLine.ref, FundLine.amount_fen)
    rows = rows.join(sort.model, JOIN.LEFT_OUTER, on=(sort.wechats == FundLine.ref)).switch(FundLine)
    rows = rows.join(BillLine, JOIN.LEFT_OUTER, on=sort.movement)
    nowhere = sort.model.id.is_null() & BillLine.id.is_null()
    for ref, amount in rows.where(within(FundLine, sort.kind, day, part), nowhere).distinct().tuples():
        detail = f"{amount:+} fen moved on {day.name}, in no trade bill, and not here"
        yield difference(sort.unknown, ref, None, detail)


def _amounts(sort: Sort, day: Day, part: Part) -> Iterable[Difference]:
    rows: Any = FundLine.select(FundLine.ref, *_sides(sort)).join(BillLine, JOIN.LEFT_OUTER, on=sort.movement)
    rows = rows.join(sort.model, JOIN.LEFT_OUTER, on=(sort.ours == BillLine.ref))
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == sort.model.order))
    unlike = fn.COALESCE(fn.ABS(FundLine.amount_fen) - BillLine.settled_fen, 0) != 0
    found = rows.where(within(FundLine, sort.kind, day, part), unlike)
    for ref, moved, settled, billed, ours, order_no in found.tuples():
        if billed == ours:
            detail = f"{moved:+} fen moved, {settled} fen settled in the trade bill"
            yield difference(sort.amount, ref, order_no, detail)


def _missing(sort: Sort, day: Day, part: Part) -> Iterable[Difference]:
    rows: Any = BillLine.select(sort.billed, *_sides(sort))
    rows = rows.join(sort.model, JOIN.LEFT_OUTER, on=sort.finished(day))
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == sort.model.order)).switch(BillLine)
    rows = rows.join(FundLine, JOIN.LEFT_OUTER, on=sort.movement)
    then = within(BillLine, sort.kind, day, part) & safely(BillLine.at, day) & (BillLine.settled_fen > 0)
    for ref, _, settled, billed, ours, order_no in rows.where(then, FundLine.id.is_null()).distinct().tuples():
        if billed == ours:
            detail = f"{settled} fen settled in the bill of {day.name}, and nothing moved on the account"
            yield difference(sort.missing, ref, order_no, detail)


def _sides(sort: Sort) -> tuple[Any, ...]:
    """What moved, two amounts of the trade line, and ours, to know whether those agree."""
    return FundLine.amount_fen, BillLine.settled_fen, BillLine.amount_fen, sort.model.amount_fen, Order.order_no


def _comparisons(sort: Sort) -> tuple[Comparison, ...]:
    moved, billed = partial(lines, FundLine, sort.kind), partial(lines, BillLine, sort.kind)
    return (
        Comparison(moved, partial(twice, FundLine, sort.kind, sort.twice)),
        Comparison(moved, partial(_unknown, sort)),
        Comparison(moved, partial(_amounts, sort)),
        Comparison(billed, partial(_missing, sort)),
    )


FUND = (*_comparisons(PAYMENT), *_comparisons(REFUND))
