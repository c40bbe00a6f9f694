"""What may be refunded, and when: WeChat's limits, the hold on the money, and what goes back by itself.

Runs inside the caller's transaction.
"""

from __future__ import annotations

from typing import Any

from peewee import fn

from models import Order, Payment, Refund
from services.errors import Conflicting

# WeChat's rules (v2.md 8, v3.md 13)
WITHIN = 365 * 86_400  # seconds after the payment
MOST = 50  # refunds of one payment
APART = 60  # seconds between refunds of one payment


def check_rules(payment: Payment, now: int) -> None:
    if now - payment.paid_at > WITHIN:
        raise Conflicting("refund_too_late")
    if Refund.select().where(Refund.payment == payment.id).count() >= MOST:
        raise Conflicting("refunds_too_many")


def hold(payment: Payment, amount_fen: int) -> None:
    """The whole protection against refunding more than was paid: one UPDATE that takes the money or does not."""
    left = Payment.amount_fen - Payment.held_fen - Payment.external_fen
    taken = (
        Payment.update(held_fen=Payment.held_fen + amount_fen)
        .where(Payment.id == payment.id, left >= amount_fen)
        .execute()
    )
    if not taken:
        raise Conflicting("refund_exceeds_payment")


def first_turn(payment: Payment, now: int) -> int:
    """Now, or a minute after the turn of the last one: refunds that come faster wait in line."""
    others = Refund.select().where(Refund.payment == payment.id, Refund.source == "LOCAL")
    turns = [row.ask_at if row.state == "REQUESTED" and row.ask_at else row.created_at for row in others]
    return max([now, *(turn + APART for turn in turns)])


def to_give_back(late: str, limit: int) -> list[int]:
    """Payments that must go back by themselves and have no refund yet: each kind is asked for by an index of its own,
    of payments that were one too many, of orders that were paid too late."""
    wrong = [Payment.disposition == "DUPLICATE"]
    if late == "refund":
        wrong.append(Payment.order.in_(Order.select(Order.id).where(Order.state == "PAID_LATE")))
    found = {row.id for one in wrong for row in _untouched(one).limit(limit)}
    return sorted(found)[:limit]


def _untouched(wrong: Any) -> Any:
    refund = Refund.select(Refund.id).where(Refund.payment == Payment.id)
    rows = Payment.select(Payment.id).where(wrong, Payment.held_fen == 0, Payment.external_fen == 0)
    return rows.where(~fn.EXISTS(refund)).order_by(Payment.id)
