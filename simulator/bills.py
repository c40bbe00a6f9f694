"""What WeChat's books say of a day: its trade lines and fund flows, from the ledger, with errors planted on request.

Days are Beijing's, by the virtual clock; the books of a day are ready at ten the next morning and kept three months
(v2.md 10, 11, v3.md 14). It must not know how a line is written (``billfile``) or who asks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from simulator.clock import BEIJING, Clock
from simulator.ledger import ABNORMAL, CLOSED, PROCESSING, SUCCESS, Ledger, Order, Refund

OF_PAYMENTS = ("missing", "amount", "duplicate", "number")
OF_REFUNDS = ("refund_missing", "refund_amount")
KINDS = (*OF_PAYMENTS, *OF_REFUNDS, "extra")
_STATES = {SUCCESS: "SUCCESS", PROCESSING: "PROCESSING", ABNORMAL: "CHANGE"}
_KEPT_DAYS = 92


class Line(NamedTuple):
    """One line of a trade bill, in fen and epoch seconds: a payment, or a refund if it has a ``refund_id``."""

    at: float
    transaction_id: str
    out_trade_no: str
    openid: str
    bank: str
    amount: int
    coupon: int
    name: str
    attach: str
    device: str = ""
    refund_id: str = ""
    out_refund_no: str = ""
    refunded: int = 0
    refunded_coupon: int = 0
    refund_state: str = ""
    channel: str = ""
    succeeded_at: float | None = None
    recharged: bool = False


class Flow(NamedTuple):
    """One movement of the merchant's basic account: ``fen`` is positive for what came in. ``number``: the voucher."""

    at: float
    transaction_id: str
    name: str
    fen: int
    number: str


class NoBill(Enum):
    CREATING = "not before ten o'clock the next morning"
    EMPTY = "nothing happened that day"
    OUT_OF_RANGE = "a day in the future, or too long ago"


class BillRefused(Exception):
    """There is no bill. ``why`` says why."""

    def __init__(self, why: NoBill) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class BillPlan:
    """What ``/_sim/bill`` sets: kinds of errors and how many of each, lines beside the ledger's, and the old form."""

    errors: tuple[tuple[str, int], ...] = ()
    extra_lines: int = 0
    columns: int = 27
    seed: int = 0
    day: date | None = None  # None: every day


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
        payments = len(self.payments) + self.plan.extra_lines
        self.spoiled = _spread(chance, payments, self.plan.errors, OF_PAYMENTS)
        self.spoiled_refunds = _spread(chance, len(self.refunds), self.plan.errors, OF_REFUNDS)

    @property
    def invented(self) -> int:
        return sum(n for kind, n in self.plan.errors if kind == "extra")

    def payment(self, index: int) -> Line:
        known = len(self.payments)
        return self.payments[index] if index < known else generated(self.date, self.start, index - known)


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
        books = self._day(day)
        for index in range(len(books.payments) + books.plan.extra_lines):
            line, error = books.payment(index), books.spoiled.get(index)
            yield from (line,) if error is None else _spoiled(line, error)
        for index, line in enumerate(books.refunds):
            error = books.spoiled_refunds.get(index)
            yield from (line,) if error is None else _spoiled(line, error)
        yield from (_invented(books, index) for index in range(books.invented))

    def planted(self, day: date) -> list[dict[str, object]]:
        """The known answers: every error of this day's trade bill, with the line as it is in truth."""
        books = self._day(day)
        chosen = [(kind, books.payment(index)) for index, kind in books.spoiled.items()]
        chosen += [(kind, books.refunds[index]) for index, kind in books.spoiled_refunds.items()]
        chosen += [("extra", _invented(books, index)) for index in range(books.invented)]
        return [_answer(kind, line) for kind, line in chosen]

    def flows(self, day: date) -> tuple[int, Iterator[Flow]]:
        """The balance at the day's start, in fen, and what moved: always true, no error is planted here."""
        books = self._day(day)
        before = sum(flow.fen for flow in self._moved(0.0, books.start))
        return before, self._with_generated(books)

    def _with_generated(self, books: _Day) -> Iterator[Flow]:
        yield from sorted(self._moved(books.start, books.start + 86400))
        for index in range(books.plan.extra_lines):
            yield from _paid_flows(generated(books.date, books.start, index))

    def _moved(self, start: float, end: float) -> Iterator[Flow]:
        for order in self._ledger.orders.values():
            if order.payment and start <= order.payment.paid_at < end:
                yield from _paid_flows(_paid(order))
        for refund in self._ledger.refunds.values():
            if refund.success_at is not None and start <= refund.success_at < end:
                yield from _refunded_flows(refund)

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


