"""What a bill and our tables do not agree on: set-based, so that a million lines cost a few queries.

Runs inside the caller's transaction. Decides nothing: a difference that evidence cannot repair is put before a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import JOIN, fn

from models import BillLine, Discrepancy, Order, Payment, Refund
from models.database import insert_new

MIDNIGHT = 600  # seconds: a refund asked for around midnight may stand in either day's bill
MOST = 10_000  # differences of one kind in one day; beyond that something else is wrong


def unknown_payments(day: str, limit: int) -> list[tuple[str, str]]:
    """Payments of the bill that we never heard of, as (transaction id, out_trade_no)."""
    rows = _billed(day, "payment").join(Payment, JOIN.LEFT_OUTER, on=(Payment.provider_transaction_id == BillLine.ref))
    return [(row.ref, row.out_trade_no) for row in rows.where(Payment.id.is_null()).limit(limit)]


def unknown_refunds(day: str, limit: int) -> list[tuple[str, str]]:
    """Refunds of the bill that we never heard of, as (out_refund_no, transaction id)."""
    rows = _billed(day, "refund").join(Refund, JOIN.LEFT_OUTER, on=(Refund.out_refund_no == BillLine.ref))
    return [(row.ref, row.provider_transaction_id) for row in rows.where(Refund.id.is_null()).limit(limit)]


def find(day: str, begins: int, ends: int) -> list[dict[str, Any]]:
    """Every difference, as a discrepancy row without state and time; the same on every run."""
    return [*_twice(day), *_payments(day, begins, ends), *_refunds(day, begins, ends)]


def record(found: list[dict[str, Any]], now: int) -> None:
    """Put them before a person; one that is known already stays as it is."""
    rows = [{**row, "state": "OPEN", "created_at": now} for row in found]
    for start in range(0, len(rows), 500):
        insert_new(Discrepancy, rows[start : start + 500], "ref")


def _billed(day: str, kind: str) -> Any:
    return BillLine.select().where(BillLine.day == day, BillLine.kind == kind).order_by(BillLine.id)


def _twice(day: str) -> Iterable[dict[str, Any]]:
    times = fn.COUNT(BillLine.id)
    lines = BillLine.select(BillLine.ref, times).where(BillLine.day == day).group_by(BillLine.kind, BillLine.ref)
    rows: Any = lines.having(times > 1).limit(MOST).tuples()
    for ref, count in rows:
        yield _row("BILL_TWICE", ref, None, f"{count} times in the bill of {day}")


def _payments(day: str, begins: int, ends: int) -> Iterable[dict[str, Any]]:
    for ref, out_trade_no in unknown_payments(day, MOST):
        yield _row("BILL_UNKNOWN", ref, None, f"in the bill of {day} for {out_trade_no}, and not here")
    joined = _billed(day, "payment").join(Payment, on=(Payment.provider_transaction_id == BillLine.ref))
    for line in joined.where(Payment.amount_fen != BillLine.amount_fen).limit(MOST):
        ours = Payment.get(Payment.provider_transaction_id == line.ref)
        yield _row("BILL_AMOUNT", line.ref, ours.order_id, f"{line.amount_fen} fen in the bill, {ours.amount_fen} here")
    mine = Payment.select().where(Payment.paid_at >= begins, Payment.paid_at < ends)
    billed = (BillLine.ref == Payment.provider_transaction_id) & (BillLine.day == day) & (BillLine.kind == "payment")
    for payment in mine.join(BillLine, JOIN.LEFT_OUTER, on=billed).where(BillLine.id.is_null()).limit(MOST):
        detail = f"{payment.amount_fen} fen paid that day, and not in the bill of {day}"
        yield _row("BILL_MISSING", payment.provider_transaction_id, payment.order_id, detail)


def _refunds(day: str, begins: int, ends: int) -> Iterable[dict[str, Any]]:
    for ref, paid in unknown_refunds(day, MOST):
        yield _row("BILL_REFUND_UNKNOWN", ref, None, f"in the bill of {day}, of {paid}, and not here")
    joined = _billed(day, "refund").join(Refund, on=(Refund.out_refund_no == BillLine.ref))
    for line in joined.where(Refund.amount_fen != BillLine.amount_fen).limit(MOST):
        ours = Refund.get(Refund.out_refund_no == line.ref)
        detail = f"{line.amount_fen} fen in the bill, {ours.amount_fen} here"
        yield _row("BILL_REFUND_AMOUNT", line.ref, ours.order_id, detail)
    accepted = Refund.state.in_(("PROCESSING", "ABNORMAL", "SUCCESS"))
    mine = Refund.select().where(accepted, Refund.created_at >= begins + MIDNIGHT, Refund.created_at < ends - MIDNIGHT)
    billed = (BillLine.ref == Refund.out_refund_no) & (BillLine.kind == "refund")
    for refund in mine.join(BillLine, JOIN.LEFT_OUTER, on=billed).where(BillLine.id.is_null()).limit(MOST):
        detail = f"{refund.amount_fen} fen refunded that day, and not in the bill of {day}"
        yield _row("BILL_REFUND_MISSING", refund.out_refund_no, refund.order_id, detail)


def _row(kind: str, ref: str, order_id: int | None, detail: str) -> dict[str, Any]:
    order = Order.get_or_none(Order.id == order_id) if order_id else None
    return {"kind": kind, "ref": ref[:64], "order_no": order.order_no if order else None, "detail": detail[:500]}
