"""What moved on the merchant's account against the trade bill and our tables, by WeChat's numbers.

Only what bill and tables agree on is looked for here, so that each difference is one row: what they do not agree on has
one already (``services/differences.py``). Fees, withdrawals and balances are not compared. Same rules as there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from peewee import JOIN, fn

from models import BillLine, FundLine, Order, Payment, Refund
from services.bills import Day
from services.differences import Comparison, Difference, Part, difference, lines, safely, twice, within

# A movement and the trade line of the same thing, in whatever day's bill.
OF_PAYMENT = (BillLine.kind == "payment") & (BillLine.ref == FundLine.ref)
OF_REFUND = (BillLine.kind == "refund") & (BillLine.provider_refund_id == FundLine.ref)


def _unknown_payments(day: Day, part: Part) -> Iterable[Difference]:
    rows = FundLine.select(FundLine.ref, FundLine.amount_fen)
    rows = rows.join(Payment, JOIN.LEFT_OUTER, on=(Payment.provider_transaction_id == FundLine.ref)).switch(FundLine)
    rows = rows.join(BillLine, JOIN.LEFT_OUTER, on=OF_PAYMENT)
    return _unknown("FUND_UNKNOWN", rows.where(Payment.id.is_null()), "payment", day, part)


def _unknown_refunds(day: Day, part: Part) -> Iterable[Difference]:
    rows = FundLine.select(FundLine.ref, FundLine.amount_fen)
    rows = rows.join(Refund, JOIN.LEFT_OUTER, on=(Refund.provider_refund_id == FundLine.ref)).switch(FundLine)
    rows = rows.join(BillLine, JOIN.LEFT_OUTER, on=OF_REFUND)
    return _unknown("FUND_REFUND_UNKNOWN", rows.where(Refund.id.is_null()), "refund", day, part)


def _unknown(name: str, rows: Any, kind: str, day: Day, part: Part) -> Iterable[Difference]:
    rows = rows.where(within(FundLine, kind, day, part), BillLine.id.is_null()).distinct()
    for ref, amount in rows.tuples():
        yield difference(name, ref, None, f"{amount:+} fen moved on {day.name}, in no trade bill, and not here")


def _payment_amounts(day: Day, part: Part) -> Iterable[Difference]:
    rows: Any = FundLine.select(*_sides(FundLine.ref, FundLine.amount_fen, Payment))
    rows = rows.join(BillLine, JOIN.LEFT_OUTER, on=OF_PAYMENT)
    rows = rows.join(Payment, JOIN.LEFT_OUTER, on=(Payment.provider_transaction_id == BillLine.ref))
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == Payment.order))
    return _amounts("FUND_AMOUNT", rows, "payment", day, part)


def _refund_amounts(day: Day, part: Part) -> Iterable[Difference]:
    rows: Any = FundLine.select(*_sides(FundLine.ref, FundLine.amount_fen, Refund))
    rows = rows.join(BillLine, JOIN.LEFT_OUTER, on=OF_REFUND)
    rows = rows.join(Refund, JOIN.LEFT_OUTER, on=(Refund.out_refund_no == BillLine.ref))
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == Refund.order))
    return _amounts("FUND_REFUND_AMOUNT", rows, "refund", day, part)


def _sides(ref: Any, moved: Any, model: Any) -> tuple[Any, ...]:
    """What a row of a comparison has: two amounts of the trade line, and ours, to know whether those agree."""
    return ref, moved, BillLine.settled_fen, BillLine.amount_fen, model.amount_fen, Order.order_no


def _amounts(name: str, rows: Any, kind: str, day: Day, part: Part) -> Iterable[Difference]:
    unlike = fn.COALESCE(fn.ABS(FundLine.amount_fen) - BillLine.settled_fen, 0) != 0
    for ref, moved, settled, billed, ours, order_no in rows.where(within(FundLine, kind, day, part), unlike).tuples():
        if billed == ours:
            yield difference(name, ref, order_no, f"{moved:+} fen moved, {settled} fen settled in the trade bill")


def _missing_payments(day: Day, part: Part) -> Iterable[Difference]:
    rows: Any = BillLine.select(*_sides(BillLine.ref, FundLine.amount_fen, Payment))
    rows = rows.join(Payment, JOIN.LEFT_OUTER, on=(Payment.provider_transaction_id == BillLine.ref))
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == Payment.order)).switch(BillLine)
    moved = (FundLine.kind == "payment") & (FundLine.ref == BillLine.ref)
    return _missing("FUND_MISSING", rows.join(FundLine, JOIN.LEFT_OUTER, on=moved), "payment", day, part)


def _missing_refunds(day: Day, part: Part) -> Iterable[Difference]:
    """Of those that were asked for and done on that day: when in between the money moves is WeChat's choice."""
    done = (Refund.out_refund_no == BillLine.ref) & (Refund.state == "SUCCESS") & safely(Refund.refunded_at, day)
    rows: Any = BillLine.select(*_sides(BillLine.provider_refund_id, FundLine.amount_fen, Refund))
    rows = rows.join(Refund, JOIN.LEFT_OUTER, on=done)
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == Refund.order)).switch(BillLine)
    moved = (FundLine.kind == "refund") & (FundLine.ref == BillLine.provider_refund_id)
    return _missing("FUND_REFUND_MISSING", rows.join(FundLine, JOIN.LEFT_OUTER, on=moved), "refund", day, part)


def _missing(name: str, rows: Any, kind: str, day: Day, part: Part) -> Iterable[Difference]:
    then = within(BillLine, kind, day, part) & safely(BillLine.at, day) & (BillLine.settled_fen > 0)
    for ref, _, settled, billed, ours, order_no in rows.where(then, FundLine.id.is_null()).distinct().tuples():
        if billed == ours:
            detail = f"{settled} fen settled in the bill of {day.name}, and nothing moved on the account"
            yield difference(name, ref, order_no, detail)


FUND = (
    Comparison(partial(lines, FundLine, "payment"), partial(twice, FundLine, "payment", "FUND_TWICE")),
    Comparison(partial(lines, FundLine, "refund"), partial(twice, FundLine, "refund", "FUND_TWICE")),
    Comparison(partial(lines, FundLine, "payment"), _unknown_payments),
    Comparison(partial(lines, FundLine, "refund"), _unknown_refunds),
    Comparison(partial(lines, FundLine, "payment"), _payment_amounts),
    Comparison(partial(lines, FundLine, "refund"), _refund_amounts),
    Comparison(partial(lines, BillLine, "payment"), _missing_payments),
    Comparison(partial(lines, BillLine, "refund"), _missing_refunds),
)
