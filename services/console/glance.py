"""One day at a glance: money, orders, how well payments go, what WeChat's messages took, what was refused.

A day is Beijing's, as in the bills. Only looks; amounts are fen, times epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from models import Discrepancy, Notification, Order, Payment, Refund, Refusal, Transaction
from models.states import ORDER
from services.bills import Day

HOUR = 3600
LATE = (1, 5, 30, 300)  # seconds: where the bars of the notifications' delay are cut


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from a payment to our taking its notification."""

    count: int
    p50: int
    p95: int
    bars: Sequence[int]  # so many within LATE[0], within LATE[1], ... and later


@dataclass(frozen=True, slots=True)
class Glance:
    paid: Sequence[int]  # what came in, hour by hour
    refunded: Sequence[int]  # what went back
    payments: int
    refunds: int
    orders: Mapping[str, int]  # made that day, by the state they are in now
    tried: int  # of them, those that somebody began to pay
    succeeded: int
    delays: Delays
    refused: Sequence[tuple[str, str, int]]  # adapter, reason, how often
    open_discrepancies: int


def glance(day: Day) -> Glance:
    paid, payments = _hours(Payment, Payment.paid_at, day)
    refunded, refunds = _hours(Refund, Refund.refunded_at, day, Refund.state == "SUCCESS")
    orders = _orders(day)
    succeeded = orders["PAID"] + orders["PAID_LATE"]
    return Glance(
        paid=paid,
        refunded=refunded,
        payments=payments,
        refunds=refunds,
        orders=orders,
        tried=succeeded + orders["PAYING"] + orders["CLOSING"] + _given_up(day),
        succeeded=succeeded,
        delays=_delays(day),
        refused=_refused(day),
        open_discrepancies=Discrepancy.select().where(Discrepancy.state == "OPEN").count(),
    )


def _of(moment: Any, day: Day) -> Any:
    return (moment >= day.begins) & (moment < day.ends)


def _hours(model: Any, moment: Any, day: Day, *where: Any) -> tuple[list[int], int]:
    """The sums of the day's hours, and how many rows there were. A day has 24: Beijing's clock is never moved.

    A range of the index for each: to sort a day's rows by their hour takes the databases five times as long.
    """
    rows = model.select(fn.SUM(model.amount_fen), fn.COUNT(model.id))
    hours = [(moment >= begins) & (moment < begins + HOUR) for begins in range(day.begins, day.ends, HOUR)]
    found = [rows.where(hour, *where).scalar(as_tuple=True) for hour in hours]
    return [int(fen or 0) for fen, _ in found], sum(count for _, count in found)


def _orders(day: Day) -> dict[str, int]:
    """A range of one index each."""
    made = _of(Order.created_at, day)
    return {state: Order.select().where(Order.state == state, made).count() for state in ORDER.ranks}


def _given_up(day: Day) -> int:
    """Orders closed after somebody had begun to pay; those that nobody did are no failures."""
    closed = Order.select(Order.id).where(Order.state == "CLOSED", _of(Order.created_at, day))
    began = Transaction.select(Transaction.id).where(Transaction.order == Order.id)
    return int(closed.where(fn.EXISTS(began)).count())


def _delays(day: Day) -> Delays:
    took = Notification.received_at - Notification.happened_at
    heard = (Notification.kind == "payment") & Notification.happened_at.is_null(False)
    rows: Any = Notification.select(took, fn.COUNT(Notification.id))
    rows = rows.where(_of(Notification.received_at, day), heard).group_by(took).order_by(took).tuples()
    return _summed([(max(0, int(seconds)), count) for seconds, count in rows])


def _summed(times: Sequence[tuple[int, int]]) -> Delays:
    """``times``: seconds and how often, rising."""
    count = sum(often for _, often in times)
    bars = [0] * (len(LATE) + 1)
    for seconds, often in times:
        bars[sum(seconds > limit for limit in LATE)] += often
    return Delays(count, _percentile(times, count, 50), _percentile(times, count, 95), bars)


def _percentile(times: Sequence[tuple[int, int]], count: int, share: int) -> int:
    """The smallest time within which that share of a hundred came; 0 if none came."""
    sofar = 0
    for seconds, often in times:
        sofar += often
        if sofar * 100 >= share * count:
            return seconds
    return 0


def _refused(day: Day) -> list[tuple[str, str, int]]:
    times = fn.SUM(Refusal.times)
    rows: Any = Refusal.select(Refusal.adapter, Refusal.reason, times).where(_of(Refusal.hour, day))
    rows = rows.group_by(Refusal.adapter, Refusal.reason).order_by(times.desc(), Refusal.adapter, Refusal.reason)
    return [(adapter, reason, int(often)) for adapter, reason, often in rows.tuples()]
