"""Orders: made from the catalogue's prices, read by their owner alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from models import Order, OrderItem, Payment
from models.database import Database, locked
from models.statements import Prepared
from services.errors import Conflicting, NotFound, Refused
from services.login import Person
from services.placing import ITEMS, Line, Placed, Wish, place
from services.ports import Clock, Token, number

BEIJING = timezone(timedelta(hours=8))
PAGE = 50

BY_NUMBER = Prepared[Order](lambda order_no: Order.select().where(Order.order_no == order_no))


class Orders:
    def __init__(self, database: Database, now: Clock, token: Token, expires_seconds: int, most_open: int) -> None:
        """``most_open``: orders of one user that may wait to be paid at once; 0: any number."""
        self._database = database
        self._now = now
        self._token = token
        self._expires_seconds = expires_seconds
        self._most_open = most_open
        self._placing = database.batched(self._place)

    async def create(self, person: Person, lines: Sequence[Line], key: str | None) -> tuple[dict[str, Any], bool]:
        """The order, and whether it is new: the same key and lines again give the same order.

        Raises Invalid("product_unknown" | "amount_too_large"),
        Conflicting("idempotency_key_reused" | "orders_too_many").
        """
        wish = Wish(person.user_id, tuple(lines), key, number("MP", self._now(), self._token))
        placed = await self._placing.submit(wish)
        return _view(placed.order, placed.items), placed.new

    def _place(self, wishes: list[Wish]) -> list[Placed | Refused]:
        return place(wishes, int(self._now()), self._expires_seconds, self._most_open)

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


def _latest(user_id: int) -> list[dict[str, Any]]:
    mine = list(Order.select().where(Order.user == user_id).order_by(Order.id.desc()).limit(PAGE))
    items: dict[int, list[OrderItem]] = {order.id: [] for order in mine}
    for item in OrderItem.select().where(OrderItem.order.in_(list(items))).order_by(OrderItem.id):
        items[item.order_id].append(item)
    return [_view(order, items[order.id]) for order in mine]


def view(order: Order) -> dict[str, Any]:
    """The order as its owner sees it (contract.md)."""
    return _view(order, ITEMS.all([order.id]))


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
