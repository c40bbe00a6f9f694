"""Orders placed, attempts opened and prepaid together: each as if it were alone, whoever stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.base import Attempt, PrepayRequest
from models import Order, OrderItem, Product, StateLog, Transaction, User, invariants
from models.database import Database, rows
from services.attempts import OpenAttempt, Prepaid, Sold, Tap, open_attempts, record_prepays
from services.errors import Conflicting, Invalid, NotFound, Refused
from services.login import Person
from services.moves import move
from services.placing import Line, Placed, Wish, place
from services.ports import number, system_token

NOW = 1_800_000_000
LATTE, TEA = Line("latte", 2), Line("tea", 1)
SOLD = Sold("Shop", "https://shop.example")


class Wire:
    """What opening an attempt asks of an adapter."""

    name, appid, mchid = "wechat_v3", "wxapp", "1900000001"

    def compose(self, attempt: Attempt) -> PrepayRequest:
        return PrepayRequest(f"{attempt.out_trade_no} {attempt.amount_fen} {attempt.description}", "RSA")


WIRE: Any = Wire()


class Shop:
    def __init__(self, url: str) -> None:
        self.database = Database(url, threads=2)
        self.database.migrate()
        self.database.run_here(_stock)
        self.ann, self.bob = self.buyer("together-ann"), self.buyer("together-bob")

    def buyer(self, openid: str) -> Person:
        return Person(self.database.run_here(lambda: User.create(openid=openid, created_at=NOW).id), openid)

    def place(self, *wishes: Wish, most_open: int = 0) -> list[Placed | Refused]:
        return self.database.run_here(place, wishes, NOW, 1800, most_open)

    def placed(self, *wishes: Wish) -> list[Placed]:
        return [each for each in self.place(*wishes) if isinstance(each, Placed)]

    def open(self, *taps: Tap, now: int = NOW) -> list[OpenAttempt | Refused]:
        return self.database.run_here(open_attempts, taps, SOLD, now)

    def opened(self, *taps: Tap) -> list[OpenAttempt]:
        return [each for each in self.open(*taps) if isinstance(each, OpenAttempt)]

    def log_of(self, entity_id: str) -> list[str]:
        rows = StateLog.select().where(StateLog.entity_id == entity_id).order_by(StateLog.seq)
        return self.database.read_here(lambda: [row.to_state for row in rows])


@pytest.fixture(scope="module")
def shop(each_database: str) -> Iterator[Shop]:
    shop = Shop(each_database)
    yield shop
    broken = {name: shop.database.read_here(rows, sql) for name, sql in invariants.LOCAL.items()}
    shop.database.close()
    assert not any(broken.values()), broken


def _stock() -> None:
    texts = dict.fromkeys(("title_en", "description", "description_en", "picture"), "")
    for position, (name, price) in enumerate((("latte", 1800), ("tea", 1200), ("palace", 90_000_00))):
        Product.create(product_id=name, title=name, price_fen=price, position=position, active=1, **texts)


def _close(out_trade_no: str) -> None:
    move(Transaction.get(Transaction.out_trade_no == out_trade_no), "CLOSING", "user", NOW)


def wish(person: Person, *lines: Line, key: str | None = None) -> Wish:
    return Wish(person.user_id, lines or (LATTE,), key, number("MP", NOW, system_token))


def tap(person: Person, order: Order) -> Tap:
    return Tap(person, order.order_no, "127.0.0.1", WIRE)


def code(told: object) -> str:
    assert isinstance(told, Refused), told
    return told.code


# --- placing ---


def test_each_order_has_its_own_lines_and_price(shop: Shop) -> None:
    wishes = [wish(shop.ann, LATTE, TEA), wish(shop.bob, TEA), wish(shop.ann)]
    orders = [each.order for each in shop.placed(*wishes)]
    assert [order.amount_fen for order in orders] == [4800, 1200, 3600]
    for order, asked in zip(orders, wishes, strict=True):
        row = shop.database.read_here(Order.get, Order.order_no == asked.order_no)
        assert (row.id, row.user_id, row.amount_fen, row.state) == (
            order.id,
            asked.user_id,
            order.amount_fen,
            "CREATED",
        )
        items = OrderItem.select().where(OrderItem.order == row.id).order_by(OrderItem.id)
        found = shop.database.read_here(lambda items=items: [Line(item.product_id, item.quantity) for item in items])
        assert tuple(found) == asked.lines
        assert shop.log_of(asked.order_no) == ["CREATED"]


def test_who_is_refused_costs_nobody_else_an_order(shop: Shop) -> None:
    no_such, dear, fine = shop.place(
        wish(shop.ann, LATTE, Line("moon", 1)), wish(shop.bob, Line("palace", 2)), wish(shop.ann)
    )
    assert isinstance(no_such, Invalid)
    assert (no_such.code, no_such.details) == ("product_unknown", {"field": "items[1].product_id"})
    assert code(dear) == "amount_too_large"
    assert isinstance(fine, Placed)


def test_one_key_twice_among_them_is_one_order(shop: Shop) -> None:
    key = number("", NOW, system_token)
    first, again, other, another_buyers = shop.place(
        wish(shop.ann, key=key), wish(shop.ann, key=key), wish(shop.ann, TEA, key=key), wish(shop.bob, key=key)
    )
    assert isinstance(first, Placed)
    assert isinstance(again, Placed)
    assert isinstance(another_buyers, Placed)
    assert (again.order.order_no, first.new, again.new) == (first.order.order_no, True, False)
    assert code(other) == "idempotency_key_reused"
    assert another_buyers.new
    [later] = shop.placed(wish(shop.ann, key=key))
    assert (later.order.order_no, later.new, [item.title for item in later.items]) == (
        first.order.order_no, False, ["latte"],
    )  # fmt: skip


def test_a_unit_that_is_run_again_finds_what_it_did(shop: Shop) -> None:
    """After a commit that went unanswered."""
    wishes = [wish(shop.ann), wish(shop.bob, TEA)]
    first, again = shop.placed(*wishes), shop.placed(*wishes)
    assert [(each.order.order_no, each.order.id, each.new) for each in first] == [
        (each.order.order_no, each.order.id, each.new) for each in again
    ]


def test_open_orders_are_counted_among_them_as_well(shop: Shop) -> None:
    eve, joe = shop.buyer("together-eve"), shop.buyer("together-joe")
    shop.placed(wish(eve))
    one, two, too_many, joes = shop.place(*(wish(eve) for _ in range(3)), wish(joe), most_open=3)
    assert all(isinstance(each, Placed) for each in (one, two, joes))
    assert code(too_many) == "orders_too_many"


# --- opening ---


def test_each_order_gets_its_own_attempt(shop: Shop) -> None:
    ann, bob = (each.order for each in shop.placed(wish(shop.ann, LATTE, TEA), wish(shop.bob, TEA)))
    one, two = shop.opened(tap(shop.ann, ann), tap(shop.bob, bob))
    assert one.request.parameters == f"{one.question.out_trade_no} 4800 Shop-latte +1"
    assert two.request.parameters == f"{two.question.out_trade_no} 1200 Shop-tea"
    for opened, order in ((one, ann), (two, bob)):
        row = shop.database.read_here(Transaction.get, Transaction.out_trade_no == opened.question.out_trade_no)
        assert (row.order_id, row.state, row.amount_fen) == (order.id, "PREPARED", order.amount_fen)
        assert shop.log_of(order.order_no) == ["CREATED", "PAYING"]
        assert shop.log_of(row.out_trade_no) == ["PREPARED"]


def test_two_taps_on_one_order_are_one_attempt(shop: Shop) -> None:
    [placed] = shop.placed(wish(shop.ann))
    one, two = shop.opened(tap(shop.ann, placed.order), tap(shop.ann, placed.order))
    [later] = shop.opened(tap(shop.ann, placed.order))
    assert one == two == later


def test_who_may_not_pay_keeps_nobody_from_paying(shop: Shop) -> None:
    mine, old = (each.order for each in shop.placed(wish(shop.ann), wish(shop.ann)))
    shop.database.run_here(Order.update(expires_at=NOW).where(Order.id == old.id).execute)
    missing = Order(order_no="MPNOSUCHORDER")
    not_bobs, none, too_late, fine = shop.open(
        tap(shop.bob, mine), tap(shop.ann, missing), tap(shop.ann, old), tap(shop.ann, mine)
    )
    assert isinstance(not_bobs, NotFound)
    assert isinstance(none, NotFound)
    assert code(too_late) == "order_expired"
    assert isinstance(fine, OpenAttempt)


# --- what WeChat answered ---


def test_each_attempt_keeps_its_own_prepay_id(shop: Shop) -> None:
    orders = [each.order for each in shop.placed(wish(shop.ann), wish(shop.bob), wish(shop.ann))]
    taps = [tap(person, order) for person, order in zip((shop.ann, shop.bob, shop.ann), orders, strict=True)]
    one, two, gone = (each.question.out_trade_no for each in shop.opened(*taps))
    shop.database.run_here(_close, gone)
    told = shop.database.run_here(
        record_prepays, [Prepaid(one, "wx1"), Prepaid(two, "wx2"), Prepaid(gone, "wx3"), Prepaid(one, "wx4")], NOW
    )
    assert [told[0], told[1], told[3]] == ["wx1", "wx2", "wx4"]
    assert isinstance(told[2], Conflicting)
    three = Transaction.select().where(Transaction.out_trade_no.in_([one, two, gone]))
    found = {
        row.out_trade_no: (row.state, row.prepay_id, row.handed_at) for row in shop.database.read_here(list, three)
    }
    assert found == {one: ("PREPAID", "wx4", NOW), two: ("PREPAID", "wx2", NOW), gone: ("CLOSING", None, None)}
    assert shop.log_of(one) == ["PREPARED", "PREPAID"]
