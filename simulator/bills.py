"""What WeChat's books say of a day: its trade lines and fund flows, from the ledger, with errors planted on request.

Days are Beijing's, by the virtual clock; the books of a day are ready at ten the next morning and kept three months
(v2.md 10, 11, v3.md 14). It must not know how a line is written (``billfile``) or who asks.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import chain

from simulator.billplan import (
    OF_PAYMENTS,
    OF_REFUNDS,
    PAYMENT,
    REFUND,
    BillPlan,
    Flow,
    Line,
    answer,
    generated,
    generated_refund,
    invented,
    paid_flows,
    refunded_flows,
    spoiled,
    spoiled_flow,
    spread,
)
from simulator.clock import BEIJING, Clock
from simulator.entities import ABNORMAL, CLOSED, PROCESSING, SUCCESS, Order, Refund
from simulator.ledger import Ledger

_STATES = {SUCCESS: "SUCCESS", PROCESSING: "PROCESSING", ABNORMAL: "CHANGE"}
_KEPT_DAYS = 92


class NoBill(Enum):
    CREATING = "not before ten o'clock the next morning"
    EMPTY = "nothing happened that day"
    OUT_OF_RANGE = "a day in the future, or too long ago"


class BillRefused(Exception):
    """There is no bill. ``why`` says why."""

    def __init__(self, why: NoBill) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass
class _Day:
    """A day's books before they are written: the ledger's payments and refunds, and which line gets which error."""

    date: date
    start: float
    payments: list[Line]
    refunds: list[Line]
    plan: BillPlan
    spoiled: dict[int, str] = field(default_factory=dict)
    spoiled_refunds: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(f"{self.plan.seed} {self.date}")  # noqa: S311 reproducible, not secret
        self.spoiled = spread(chance, self.paid, self.plan.errors, OF_PAYMENTS)
        self.spoiled_refunds = spread(chance, self.refunded, self.plan.errors, OF_REFUNDS)

    @property
    def paid(self) -> int:
        return len(self.payments) + self.plan.extra_lines

    @property
    def refunded(self) -> int:
        return len(self.refunds) + self.plan.extra_refunds

    def payment(self, index: int) -> Line:
        known = len(self.payments)
        return self.payments[index] if index < known else generated(self.date, self.start, index - known)

    def refund(self, index: int) -> Line:
        known = len(self.refunds)
        return self.refunds[index] if index < known else generated_refund(self.date, self.start, index - known)

    def wrong_flows(self) -> dict[str, str]:
        """The errors by the number of what moves."""
        paid = {self.payment(index).transaction_id: kind for index, kind in self.spoiled.items()}
        return paid | {self.refund(index).refund_id: kind for index, kind in self.spoiled_refunds.items()}

    def invented(self) -> Iterator[Line]:
        count = sum(n for kind, n in self.plan.errors if kind == "extra")
        return (invented(self.date, self.start, index) for index in range(count))


class Bills:
    """The books, and the plan of errors."""

    def __init__(self, ledger: Ledger, clock: Clock, appid: str, mchid: str) -> None:
        self.plan = BillPlan()
        self.appid = appid
        self.mchid = mchid
        self._ledger = ledger
        self._clock = clock

    def check_day(self, day: date) -> None:
        """Raise ``BillRefused`` if there is no bill of this day yet, or any more."""
        now = datetime.fromtimestamp(self._clock.now(), BEIJING)
        if day > now.date() or day < now.date() - timedelta(days=_KEPT_DAYS):
            raise BillRefused(NoBill.OUT_OF_RANGE)
        if now < _midnight(day) + timedelta(days=1, hours=10):
            raise BillRefused(NoBill.CREATING)

    def lines(self, day: date) -> Iterator[Line]:
        """The trade bill's lines, planted errors included: payments by time, refunds by time, then what is added."""
        return _lines(self._day(day))

    def planted(self, day: date) -> list[dict[str, object]]:
        """The known answers: every error of this day's bills, with the line as it is in truth."""
        books = self._day(day)
        chosen = [(kind, books.payment(index)) for index, kind in books.spoiled.items()]
        chosen += [(kind, books.refund(index)) for index, kind in books.spoiled_refunds.items()]
        chosen += [("extra", line) for line in books.invented()]
        return [answer(kind, line) for kind, line in chosen]

    def flows(self, day: date) -> tuple[int, Iterator[Flow]]:
        """The balance at the day's start, in fen, and what moved, planted errors included."""
        books = self._day(day)
        before = sum(flow.fen for flow in self._moved(0.0, books.start))
        moved = sorted(self._moved(books.start, books.start + 86400))
        return before, _flows(books, chain(moved, _generated_flows(books)))

    def _moved(self, start: float, end: float) -> Iterator[Flow]:
        for order in self._ledger.orders.values():
            if order.payment and start <= order.payment.paid_at < end:
                yield from paid_flows(_paid(order))
        for refund in self._ledger.refunds.values():
            if refund.success_at is not None and start <= refund.success_at < end:
                yield from refunded_flows(refund.success_at, refund.refund_id, refund.amount_fen, refund.out_refund_no)

    def _day(self, day: date) -> _Day:
        start = _midnight(day).timestamp()
        end = start + 86400
        orders, plan = self._ledger.orders, self.plan
        payments = [_paid(o) for o in orders.values() if o.payment and start <= o.payment.paid_at < end]
        refunds = [
            _refunded(orders[r.out_trade_no], r)
            for r in self._ledger.refunds.values()
            if start <= r.created_at < end and r.state != CLOSED
        ]
        applies = plan.day in (None, day)
        return _Day(day, start, sorted(payments), sorted(refunds), plan if applies else BillPlan(columns=plan.columns))


# The ledger was read before: these go on while it changes.


def _lines(books: _Day) -> Iterator[Line]:
    for index in range(books.paid):
        yield from spoiled(books.payment(index), books.spoiled.get(index))
    for index in range(books.refunded):
        yield from spoiled(books.refund(index), books.spoiled_refunds.get(index))
    yield from books.invented()


def _flows(books: _Day, flows: Iterable[Flow]) -> Iterator[Flow]:
    wrong = books.wrong_flows()
    for flow in flows:
        yield from spoiled_flow(flow, wrong.get(flow.transaction_id) if flow.name in (PAYMENT, REFUND) else None)


def _generated_flows(books: _Day) -> Iterator[Flow]:
    for index in range(books.plan.extra_lines):
        yield from paid_flows(generated(books.date, books.start, index))
    for index in range(books.plan.extra_refunds):
        line = generated_refund(books.date, books.start, index)
        yield from refunded_flows(line.at, line.refund_id, line.refunded, line.out_refund_no)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING)


def _paid(order: Order) -> Line:
    payment = order.payment
    if payment is None:
        raise ValueError("not paid")
    coupon = order.amount_fen - payment.payer_total
    return Line(
        payment.paid_at, payment.transaction_id, order.out_trade_no, order.openid, payment.bank_type,
        order.amount_fen, coupon, order.description, order.attach, order.device_info,
    )  # fmt: skip


def _refunded(order: Order, refund: Refund) -> Line:
    return _paid(order)._replace(
        at=refund.created_at,
        refund_id=refund.refund_id,
        out_refund_no=refund.out_refund_no,
        refunded=refund.amount_fen,
        refunded_coupon=refund.amount_fen - refund.payer_fen,
        refund_state=_STATES[refund.state],
        channel=refund.channel,
        succeeded_at=refund.success_at,
        recharged=refund.account == "AVAILABLE",
    )
