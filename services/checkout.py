"""Paying: one open attempt per order, committed before WeChat hears of it, asked for again with the same parameters.

A prepay_id is stored and handed out for two hours, signed afresh at every tap. A new ``out_trade_no`` is made only
when the old one is proven closed: two open numbers of one order could both be paid.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.base import Adapters, Attempt, PaymentAdapter, Prepay, PrepayRequest
from adapters.errors import Conflict, NotSent, OutcomeUnknown, PaymentError, Throttled
from models import Order, OrderItem, Payment, Transaction
from models.database import Database, locked
from models.statements import Prepared, columns, create
from services.asking import FIRST_QUESTION, Asking, Question, adapter_of
from services.errors import Conflicting, NotFound, ProviderRefused, TryLater
from services.gateway import refusal
from services.login import Person
from services.moves import beginning, move, step, write
from services.orders import ITEMS
from services.payments import OPEN_STATES
from services.ports import Clock, derived

PREPAY_LIVES = 2 * 3600  # seconds (v2.md 4, v3.md 9)
PREPAY_MARGIN = 60  # a client needs a moment between receiving and using it
LEAST_TO_PAY = 300  # seconds between an attempt and its time_expire: v2's older rule; v3 moves less than 60
NOT_SENT_AGAIN = (0.1, 0.4)  # seconds before each repeat of a request that certainly did not arrive

ORDER = Prepared[Order](lambda order_no: locked(Order.select().where(Order.order_no == order_no)))
ATTEMPTS = Prepared[Transaction](lambda order: Transaction.select().where(Transaction.order == order))
ATTEMPT = Prepared[Transaction](
    lambda number: locked(
        Transaction.select(*columns(Transaction, "id out_trade_no state version handed_at")).where(
            Transaction.out_trade_no == number
        )
    )
)
PAID_FOR = Prepared[Payment](lambda order: Payment.select(Payment.id).where(Payment.order == order).limit(1))


@dataclass(frozen=True, slots=True)
class Sold:
    """What the payer's bill says, and where WeChat reports to."""

    shop_name: str
    notify_base: str


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """The order's open attempt, detached from the tables."""

    question: Question
    request: PrepayRequest
    prepay_id: str | None  # None: to be asked for, with the same parameters


