"""Orders for the console: found by any number, openid, amount, status and time, newest first, page by page.

A page begins behind the key of the last one, (created_at, id), which never changes: rows that come in meanwhile are
newer, so nothing is shown twice and nothing is left out. Each state is asked for by itself, in the order in which an
order moves through them: a range of one index, whatever the statistics say, and an order that moves meanwhile is met
again rather than missed. Only looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from models import Order, OrderItem, Payment, Refund, Shipment, Transaction, User
from models.states import ORDER

Key = tuple[int, int]  # created_at, id

REFUNDED = {"partially_refunded": 1, "refunded": 2}  # Order.refund_part
STATES: dict[str, Sequence[str]] = {  # what may be asked for, and the states that it can be found in
    "": tuple(ORDER.ranks),
    "pending": ("CREATED", "PAYING", "CLOSING"),
    "paid": ("PAID",),
    "partially_refunded": ("PAID", "PAID_LATE"),
    "refunded": ("PAID", "PAID_LATE"),
    "closed": ("CLOSED",),
    "paid_late": ("PAID_LATE",),
}


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for; what is empty or None does not narrow it."""

    words: str = ""  # a number of the order, or of anything that belongs to it; or an openid
    status: str = ""  # a key of STATES
    amount_fen: int | None = None
    begins: int | None = None  # epoch seconds, of the order's making
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One order, as a line of a list."""

    order_no: str
    status: str  # a key of STATES
    amount_fen: int
    paid_fen: int
    refunded_fen: int
    openid: str
    items: str
    created_at: int
    paid_at: int | None
    out_trade_no: str  # of the attempt that was paid, or of the last
    provider_transaction_id: str


@dataclass(frozen=True, slots=True)
class Page:
    orders: list[Found]
    after: Key | None  # where the next page begins; None: this is the last


def page(search: Search, after: Key | None, size: int) -> Page:
    """``size`` orders at most, those behind ``after``."""
    keys = _keys(search, after, size + 1)
    return Page(_found(keys[:size]), keys[size - 1] if len(keys) > size else None)


def strays(words: str) -> list[str]:
    """Payments under that number that belong to no order: a discrepancy has each of them."""
    named = (Payment.provider_transaction_id == words) | (Payment.out_trade_no == words)
    rows = Payment.select(Payment.provider_transaction_id).where(named, Payment.order.is_null()).limit(10)
    return [row.provider_transaction_id for row in rows] if words else []


def status_of(order: Order) -> str:
    if order.refunded_fen:
        return "refunded" if order.refunded_fen == order.paid_fen else "partially_refunded"
    return order.state.lower() if order.state in ("PAID", "PAID_LATE", "CLOSED") else "pending"


def _keys(search: Search, after: Key | None, limit: int) -> list[Key]:
    where = _conditions(search, after)
    found: set[Key] = set()
    for one in _ways(search):
        keys: Any = Order.select(Order.created_at, Order.id).where(*where, *one)
        found.update(keys.order_by(Order.created_at.desc(), Order.id.desc()).limit(limit).tuples())
    return sorted(found, reverse=True)[:limit]


def _conditions(search: Search, after: Key | None) -> list[Any]:
    where = []
    if search.amount_fen is not None:
        where.append(Order.amount_fen == search.amount_fen)
    if search.begins is not None:
        where.append(Order.created_at >= search.begins)
    if search.ends is not None:
        where.append(Order.created_at < search.ends)
    if after is not None:
        where.append(Order.created_at <= after[0])
        where.append((Order.created_at < after[0]) | (Order.id < after[1]))
    if search.status in ("paid", "paid_late"):
        where.append(Order.refunded_fen < 1)
    elif search.status in REFUNDED:
        # An index has the part. A number or a buyer is not to be left for it: in a sum it is not found.
        part = Order.refund_part + 0 if search.words else Order.refund_part
        where.append(part == REFUNDED[search.status])
    return where


def _ways(search: Search) -> list[list[Any]]:
    """The queries whose answers together are what is looked for. Few orders: one query of them; else one a state."""
    states = STATES[search.status]
    if search.words:
        # By exclusion: no database is to be tempted to begin at the state.
        unwanted = [state for state in ORDER.ranks if state not in states]
        excluded = [Order.state.not_in(unwanted)] if unwanted else []
        return [[named, *excluded] for named in _named(search.words)]
    if search.status in REFUNDED:
        return [[]]  # an index has the few that anything was given back of
    return [[Order.state == state] for state in states]


def _named(words: str) -> list[Any]:
    """What that number or openid may be of, each as a condition on the order."""
    ids = {order for query in _owners(words) for (order,) in query.limit(100).tuples() if order is not None}
    user = User.get_or_none(User.openid == words)
    return [*([Order.id.in_(sorted(ids))] if ids else []), *([Order.user == user.id] if user else [])]


def _owners(words: str) -> Iterable[Any]:
    """One query a number, each by an index, for the id of the order that it belongs to."""
    yield Order.select(Order.id).where(Order.order_no == words)
    for number in (
        Transaction.out_trade_no,
        Payment.provider_transaction_id,
        Payment.out_trade_no,
        Refund.out_refund_no,
        Refund.provider_refund_id,
        Refund.refund_no,
        Shipment.shipment_no,
    ):
        yield number.model.select(number.model.order).where(number == words)


def _found(keys: list[Key]) -> list[Found]:
    ids = [number for _, number in keys]
    if not ids:
        return []
    orders = {row.id: row for row in Order.select(Order, User).join(User).where(Order.id.in_(ids))}
    attempts = _last_of(Transaction, ids, Transaction.state == "PAID")
    payments = _last_of(Payment, ids, Payment.applied_slot == 1)
    items = _items(ids)
    return [_line(orders[i], items.get(i, ""), attempts.get(i), payments.get(i)) for i in ids]


def _last_of(model: Any, ids: list[int], better: Any) -> dict[int, Any]:
    """Of each order the row that is ``better``, or else the last."""
    rows = model.select().where(model.order.in_(ids)).order_by(better, model.id)
    return {row.order_id: row for row in rows}


def _items(ids: list[int]) -> dict[int, str]:
    told: dict[int, str] = {}
    for item in OrderItem.select().where(OrderItem.order.in_(ids)).order_by(OrderItem.id):
        before = told.get(item.order_id)
        told[item.order_id] = (f"{before}, " if before else "") + f"{item.title} ×{item.quantity}"
    return told


def _line(order: Order, items: str, attempt: Transaction | None, payment: Payment | None) -> Found:
    return Found(
        order_no=order.order_no,
        status=status_of(order),
        amount_fen=order.amount_fen,
        paid_fen=order.paid_fen,
        refunded_fen=order.refunded_fen,
        openid=order.user.openid,
        items=items,
        created_at=order.created_at,
        paid_at=order.paid_at,
        out_trade_no=attempt.out_trade_no if attempt else "",
        provider_transaction_id=payment.provider_transaction_id if payment else "",
    )
