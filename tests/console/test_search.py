"""The search over the tables themselves: what it finds, page by page, on both databases, and by which way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from typing import Any

import pytest

from models import Order, User
from models.database import Database, proxy
from services.console import search
from services.console.search import STATES, Search, status_of
from tests.console import seeds
from tests.console.seeds import NOW
from tests.databases import MariaDb

DAY = 86_400


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path_factory.mktemp('search') / 'pay.db'}"
    if request.param == "mariadb":
        mariadb: MariaDb = request.getfixturevalue("mariadb")
        url = mariadb.create()
    database = Database(url, threads=1)
    database.migrate()
    seeds.crowd(database, 90, seed=5)
    database.run_here(seeds.whole_story, 9_000)
    yield database
    database.close()


def numbers(database: Database, wanted: Search, size: int = 1000) -> list[str]:
    """Through all pages."""
    found: list[str] = []
    after = None
    while True:
        page = database.read_here(search.page, wanted, after, size)
        assert len(page.orders) <= size
        found += [order.order_no for order in page.orders]
        if (after := page.after) is None:
            return found


def everything(database: Database) -> list[tuple[Order, str]]:
    def look() -> list[tuple[Order, str]]:
        rows = Order.select(Order, User).join(User).order_by(Order.created_at.desc(), Order.id.desc())
        return [(row, row.user.openid) for row in rows]

    return database.read_here(look)


def test_a_search_finds_exactly_what_fits_newest_first(database: Database) -> None:
    """Against a plain filter over all rows, for every combination of what can be asked for."""
    rows = everything(database)
    times = [(None, None), (NOW - 9 * DAY, NOW - 2 * DAY)]
    for status, fen, (begins, ends), words in product(STATES, (None, 1800), times, ("", "oA", "MP00000007")):
        fitting = [
            row.order_no
            for row, openid in rows
            if (not status or status_of(row) == status)
            and (fen is None or row.amount_fen == fen)
            and (begins is None or row.created_at >= begins)
            and (ends is None or row.created_at < ends)
            and (not words or words in (openid, row.order_no))
        ]
        wanted = Search(words, status, fen, begins, ends)
        assert numbers(database, wanted) == fitting, wanted


@pytest.mark.parametrize(("status", "size"), [("", 7), ("refunded", 1)])
def test_pages_have_no_gap_and_no_repetition(database: Database, status: str, size: int) -> None:
    assert numbers(database, Search(status=status), size) == numbers(database, Search(status=status))


def test_orders_that_come_and_move_meanwhile_disturb_no_page(database: Database) -> None:
    """What was there at the beginning is met once, whatever is inserted or paid between two pages."""
    before, after = [row.order_no for row, _ in everything(database)], None
    found: list[str] = []
    for turn in range(1000):
        page = database.read_here(search.page, Search(), after, 9)
        found += [order.order_no for order in page.orders]
        if (after := page.after) is None:
            break
        last = page.orders[-1].created_at

        def meanwhile(turn: int = turn, last: int = last) -> None:
            seeds.order(20_000 + turn, state="CREATED", amount_fen=5, created_at=NOW + turn)
            behind = Order.update(state="PAYING").where(Order.state == "CREATED", Order.created_at < last)
            behind.execute()

        database.run_here(meanwhile)
    assert found == before


def test_every_number_leads_to_its_order(database: Database) -> None:
    known = database.read_here(lambda: Order.get(Order.order_no == "MP00009000").order_no)
    names = asdict(seeds.Numbers(known, "WX1", "4200001", "RF1", "5030001", "SHOP-7", "SH1", "oWhole"))
    for name, number in names.items():
        assert numbers(database, Search(words=number)) == [known], name
    assert numbers(database, Search(words="owhole")) == [], "an openid is compared by bytes"
    assert numbers(database, Search(words="%")) == []


def test_a_line_of_the_list_has_what_belongs_to_the_order(database: Database) -> None:
    (line,) = database.read_here(search.page, Search(words="MP00009000"), None, 50).orders
    assert (line.out_trade_no, line.provider_transaction_id, line.items) == ("WX1", "4200001", "拿铁咖啡 ×1")
    assert (line.amount_fen, line.paid_fen, line.refunded_fen, line.status) == (2800, 2800, 100, "partially_refunded")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_search_reads_the_table_from_end_to_end(database: Database) -> None:
    """SQLite tells how it will go about each query. MariaDB reads so small a table whole, and is right: what it does
    with a large one is in docs/performance.md."""
    plans = database.read_here(all_plans)
    assert len(plans) > 20
    assert [plan for plan in plans if "user_id=?" in plan]
    assert [plan for plan in plans if "SCAN" in plan and "INDEX" not in plan] == []
    assert [plan for plan in plans if "orders" in plan and "SCAN" in plan] == []


def all_plans() -> list[str]:
    found = []
    for status, fen, words in product(STATES, (None, 1800), ("", "oA")):
        wanted = Search(words, status, fen, NOW - DAY, NOW)
        where = search._conditions(wanted, (NOW, 5))
        for way in search._ways(wanted):
            rows: Any = Order.select(Order.created_at, Order.id).where(*where, *way)
            sql, parameters = rows.order_by(Order.created_at.desc(), Order.id.desc()).limit(51).sql()
            plan = [row[3] for row in proxy.execute_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()]
            assert not words or "user_id=?" in plan[0], plan
            found += plan
    return found
