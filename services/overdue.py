"""Paid orders that were not reported as shipped in time: each is put before a person, once.

Runs inside the caller's transaction.
"""

from __future__ import annotations

import logging

from peewee import JOIN

from models import Discrepancy, Order, Payment, Shipment
from models.states import ORDER
from services.discrepancies import flag

logger = logging.getLogger("pay.shipping")

KIND = "SHIPMENT_DUE"
LOOK_BACK = 30 * 86_400  # seconds: by then WeChat has settled the order one way or the other
PART = LOOK_BACK // 60  # seconds, too
OTHERS = [state for state in ORDER.ranks if state != "PAID"]  # no database is to begin at the many that are paid
Part = tuple[int, int]  # paid after the first, up to the second: epoch seconds


def parts(looked: int, until: int) -> list[Part]:
    """What to look at, in parts that each take a moment: what came due since the look up to ``looked``, and one part of
    the month, another each minute, since a payment can be heard of late. A process begins with the whole month."""
    month = [(until - (n + 1) * PART, until - n * PART) for n in range(LOOK_BACK // PART)]
    if looked <= until - LOOK_BACK:
        return month
    return [(looked, until), month[until // 60 % len(month)]]


def find(part: Part, limit: int) -> list[str]:
    """Order numbers: paid in that part, not given back whole, not reported whole, not known yet."""
    reported = (Shipment.order == Order.id) & (Shipment.state == "UPLOADED") & (Shipment.all_delivered == 1)
    known = (Discrepancy.ref == Order.order_no) & (Discrepancy.kind == KIND)
    orders = (
        Order.select(Order.order_no)
        .join(Payment, on=(Payment.order == Order.id))
        .join(Shipment, JOIN.LEFT_OUTER, on=reported)
        .join(Discrepancy, JOIN.LEFT_OUTER, on=known)
        .where(Payment.applied_slot == 1, Payment.paid_at > part[0], Payment.paid_at <= part[1])
        .where(Order.state.not_in(OTHERS), Order.refunded_fen < Order.paid_fen)
        .where(Shipment.id.is_null(), Discrepancy.id.is_null())
    )
    return [row.order_no for row in orders.order_by(Payment.paid_at).limit(limit)]


def record(found: list[str], within: int, now: int) -> None:
    for order_no in found:
        flag(logger, KIND, order_no, order_no, f"paid, and not reported as shipped within {within // 3600} hours", now)