class Checkout:
    def __init__(
        self, database: Database, adapters: Adapters, default: str, asking: Asking, sold: Sold, now: Clock
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._default = default
        self._asking = asking
        self._sold = sold
        self._now = now

    async def pay(
        self, person: Person, order_no: str, client_ip: str, composer: PaymentAdapter | None = None
    ) -> dict[str, str]:
        """What ``wx.requestPayment`` needs. Raises NotFound, Conflicting, TryLater, ProviderRefused.

        ``composer`` makes a new attempt instead of the configured generation: the demo page's choice.
        """
        composer = composer or self._adapters[self._default]
        for _ in range(2):  # the second time if the first attempt proves closed at WeChat
            attempt = await self._database.settle(self._open_attempt, person, order_no, client_ip, composer)
            adapter = adapter_of(self._adapters, attempt.question.adapter)
            try:
                prepay_id = attempt.prepay_id or await self._prepay(adapter, attempt)
            except Conflict:
                await self._asking.ask(attempt.question)  # paid, or closed: WeChat says which
                continue
            return adapter.client_payment(Prepay(prepay_id, attempt.request.scheme), int(self._now()))
        raise TryLater("gateway_uncertain")

    def _open_attempt(self, person: Person, order_no: str, client_ip: str, composer: PaymentAdapter) -> OpenAttempt:
        """The order's open attempt, made now if there is none. One database transaction."""
        now = int(self._now())
        order = ORDER.first(order_no)
        if order is None or order.user_id != person.user_id:
            raise NotFound("order_not_found")
        attempts = ATTEMPTS.all(order.id)
        _check_payable(order, attempts, now)
        opened = next((row for row in attempts if row.open_slot), None)
        return _detached(opened or self._insert_attempt(composer, order, len(attempts), person, client_ip, now), now)

    def _insert_attempt(
        self, adapter: PaymentAdapter, order: Order, before: int, person: Person, client_ip: str, now: int
    ) -> Transaction:
        """``before``: how many attempts the order had."""
        items = ITEMS.all(order.id)
        attempt = Attempt(
            out_trade_no=_number(order, before),
            amount_fen=_amount(order, items),
            currency=order.currency,
            description=_description(self._sold.shop_name, items),
            openid=person.openid,
            client_ip=client_ip,
            notify_url=f"{self._sold.notify_base}/notify/{adapter.name}/payment",
            created_at=now,
            expires_at=max(order.expires_at, now + LEAST_TO_PAY),
        )
        row = _insert(order, adapter, attempt)
        paying = [step(order, "PAYING")] if order.state == "CREATED" else []
        write([beginning(row), *paying], "user", now)
        return row

    async def _prepay(self, adapter: PaymentAdapter, attempt: OpenAttempt) -> str:
        """Ask for a prepay_id and store it. Raises Conflict for the caller to settle."""
        number_ = attempt.question.out_trade_no
        try:
            prepay = await _send(adapter, attempt.request)
        except Conflict:
            raise
        except PaymentError as error:
            if isinstance(error, OutcomeUnknown):
                await self._database.run(_record_unknown, number_, int(self._now()))
            raise refusal("prepay", number_, error) from error
        return await self._database.settle(_record_prepay, number_, prepay.prepay_id, int(self._now()))


async def _send(adapter: PaymentAdapter, request: PrepayRequest) -> Prepay:
    """Byte-equal parameters each time. Not delivered: twice more. Outcome unknown: once more, which also finds out."""
    for delay in NOT_SENT_AGAIN:
        try:
            return await adapter.prepay(request)
        except NotSent:
            await asyncio.sleep(delay)
        except OutcomeUnknown as unknown:
            return await _once_more(adapter, request, unknown)
    return await adapter.prepay(request)


async def _once_more(adapter: PaymentAdapter, request: PrepayRequest, unknown: OutcomeUnknown) -> Prepay:
    """What the first call did stays unknown unless the second one says so: not reached is no answer to that."""
    try:
        return await adapter.prepay(request)
    except (NotSent, Throttled):
        raise unknown from None


def _check_payable(order: Order, attempts: Sequence[Transaction], now: int) -> None:
    if order.state == "PAID":
        raise Conflicting("order_paid")
    if order.state in ("CLOSED", "PAID_LATE"):
        raise Conflicting("order_closed")
    if order.state == "CLOSING":
        raise Conflicting("order_closing")
    if now >= order.expires_at:
        raise Conflicting("order_expired")
    if attempts and PAID_FOR.first(order.id) is not None:  # of another amount, say: a person looks at it
        raise Conflicting("payment_disputed")


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


def _insert(order: Order, adapter: PaymentAdapter, attempt: Attempt) -> Transaction:
    request = adapter.compose(attempt)
    return create(
        Transaction,
        out_trade_no=attempt.out_trade_no,
        order=order.id,
        adapter=adapter.name,
        scheme=request.scheme,
        appid=adapter.appid,
        mchid=adapter.mchid,
        openid=attempt.openid,
        amount_fen=attempt.amount_fen,
        currency=attempt.currency,
        request=request.parameters,
        fingerprint=hashlib.sha256(request.parameters.encode()).hexdigest(),
        state="PREPARED",
        version=1,
        open_slot=1,
        prepay_id=None,
        prepaid_at=None,
        handed_at=None,
        close_proof=None,
        created_at=attempt.created_at,
        expires_at=attempt.expires_at,
        asked=0,
        ask_at=attempt.created_at + FIRST_QUESTION,
    )


def _detached(row: Transaction, now: int) -> OpenAttempt:
    if row.state not in OPEN_STATES:
        raise Conflicting("order_closing")
    fresh = row.prepaid_at is not None and now - row.prepaid_at < PREPAY_LIVES - PREPAY_MARGIN
    request = PrepayRequest(row.request, row.scheme)
    return OpenAttempt(Question.about(row), request, row.prepay_id if fresh else None)


def _record_unknown(out_trade_no: str, now: int) -> None:
    row = ATTEMPT.one(out_trade_no)
    if row.state == "PREPARED":
        move(row, "UNKNOWN", "prepay", now, ask_at=now + 60)


def _record_prepay(out_trade_no: str, prepay_id: str, now: int) -> str:
    """Store what will be handed out. Raises Conflicting if the attempt is no longer to be paid: then it is dropped."""
    row = ATTEMPT.one(out_trade_no)
    if row.state in ("PREPARED", "UNKNOWN"):
        handed = row.handed_at or now
        move(row, "PREPAID", "prepay", now, prepay_id=prepay_id, prepaid_at=now, handed_at=handed)
    elif row.state == "PREPAID":  # another request was faster, or a new prepay_id after two hours
        Transaction.update(prepay_id=prepay_id, prepaid_at=now).where(Transaction.id == row.id).execute()
    else:
        raise Conflicting("order_paid" if row.state == "PAID" else "order_closing")
    return prepay_id
