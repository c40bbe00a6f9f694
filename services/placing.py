"""Placing orders at the catalogue's prices. What waits for the tables is looked up, priced and written together.

``place`` is one database transaction. It answers each wish by itself: one that is refused does not touch the others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from peewee import fn

from models import Order, OrderItem, Product, User
from models.database import locked
from models.statements import Prepared, add, columns, row_by_row, row_of
from services.errors import Conflicting, Invalid, Refused, each_answered
from services.moves import beginning, write

MOST_AMOUNT = 100_000_00  # fen: above this an order is a typing error, not a purchase
OPEN = ("CREATED", "PAYING")  # may still be paid

NAMED = Prepared[Order](lambda numbers: Order.select().where(Order.order_no.in_(numbers)))
KEYED = Prepared[Order](
    lambda users, keys: Order.select().where(Order.user.in_(users), Order.idempotency_key.in_(keys))
)
ITEMS = Prepared[OrderItem](lambda orders: OrderItem.select().where(OrderItem.order.in_(orders)).order_by(OrderItem.id))
BUYERS = Prepared[User](lambda users: locked(User.select(User.id).where(User.id.in_(users)).order_by(User.id)))
WAITING = Prepared[Order](
    lambda users: (
        Order.select(Order.user, fn.COUNT(Order.id))
        .where(Order.user.in_(users), row_by_row(Order.state).in_(OPEN))
        .group_by(Order.user)
    )
)
ON_SALE = Prepared[Product](
    lambda wanted: Product.select(*columns(Product, "product_id title price_fen")).where(
        Product.product_id.in_(wanted), Product.active
    )
)
IDS = Prepared[Order](lambda numbers: Order.select(Order.order_no, Order.id).where(Order.order_no.in_(numbers)))


@dataclass(frozen=True, slots=True)
class Line:
    product_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What one buyer sent. ``order_no``: what the order will be called if it is new."""

    user_id: int
    lines: tuple[Line, ...]
    key: str | None
    order_no: str

    @property
    def digest(self) -> str:
        text = json.dumps([[line.product_id, line.quantity] for line in self.lines])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placed:
    order: Order
    items: Sequence[OrderItem]
    new: bool


def place(wishes: Sequence[Wish], now: int, expires_seconds: int, most_open: int) -> list[Placed | Refused]:
    """Each wish's order, or why there is none: Invalid("product_unknown" | "amount_too_large"),
    Conflicting("idempotency_key_reused" | "orders_too_many"). ``most_open``: of one buyer, at once; 0: any number."""
    till = Till.open(wishes, now, now + expires_seconds, most_open)
    told = each_answered(till.serve, wishes)
    till.write()
    return told


@dataclass
class Till:
    """The rows that some wishes are about, read at once, and the new ones, written at once."""

    now: int
    expires_at: int
    most_open: int
    products: dict[str, Product]
    named: dict[str, Order]
    keyed: dict[tuple[int, str | None], Order]  # by buyer and key; none without a key
    items: dict[str, list[OrderItem]]  # by order_no
    waiting: Counter[int]  # orders that may still be paid, by buyer
    new: list[Order] = field(default_factory=list)

    @classmethod
    def open(cls, wishes: Sequence[Wish], now: int, expires_at: int, most_open: int) -> Till:
        """If orders are limited the buyers' rows are locked, in order of id: no more are made while we count."""
        users = sorted({wish.user_id for wish in wishes})
        asked = {(wish.user_id, wish.key) for wish in wishes if wish.key}
        waiting: Counter[int] = Counter()
        if most_open:
            BUYERS.all(users)
            waiting.update(dict(WAITING.tuples(users)))
        named = {row.order_no: row for row in NAMED.all([wish.order_no for wish in wishes])}
        keys = KEYED.all(users, sorted({key for _, key in asked})) if asked else ()
        keyed = {(row.user_id, row.idempotency_key): row for row in keys if (row.user_id, row.idempotency_key) in asked}
        known = {row.id: row.order_no for row in (*named.values(), *keyed.values())}
        items: dict[str, list[OrderItem]] = {number: [] for number in known.values()}
        for item in ITEMS.all(list(known)) if known else ():
            items[known[item.order_id]].append(item)
        wanted = sorted({line.product_id for wish in wishes for line in wish.lines})
        products = {row.product_id: row for row in ON_SALE.all(wanted)}
        return cls(now, expires_at, most_open, products, named, keyed, items, waiting)

    def serve(self, wish: Wish) -> Placed:
        """Raises Refused."""
        if mine := self.named.get(wish.order_no):  # committed, though its commit went unanswered
            return self._placed(mine, new=True)
        if before := self.keyed.get((wish.user_id, wish.key)):
            if before.request_hash != wish.digest:
                raise Conflicting("idempotency_key_reused")
            return self._placed(before, new=False)
        if self.most_open and self.waiting[wish.user_id] >= self.most_open:
            raise Conflicting("orders_too_many", limit=str(self.most_open))
        items = [self._item(index, line) for index, line in enumerate(wish.lines)]
        amount = sum(item.price_fen * item.quantity for item in items)
        if amount > MOST_AMOUNT:
            raise Invalid("amount_too_large")
        return self._made(wish, amount, items)

    def write(self) -> None:
        if not self.new:
            return
        add(self.new)
        ids = dict(IDS.tuples([order.order_no for order in self.new]))
        for order in self.new:
            order.id = ids[order.order_no]
            for item in self.items[order.order_no]:
                item.order = order
        add([item for order in self.new for item in self.items[order.order_no]])
        write([beginning(order) for order in self.new], "user", self.now)

    def _placed(self, order: Order, *, new: bool) -> Placed:
        return Placed(order, self.items[order.order_no], new)

    def _item(self, index: int, line: Line) -> OrderItem:
        product = self.products.get(line.product_id)
        if product is None:
            raise Invalid("product_unknown", field=f"items[{index}].product_id")
        values = {
            "order": None,  # until it is written
            "product_id": product.product_id,
            "title": product.title,
            "price_fen": product.price_fen,
            "quantity": line.quantity,
        }
        return row_of(OrderItem, values)

    def _made(self, wish: Wish, amount_fen: int, items: list[OrderItem]) -> Placed:
        values = {
            "order_no": wish.order_no,
            "user": wish.user_id,
            "amount_fen": amount_fen,
            "currency": "CNY",
            "state": "CREATED",
            "version": 1,
            "paid_fen": 0,
            "refunded_fen": 0,
            "idempotency_key": wish.key,
            "request_hash": wish.digest,
            "created_at": self.now,
            "expires_at": self.expires_at,
            "paid_at": None,
        }
        order = row_of(Order, values)
        self.new.append(order)
        self.items[order.order_no] = items
        self.waiting[wish.user_id] += 1
        if wish.key:  # it may come a second time among these
            self.keyed[wish.user_id, wish.key] = order
        return self._placed(order, new=True)
