"""One order's story, from the tables: for an operator who asks what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from models import Discrepancy, Notification, Order, Outbox, Payment, Refund, Shipment, StateLog, Transaction
from models.base import Table
from services.errors import NotFound
from services.orders import rfc3339

Row = TypeVar("Row", bound=Table)
ENTITIES = ("order", "transaction", "payment", "refund", "shipment", "discrepancy")


@dataclass(frozen=True, slots=True)
class File:
    """Every row about one order, oldest first. It stays among the services: rows are for nobody else."""

    order: Order
    attempts: list[Transaction]
    payments: list[Payment]
    refunds: list[Refund]
    shipments: list[Shipment]
    flags: list[Discrepancy]
    told: list[Outbox]
    messages: list[Notification]
    moves: list[StateLog]


def gather(order_no: str) -> File:
    """Raises NotFound("order_not_found"). Runs inside the caller's transaction."""
    order = Order.get_or_none(Order.order_no == order_no)
    if order is None:
        raise NotFound("order_not_found")
    attempts = _each(Transaction, Transaction.order == order.id)
    payments = _each(Payment, Payment.order == order.id)
    refunds = _each(Refund, Refund.order == order.id)
    shipments = _each(Shipment, Shipment.order == order.id)
    told = _each(Outbox, Outbox.order == order.id)
    flags = _each(Discrepancy, Discrepancy.order_no == order_no)
    asked = {row.out_trade_no for row in attempts} | {row.out_trade_no for row in payments}
    messages = _each(Notification, Notification.out_trade_no.in_(sorted(asked))) if asked else []
    numbers = [order_no, *(row.number for row in attempts), *(row.number for row in refunds)]
    numbers += [*(row.number for row in shipments), *(row.provider_transaction_id for row in payments)]
    numbers += [str(row.id) for row in flags]
    moves = _each(StateLog, StateLog.entity.in_(ENTITIES), StateLog.entity_id.in_(numbers))
    moves.sort(key=lambda row: (row.at, row.id))
    return File(order, attempts, payments, refunds, shipments, flags, told, messages, moves)


def _each(model: type[Row], *where: Any) -> list[Row]:
    return list(model.select().where(*where).order_by(model.id))


def explain(order_no: str) -> list[str]:
    """The story in lines. Raises NotFound. Runs inside the caller's transaction."""
    file = gather(order_no)
    lines = [f"order {file.order.order_no}: {file.order.amount_fen} fen, {file.order.state}"]
    lines += [
        f"attempt {row.out_trade_no} through {row.adapter} ({row.scheme}): {row.state}"
        + (f", closed on {row.close_proof}" if row.close_proof else "")
        for row in file.attempts
    ]
    lines += [
        f"refund {row.out_refund_no}: {row.amount_fen} fen, {row.state}, asked for by {row.requester}"
        + (f": {row.refusal}" if row.refusal else "")
        for row in file.refunds
    ]
    lines += [
        f"shipment {row.shipment_no} ({row.logistics_type}): {row.state} {row.refusal}".rstrip()
        for row in file.shipments
    ]
    return lines + _moves(file) + _facts(file)


def _moves(file: File) -> list[str]:
    return [
        f"{rfc3339(row.at)}  {row.entity} {row.from_state or '-'} -> {row.to_state} by {row.actor}  {row.note}".rstrip()
        for row in file.moves
    ]


def _facts(file: File) -> list[str]:
    """What is known by now, whenever that was learnt."""
    lines = [
        f"payment {row.provider_transaction_id}: {row.amount_fen} fen, {row.disposition},"
        f" first known by {row.source}, paid at {rfc3339(row.paid_at)}"
        for row in file.payments
    ]
    lines += [f"told the shop: {row.kind} at {rfc3339(row.created_at)}" for row in file.told]
    return lines + [f"discrepancy {row.kind} {row.state}: {row.detail}" for row in file.flags]


def open_discrepancies(limit: int) -> list[str]:
    """What a person must look at, newest first: a line each, which begins with the number to close it by.

    Runs inside the caller's transaction.
    """
    rows = Discrepancy.select().where(Discrepancy.state == "OPEN").order_by(Discrepancy.id.desc()).limit(limit)
    return [
        f"{row.id}  {rfc3339(row.created_at)}  {row.kind} {row.ref} {row.order_no or '-'}: {row.detail}" for row in rows
    ]
