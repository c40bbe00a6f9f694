"""The open attempt of an order, and what is stored of it: for all who tap "pay" while the tables are busy, at once.

``open_attempts`` and ``record_prepays`` are one database transaction each, and answer each item by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.base import Attempt, PaymentAdapter, PrepayRequest
from models import Order, OrderItem, Payment, Transaction
from models.database import locked
from models.statements import Prepared, add, columns, row_of
from services.asking import FIRST_QUESTION, Question
from services.errors import Conflicting, NotFound, ProviderRefused, Refused, each_answered
from services.login import Person
from services.moves import Step, beginning, move, step, write
from services.payments import OPEN_STATES
from services.placing import ITEMS
from services.ports import derived

PREPAY_LIVES = 2 * 3600  # seconds (v2.md 4, v3.md 9)
PREPAY_MARGIN = 60  # a client needs a moment between receiving and using it
LEAST_TO_PAY = 300  # seconds between an attempt and its time_expire: v2's older rule; v3 moves less than 60

ORDER_IDS = Prepared[Order](lambda numbers: Order.select(Order.id).where(Order.order_no.in_(numbers)))
ORDERS = Prepared[Order](
    lambda ids: locked(
        Order.select(*columns(Order, "id order_no user amount_fen currency state version expires_at"))
        .where(Order.id.in_(ids))
        .order_by(Order.id)
    )
)
ATTEMPTS = Prepared[Transaction](lambda orders: Transaction.select().where(Transaction.order.in_(orders)))
PAID_FOR = Prepared[Payment](lambda orders: Payment.select(Payment.order).where(Payment.order.in_(orders)))
NAMED_IDS = Prepared[Transaction](
    lambda numbers: Transaction.select(Transaction.id).where(Transaction.out_trade_no.in_(numbers))
)
NAMED = Prepared[Transaction](
    lambda ids: locked(
        Transaction.select(*columns(Transaction, "id out_trade_no state version handed_at"))
        .where(Transaction.id.in_(ids))
        .order_by(Transaction.id)
    )
)
RENEWED = Prepared[Transaction](
    lambda prepay_id, at, id_: Transaction.update(prepay_id=prepay_id, prepaid_at=at).where(Transaction.id == id_)
)


@dataclass(frozen=True, slots=True)
class Sold:
    """What the payer's bill says, and where WeChat reports to."""

    shop_name: str
    notify_base: str


@dataclass(frozen=True, slots=True)
class Tap:
    """A buyer wants to pay. ``composer`` makes the attempt if there is none."""

    person: Person
    order_no: str
    client_ip: str
    composer: PaymentAdapter


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """The order's open attempt, detached from the tables."""

    question: Question
    request: PrepayRequest
    prepay_id: str | None  # None: to be asked for, with the same parameters


@dataclass(frozen=True, slots=True)
class Prepaid:
    """What WeChat answered."""

    out_trade_no: str
    prepay_id: str


def open_attempts(taps: Sequence[Tap], sold: Sold, now: int) -> list[OpenAttempt | Refused]:
    """Each tap's attempt, made now if there is none; or NotFound, Conflicting, ProviderRefused."""
    desk = Desk.open(taps, sold, now)
    told = each_answered(desk.serve, taps)
    desk.write()
    return told


@dataclass
class Desk:
    """The rows that some taps are about, read at once, and the new attempts, written at once."""

    sold: Sold
    now: int
    orders: dict[str, Order]
    attempts: dict[int, list[Transaction]]  # all of an order's, by its id
    items: dict[int, list[OrderItem]]
    paid_for: set[int | None]
    new: list[Transaction] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def open(cls, taps: Sequence[Tap], sold: Sold, now: int) -> Desk:
        """Orders are locked by id, in its order, as the funnel does: so that two of these cannot deadlock."""
        ids = sorted(row.id for row in ORDER_IDS.all([tap.order_no for tap in taps]))
        orders = {row.order_no: row for row in ORDERS.all(ids)}
        attempts: dict[int, list[Transaction]] = {id_: [] for id_ in ids}
        items: dict[int, list[OrderItem]] = {id_: [] for id_ in ids}
        for row in ATTEMPTS.all(ids) if ids else ():
            attempts[row.order_id].append(row)
        tried = [id_ for id_ in ids if attempts[id_]]
        paid_for = {row.order_id for row in PAID_FOR.all(tried)} if tried else set[int | None]()
        to_be_tried = [id_ for id_ in ids if not _opened(attempts[id_])]
        for item in ITEMS.all(to_be_tried) if to_be_tried else ():
            items[item.order_id].append(item)
        return cls(sold, now, orders, attempts, items, paid_for)

    def serve(self, tap: Tap) -> OpenAttempt:
        """Raises Refused."""
        order = self.orders.get(tap.order_no)
        if order is None or order.user_id != tap.person.user_id:
            raise NotFound("order_not_found")
        self._check_payable(order)
        return _detached(_opened(self.attempts[order.id]) or self._made(tap, order), self.now)

    def write(self) -> None:
        if self.new:
            add(self.new)
            write(self.steps, "user", self.now)

    def _check_payable(self, order: Order) -> None:
        if order.state == "PAID":
            raise Conflicting("order_paid")
        if order.state in ("CLOSED", "PAID_LATE"):
            raise Conflicting("order_closed")
        if order.state == "CLOSING":
            raise Conflicting("order_closing")
        if self.now >= order.expires_at:
            raise Conflicting("order_expired")
        if order.id in self.paid_for:  # of another amount, say: a person looks at it
            raise Conflicting("payment_disputed")

    def _made(self, tap: Tap, order: Order) -> Transaction:
        items, attempts = self.items[order.id], self.attempts[order.id]
        attempt = Attempt(
            out_trade_no=_number(order, len(attempts)),
            amount_fen=_amount(order, items),
            currency=order.currency,
            description=_description(self.sold.shop_name, items),
            openid=tap.person.openid,
            client_ip=tap.client_ip,
            notify_url=f"{self.sold.notify_base}/notify/{tap.composer.name}/payment",
            created_at=self.now,
            expires_at=max(order.expires_at, self.now + LEAST_TO_PAY),
        )
        row = _prepared(order, tap.composer, attempt)
        attempts.append(row)
        self.new.append(row)
        self.steps += [beginning(row), *([step(order, "PAYING")] if order.state == "CREATED" else [])]
        return row


