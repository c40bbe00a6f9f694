"""Orders placed, attempts opened and prepaid together: each as if it were alone, whoever stands beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from models import Order, OrderItem, Transaction, invariants
from models.database import rows
from services.attempts import OpenAttempt, Prepaid, record_prepays
from services.errors import Conflicting, Invalid, NotFound, Refused
from services.moves import move
from services.placing import Line, Placed, place
from services.ports import number, system_token
from tests.integration.shop import LATTE, NOW, Shop, tap, wish

TEA = Line("tea", 1)


@pytest.fixture(scope="module")
def shop(each_database: str) -> Iterator[Shop]:
    shop = Shop(each_database)
    yield shop
    broken = {name: shop.database.read_here(rows, sql) for name, sql in invariants.LOCAL.items()}
    shop.database.close()
    assert not any(broken.values()), broken


def _close(out_trade_no: str) -> None:
    move(Transaction.get(Transaction.out_trade_no == out_trade_no), "CLOSING", "user", NOW)


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


def test_what_was_accepted_is_written_at_the_end(shop: Shop) -> None:
    """Also what has not got as far as the writer."""
    placing = shop.database.batched(lambda wishes: place(wishes, NOW, 1800, 0))
    wishes = [wish(shop.ann) for _ in range(3)]

    async def main() -> None:
        tasks = [asyncio.create_task(placing.submit(each)) for each in wishes]
        await asyncio.sleep(0)
        await shop.database.drain()
        assert all(task.done() for task in tasks)

    asyncio.run(main())
    numbers = [each.order_no for each in wishes]
    assert shop.database.read_here(Order.select().where(Order.order_no.in_(numbers)).count) == 3


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