def fee_fen(amount: int) -> int:
    """0.60 % of so many fen, rounded half up to the fen."""
    return (amount * 6 + 500) // 1000


def generated(day: date, start: float, index: int) -> Line:
    """Line ``index`` (from 0) of ``extra_lines``. A test makes the same rows by the same rule:

    out_trade_no ``SIMX`` + yyyymmdd + 8 digits of the index, transaction_id ``4200999999`` + yyyymmdd + 10 digits of
    the index, amount 1 + 37 x index mod 100000 fen, paid (index mod 86400) seconds after midnight.
    """
    name = f"{day:%Y%m%d}"
    paid_at, amount = start + index % 86400, 1 + 37 * index % 100_000
    return Line(
        paid_at, f"4200999999{name}{index:010d}", f"SIMX{name}{index:08d}", "oSIMgenerated000000000000000",
        "OTHERS", amount, 0, "生成的账单, 第一类", "",
    )  # fmt: skip


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


def _paid_flows(line: Line) -> Iterator[Flow]:
    yield Flow(line.at, line.transaction_id, "交易", line.amount, line.transaction_id)
    if fee := fee_fen(line.amount):
        yield Flow(line.at, line.transaction_id, "扣除交易手续费", -fee, line.transaction_id)


def _refunded_flows(refund: Refund) -> Iterator[Flow]:
    at = refund.success_at or 0.0
    yield Flow(at, refund.refund_id, "退款", -refund.amount_fen, refund.out_refund_no)
    if fee := fee_fen(refund.amount_fen):
        yield Flow(at, refund.refund_id, "退还交易手续费", fee, refund.out_refund_no)


def _spread(
    chance: random.Random, lines: int, errors: tuple[tuple[str, int], ...], kinds: tuple[str, ...]
) -> dict[int, str]:
    """Which line gets which error: as many as there are lines, no line two."""
    wished = [kind for kind, n in errors if kind in kinds for _ in range(n)][:lines]
    return dict(zip(chance.sample(range(lines), len(wished)), wished, strict=True))


def _spoiled(line: Line, error: str) -> tuple[Line, ...]:
    match error:
        case "missing" | "refund_missing":
            return ()
        case "duplicate":
            return (line, line)
        case "amount":
            return (line._replace(amount=line.amount + 1),)
        case "refund_amount":
            return (line._replace(refunded=line.refunded + 1),)
        case _:
            return (line._replace(transaction_id=_another(line.transaction_id)),)


def _another(number: str) -> str:
    """One that no payment and no generated line has."""
    return "4200777777" + number[10:]


def _invented(books: _Day, index: int) -> Line:
    """A payment that nobody made."""
    line = generated(books.date, books.start, index)
    name = f"{books.date:%Y%m%d}"
    return line._replace(out_trade_no=f"SIMEXTRA{name}{index:08d}", transaction_id=f"4200888888{name}{index:010d}")


def _answer(kind: str, line: Line) -> dict[str, object]:
    known: dict[str, object] = {
        "kind": kind,
        "out_trade_no": line.out_trade_no,
        "transaction_id": line.transaction_id,
        "amount_fen": line.refunded if line.refund_id else line.amount,
    }
    return known | ({"out_refund_no": line.out_refund_no} if line.refund_id else {})
