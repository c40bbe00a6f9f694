"""Orders: made from the catalogue's prices, read by their owner alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from peewee import fn

from models import Order, OrderItem, Payment, Product, User
from models.database import Database, locked
from models.statements import Prepared, create, insert, row_of
from services.errors import Conflicting, Invalid, NotFound
from services.login import Person
from services.moves import begin
from services.ports import Clock, Token, number

BEIJING = timezone(timedelta(hours=8))
MOST_AMOUNT = 100_000_00  # fen: above this an order is a typing error, not a purchase
PAGE = 50
OPEN = ("CREATED", "PAYING")  # may still be paid

BY_NUMBER = Prepared[Order](lambda order_no: Order.select().where(Order.order_no == order_no))
BY_KEY = Prepared[Order](lambda user, key: Order.select().where(Order.user == user, Order.idempotency_key == key))
ITEMS = Prepared[OrderItem](lambda order: OrderItem.select().where(OrderItem.order == order).order_by(OrderItem.id))
ON_SALE = Prepared[Product](lambda wanted: Product.select().where(Product.product_id.in_(wanted), Product.active))
BUYER = Prepared[User](lambda user: locked(User.select(User.id).where(User.id == user)))
OPEN_OF = Prepared[Order](
    lambda user: Order.select(fn.COUNT(Order.id)).where(Order.user == user, Order.state.in_(OPEN))
)


@dataclass(frozen=True, slots=True)
class Line:
    product_id: str
    quantity: int


class Orders:
    def __init__(self, database: Database, now: Clock, token: Token, expires_seconds: int, most_open: int) -> None:
        """``most_open``: orders of one user that may wait to be paid at once; 0: any number."""
        self._database = database
        self._now = now
        self._token = token
        self._expires_seconds = expires_seconds
        self._most_open = most_open

    async def create(self, person: Person, lines: Sequence[Line], key: str | None) -> tuple[dict[str, Any], bool]:
        """The order, and whether it is new: the same key and lines again give the same order.

        Raises Invalid("product_unknown" | "amount_too_large"),
        Conflicting("idempotency_key_reused" | "orders_too_many").
        """
        now = self._now()
        order_no = number("MP", now, self._token)
        return await self._database.settle(
            _create, person.user_id, list(lines), key, order_no, int(now), self._expires_seconds, self._most_open
        )

    async def read(self, person: Person, order_no: str) -> dict[str, Any]:
        """Raises NotFound("order_not_found"), also for another user's order."""
        return await self._database.read(lambda: view(own_order(person.user_id, order_no)))

    async def latest(self, person: Person) -> list[dict[str, Any]]:
        """The user's newest orders, newest first."""
        return await self._database.read(_latest, person.user_id)


def own_order(user_id: int, order_no: str) -> Order:
    order = BY_NUMBER.first(order_no)
    if order is None or order.user_id != user_id:
        raise NotFound("order_not_found")
    return order


def paid_order(order_no: str, *, lock: bool = True) -> tuple[Order, Payment]:
    """The order, and the payment that was booked for it. Raises NotFound("order_not_found"),
    Conflicting("order_not_paid")."""
    rows = Order.select().where(Order.order_no == order_no)
    order = (locked(rows) if lock else rows).first()
    if order is None:
        raise NotFound("order_not_found")
    payment = Payment.get_or_none(Payment.order == order.id, Payment.applied_slot == 1)
    if payment is None:
        raise Conflicting("order_not_paid")
    return order, payment


def _create(
    user_id: int, lines: list[Line], key: str | None, order_no: str, now: int, expires_seconds: int, most_open: int
) -> tuple[dict[str, Any], bool]:
    if mine := BY_NUMBER.first(order_no):  # committed, though its commit went unanswered
        return view(mine), True
    digest = _digest(lines)
    if key is not None and (before := BY_KEY.first(user_id, key)):
        if before.request_hash != digest:
            raise Conflicting("idempotency_key_reused")
        return view(before), False
    if most_open and _open_orders(user_id) >= most_open:
        raise Conflicting("orders_too_many", limit=str(most_open))
    priced = _priced(lines)
    amount = sum(product.price_fen * line.quantity for line, product in priced)
    if amount > MOST_AMOUNT:
        raise Invalid("amount_too_large")
    order = create(
        Order,
        order_no=order_no,
        user=user_id,
        amount_fen=amount,
        currency="CNY",
        state="CREATED",
        version=1,
        paid_fen=0,
        refunded_fen=0,
        idempotency_key=key,
        request_hash=digest,
        created_at=now,
        expires_at=now + expires_seconds,
        paid_at=None,
    )
    items = [_item(order, line, product) for line, product in priced]
    insert(OrderItem, items)
    begin(order, "user", now)
    return _view(order, [row_of(OrderItem, item) for item in items]), True


def _open_orders(user_id: int) -> int:
    """How many, and no more are made meanwhile: the user's row is locked."""
    BUYER.one(user_id)
    return int(OPEN_OF.tuples(user_id)[0][0])


def _digest(lines: list[Line]) -> str:
    text = json.dumps([[line.product_id, line.quantity] for line in lines])
    return hashlib.sha256(text.encode()).hexdigest()


def _priced(lines: list[Line]) -> list[tuple[Line, Product]]:
    wanted = [line.product_id for line in lines]
    found = {row.product_id: row for row in ON_SALE.all(wanted)}
    for index, line in enumerate(lines):
        if line.product_id not in found:
            raise Invalid("product_unknown", field=f"items[{index}].product_id")
    return [(line, found[line.product_id]) for line in lines]


def _item(order: Order, line: Line, product: Product) -> dict[str, Any]:
    return {
        "order": order.id,
        "product_id": product.product_id,
        "title": product.title,
        "price_fen": product.price_fen,
        "quantity": line.quantity,
    }


def _latest(user_id: int) -> list[dict[str, Any]]:
    mine = list(Order.select().where(Order.user == user_id).order_by(Order.id.desc()).limit(PAGE))
    items: dict[int, list[OrderItem]] = {order.id: [] for order in mine}
    for item in OrderItem.select().where(OrderItem.order.in_(list(items))).order_by(OrderItem.id):
        items[item.order_id].append(item)
    return [_view(order, items[order.id]) for order in mine]


def view(order: Order) -> dict[str, Any]:
    """The order as its owner sees it (contract.md)."""
    return _view(order, ITEMS.all(order.id))


def _view(order: Order, items: Sequence[OrderItem]) -> dict[str, Any]:
    return {
        "order_no": order.order_no,
        "status": _status(order),
        "amount_fen": order.amount_fen,
        "refunded_fen": order.refunded_fen,
        "currency": order.currency,
        "items": [
            {"product_id": i.product_id, "title": i.title, "price_fen": i.price_fen, "quantity": i.quantity}
            for i in items
        ],
        "created_at": rfc3339(order.created_at),
        "expires_at": rfc3339(order.expires_at),
        "paid_at": rfc3339(order.paid_at) if order.paid_at and order.state == "PAID" else None,
    }


def _status(order: Order) -> str:
    """The seven states that we keep, as the five that a client needs."""
    if order.refunded_fen:
        return "refunded" if order.refunded_fen == order.paid_fen else "partially_refunded"
    return {"PAID": "paid", "CLOSED": "closed", "PAID_LATE": "closed"}.get(order.state, "pending")


def rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at, BEIJING).isoformat()
