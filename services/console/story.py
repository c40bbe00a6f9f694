"""One order for the console: what it is now, and everything that ever happened to it, oldest first, with the evidence.

Made of the same rows as ``cli.py explain`` (``services/explain.py``). Only looks. What happened in one second is told
in the order of cause and effect: a message, the money that it told of, the moves that followed, what was flagged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from models import AuditLine, Notification, OrderItem, StateLog, User
from services.console.search import status_of
from services.explain import File, gather

Evidence = Mapping[str, Any]
LAST = 1 << 62  # after every move of the same second


@dataclass(frozen=True, slots=True)
class Event:
    """``what``: the new state, the kind of a message or a discrepancy, the disposition of a payment."""

    at: int
    thing: str  # order, transaction, refund, shipment, payment, discrepancy; message, outbox, operator
    number: str
    what: str
    before: str  # the state that it was in; empty if it came into being
    who: str
    words: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Part:
    """Something that belongs to the order, as it is now: an attempt, a payment, a refund, a shipment."""

    number: str
    state: str
    amount_fen: int | None
    at: int
    words: str


@dataclass(frozen=True, slots=True)
class Story:
    order_no: str
    state: str
    status: str  # as services.console.search names it
    openid: str
    amount_fen: int
    paid_fen: int
    refunded_fen: int
    created_at: int
    expires_at: int
    paid_at: int | None
    items: list[tuple[str, int, int]]  # title, price in fen, quantity
    attempts: list[Part]
    payments: list[Part]
    refunds: list[Part]
    shipments: list[Part]
    flags: list[tuple[int, str, str, str]]  # id, kind, state, detail
    events: list[Event]


# Beside which move of its second it is told, before it (0, 1) or behind it (3, 4), and the event.
Ranked = tuple[int, int, Event]


def story(order_no: str) -> Story:
    """Raises NotFound("order_not_found")."""
    file = gather(order_no)
    order = file.order
    items = OrderItem.select().where(OrderItem.order == order.id).order_by(OrderItem.id)
    return Story(
        order_no=order_no,
        state=order.state,
        status=status_of(order),
        openid=User.get_by_id(order.user_id).openid,
        amount_fen=order.amount_fen,
        paid_fen=order.paid_fen,
        refunded_fen=order.refunded_fen,
        created_at=order.created_at,
        expires_at=order.expires_at,
        paid_at=order.paid_at,
        items=[(item.title, item.price_fen, item.quantity) for item in items],
        attempts=[_attempt(row) for row in file.attempts],
        payments=[
            Part(row.provider_transaction_id, row.disposition, row.amount_fen, row.paid_at, row.adapter)
            for row in file.payments
        ],
        refunds=[
            Part(row.out_refund_no, row.state, row.amount_fen, row.created_at, row.refusal or row.reason)
            for row in file.refunds
        ],
        shipments=[
            Part(row.shipment_no, row.state, None, row.created_at, row.refusal or row.logistics_type)
            for row in file.shipments
        ],
        flags=[(row.id, row.kind, row.state, row.detail) for row in file.flags],
        events=_events(file),
    )


def _attempt(row: Any) -> Part:
    return Part(row.out_trade_no, row.state, row.amount_fen, row.created_at, f"{row.adapter} {row.scheme}")


def _events(file: File) -> list[Event]:
    found = [*_told(file), *_moved(file), *_flagged(file), *_done(file)]
    return [event for *_, event in sorted(found, key=lambda item: (item[2].at, *item[:2]))]


def _beside(file: File, at: int, **like: str) -> int:
    """The first move of that second which is like that."""
    moves = (row.id for row in file.moves if row.at == at and all(getattr(row, k) == v for k, v in like.items()))
    return next(moves, LAST)


def _told(file: File) -> Iterable[Ranked]:
    for message in file.messages:
        yield _beside(file, message.received_at, actor="notification"), 0, _message(message)
    told = ("adapter", "out_trade_no", "appid", "mchid", "openid", "amount_fen", "currency", "paid_at")
    for row in file.payments:
        number, at = row.provider_transaction_id, row.created_at
        event = Event(at, "payment", number, row.disposition, "", row.source, "", _of(row, told))
        yield _beside(file, at, actor=row.source), 1, event


def _message(row: Notification) -> Event:
    evidence = {"report": row.report, "sha256": row.body_digest, "processed_at": row.processed_at}
    return Event(row.received_at, "message", row.dedupe_key, row.kind, "", row.adapter, "", evidence)


def _moved(file: File) -> Iterable[Ranked]:
    born = _births(file)
    for row in file.moves:
        evidence = born.get((row.entity, row.entity_id), {}) if row.seq == 1 and row.from_state is None else {}
        yield row.id, 2, _move(row, evidence)


def _move(row: StateLog, evidence: Evidence) -> Event:
    return Event(row.at, row.entity, row.entity_id, row.to_state, row.from_state or "", row.actor, row.note, evidence)


def _births(file: File) -> dict[tuple[str, str], Evidence]:
    """What each thing was made as: the very parameters that WeChat was sent."""
    attempt = ("adapter", "scheme", "appid", "mchid", "openid", "amount_fen", "expires_at", "request", "fingerprint")
    whose = ("adapter", "source", "requester", "amount_fen", "reason", "refund_no", "provider_refund_id")
    refund = (*whose, "request", "fingerprint", "refusal", "refunded_at")
    shipment = ("logistics_type", "parcels", "all_delivered", "fingerprint", "refusal", "uploaded_at")
    made = _of(file.order, ("amount_fen", "expires_at"))
    born: dict[tuple[str, str], Evidence] = {("order", file.order.order_no): made}
    born |= {("transaction", row.number): _of(row, (*attempt, "prepay_id", "close_proof")) for row in file.attempts}
    born |= {("refund", row.number): _of(row, refund) for row in file.refunds}
    return born | {("shipment", row.number): _of(row, shipment) for row in file.shipments}


def _flagged(file: File) -> Iterable[Ranked]:
    number = file.order.order_no
    for row in file.flags:
        evidence = {"id": row.id, "ref": row.ref, **({"day": row.day} if row.day else {})}
        yield LAST, 3, Event(row.created_at, "discrepancy", row.ref, row.kind, "", "", row.detail, evidence)
    for told in file.told:
        paid = _beside(file, told.created_at, entity="order", to_state="PAID")
        yield paid, 3, Event(told.created_at, "outbox", number, told.kind, "", "", "", {})


def _done(file: File) -> Iterable[Ranked]:
    """What operators did to it or were refused, and how it ended; that they began is in the audit log."""
    number = file.order.order_no
    rows = AuditLine.select().where(AuditLine.subject == number, AuditLine.outcome != "begun")
    for row in rows.order_by(AuditLine.id):
        evidence = {"outcome": row.outcome, "address": row.address, "request_id": row.request_id}
        yield LAST, 4, Event(row.at, "operator", number, row.action, "", row.operator, row.words, evidence)


def _of(row: Any, names: Iterable[str]) -> Evidence:
    """What there is of it."""
    values = {name: getattr(row, name) for name in names}
    return {name: value for name, value in values.items() if value not in (None, "")}