def record_prepays(prepaid: Sequence[Prepaid], now: int) -> list[str | Refused]:
    """Store what will be handed out; Conflicting if an attempt is no longer to be paid: then it is dropped."""
    rows = _named([each.out_trade_no for each in prepaid])
    steps: list[Step] = []
    renewed: list[tuple[str, int]] = []  # prepay_id, id of the attempt

    def record(each: Prepaid) -> str:
        row = rows[each.out_trade_no]
        if row.state in ("PREPARED", "UNKNOWN"):
            handed = row.handed_at or now
            steps.append(step(row, "PREPAID", prepay_id=each.prepay_id, prepaid_at=now, handed_at=handed))
        elif row.state == "PREPAID":  # another request was faster, or a new prepay_id after two hours
            renewed.append((each.prepay_id, row.id))
        else:
            raise Conflicting("order_paid" if row.state == "PAID" else "order_closing")
        return each.prepay_id

    told = each_answered(record, prepaid)
    write(steps, "prepay", now)
    for prepay_id, id_ in renewed:
        RENEWED.run(prepay_id, now, id_)
    return told


def record_unknown(out_trade_no: str, now: int) -> None:
    """Nobody knows whether WeChat has heard of it."""
    row = _named([out_trade_no])[out_trade_no]
    if row.state == "PREPARED":
        move(row, "UNKNOWN", "prepay", now, ask_at=now + 60)


def _named(numbers: list[str]) -> dict[str, Transaction]:
    """Attempts, locked by id, in its order."""
    ids = sorted(row.id for row in NAMED_IDS.all(numbers))
    return {row.out_trade_no: row for row in NAMED.all(ids)}


def _opened(attempts: Sequence[Transaction]) -> Transaction | None:
    return next((row for row in attempts if row.open_slot), None)


def _number(order: Order, before: int) -> str:
    """Follows from the order and how many attempts it had: when a backup was put back that does not know the last one,
    the next has its number, and WeChat takes no second payment under a number."""
    return derived("WX", order.order_no, str(before + 1))


def _amount(order: Order, items: Sequence[OrderItem]) -> int:
    """The price once more, from the items: nothing is collected that the items do not add up to."""
    total = sum(item.price_fen * item.quantity for item in items)
    if total != order.amount_fen:
        raise ProviderRefused("amount_contradicts_items")
    return total


def _description(shop_name: str, items: Sequence[OrderItem]) -> str:
    """ "Shop-first product", the form that v2.md 4 asks for; the adapter cuts it to WeChat's length."""
    more = f" +{len(items) - 1}" if len(items) > 1 else ""
    return f"{shop_name}-{items[0].title}{more}"


def _prepared(order: Order, adapter: PaymentAdapter, attempt: Attempt) -> Transaction:
    request = adapter.compose(attempt)
    values = {
        "out_trade_no": attempt.out_trade_no,
        "order": order.id,
        "adapter": adapter.name,
        "scheme": request.scheme,
        "appid": adapter.appid,
        "mchid": adapter.mchid,
        "openid": attempt.openid,
        "amount_fen": attempt.amount_fen,
        "currency": attempt.currency,
        "request": request.parameters,
        "fingerprint": hashlib.sha256(request.parameters.encode()).hexdigest(),
        "state": "PREPARED",
        "version": 1,
        "open_slot": 1,
        "prepay_id": None,
        "prepaid_at": None,
        "handed_at": None,
        "close_proof": None,
        "created_at": attempt.created_at,
        "expires_at": attempt.expires_at,
        "asked": 0,
        "ask_at": attempt.created_at + FIRST_QUESTION,
    }
    return row_of(Transaction, values)


def _detached(row: Transaction, now: int) -> OpenAttempt:
    if row.state not in OPEN_STATES:
        raise Conflicting("order_closing")
    fresh = row.prepaid_at is not None and now - row.prepaid_at < PREPAY_LIVES - PREPAY_MARGIN
    request = PrepayRequest(row.request, row.scheme)
    return OpenAttempt(Question.about(row), request, row.prepay_id if fresh else None)
