"""One order's story, from the log: for an operator who asks what happened."""

from __future__ import annotations

from models import Discrepancy, Order, Outbox, Payment, Shipment, StateLog, Transaction
from services.errors import NotFound
from services.orders import rfc3339


def explain(order_no: str) -> list[str]:
    """The story in lines, oldest first. Raises NotFound. Runs inside the caller's transaction."""
    order = Order.get_or_none(Order.order_no == order_no)
    if order is None:
        raise NotFound("order_not_found")
    attempts = list(Transaction.select().where(Transaction.order == order.id).order_by(Transaction.id))
    payments = list(Payment.select().where(Payment.order == order.id).order_by(Payment.id))
    flags = list(Discrepancy.select().where(Discrepancy.order_no == order_no).order_by(Discrepancy.id))
    numbers = [order.order_no, *(row.out_trade_no for row in attempts)]
    numbers += [*(row.provider_transaction_id for row in payments), *(str(row.id) for row in flags)]
    lines = [f"order {order.order_no}: {order.amount_fen} fen, {order.state}"]
    lines += [
        f"attempt {row.out_trade_no} through {row.adapter} ({row.scheme}): {row.state}"
        + (f", closed on {row.close_proof}" if row.close_proof else "")
        for row in attempts
    ]
    shipments = list(Shipment.select().where(Shipment.order == order.id).order_by(Shipment.revision))
    lines += [
        f"shipment {row.shipment_no} ({row.logistics_type}): {row.state} {row.refusal}".rstrip() for row in shipments
    ]
    lines += _moves([*numbers, *(row.shipment_no for row in shipments)])
    for payment in payments:
        lines.append(
            f"payment {payment.provider_transaction_id}: {payment.amount_fen} fen, {payment.disposition},"
            f" first known by {payment.source}, paid at {rfc3339(payment.paid_at)}"
        )
    for event in Outbox.select().where(Outbox.order == order.id):
        lines.append(f"told the shop: {event.kind} at {rfc3339(event.created_at)}")
    for row in flags:
        lines.append(f"discrepancy {row.kind} {row.state}: {row.detail}")
    return lines


def _moves(numbers: list[str]) -> list[str]:
    log = StateLog.select().where(StateLog.entity_id.in_(numbers)).order_by(StateLog.at, StateLog.id)
    return [
        f"{rfc3339(row.at)}  {row.entity} {row.from_state or '-'} -> {row.to_state} by {row.actor}  {row.note}".rstrip()
        for row in log
    ]


def open_discrepancies(limit: int) -> list[str]:
    """What a person must look at, newest first: a line each, which begins with the number to close it by.

    Runs inside the caller's transaction.
    """
    rows = Discrepancy.select().where(Discrepancy.state == "OPEN").order_by(Discrepancy.id.desc()).limit(limit)
    return [
        f"{row.id}  {rfc3339(row.created_at)}  {row.kind} {row.ref} {row.order_no or '-'}: {row.detail}" for row in rows
    ]
