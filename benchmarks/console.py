"""The console's lists and searches over a million orders, each as a ratio to a bare indexed lookup in the same run.

    nice -n 19 python -m benchmarks.console sqlite:////tmp/console-bench.db
    nice -n 19 python -m benchmarks.console mysql://root:@127.0.0.1:3306/console_bench

Makes and fills the database if it is not there. It asserts nothing about time: its figures are for docs/performance.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import million
from models import Order
from models.database import Database
from services.bills import day_of
from services.console import days, glance, machinery, search
from services.console.search import Search
from services.explain import explain

TIMES = 15


def asks() -> dict[str, Callable[[], Any]]:
    """What a page asks of the tables, as a plain function each."""
    names = million.days()
    ordinary, feast = names[10], names[47]
    row = Order.select().where(Order.id == 777_000).get()
    amount, far = row.amount_fen, (names[20][1], 1)
    openid, paid = row.user.openid, row.payments.get()
    month = {"begins": names[30][1], "ends": names[60][2]}

    def look(after: search.Key | None = None, **wish: Any) -> Callable[[], Any]:
        return partial(search.page, Search(**wish), after, 50)

    return {
        "orders: the newest": look(),
        "orders: a page far behind": look(far),
        "orders: by order_no": look(words=row.order_no),
        "orders: by out_trade_no": look(words=paid.out_trade_no),
        "orders: by transaction id": look(words=paid.provider_transaction_id),
        "orders: by openid": look(words=openid),
        "orders: by a number that nobody has": look(words="nobody"),
        "orders: pending": look(status="pending"),
        "orders: closed": look(status="closed"),
        "orders: paid late": look(status="paid_late"),
        "orders: refunded": look(status="refunded"),
        "orders: partially refunded (none)": look(status="partially_refunded"),
        "orders: by an amount that a third has": look(amount_fen=1800),
        "orders: by a rare amount": look(amount_fen=amount),
        "orders: by an amount that nobody paid": look(amount_fen=99_999),
        "orders: frequent amount, rare status": look(amount_fen=1800, status="paid_late"),
        "orders: a month, closed, one amount": look(amount_fen=amount, status="closed", **month),
        "orders: openid, status, month": look(words=openid, status="paid", **month),
        "order page: its story": partial(explain, row.order_no),
        "glance: a day of 9,000 orders": lambda: glance.glance(day_of(ordinary[0])),
        "glance: a day of 100,000 orders": lambda: glance.glance(day_of(feast[0])),
        "jobs": partial(machinery.jobs, million.END),
        "reconciliation: the days": partial(days.days, None, 31),
        "reconciliation: a day of 9,000": partial(days.one_day, ordinary[0], None, 50),
        "reconciliation: a day of 100,000": partial(days.one_day, feast[0], None, 50),
    }


def milliseconds(database: Database, ask: Callable[[], Any]) -> list[float]:
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        database.read_here(ask)
        took.append((time.perf_counter() - began) * 1000)
    return took


def bare(database: Database) -> float:
    """One row by its unique number, as a unit of work of its own."""
    number = database.read_here(lambda: Order.get_by_id(500_000).order_no)
    sql = Order.select(Order.id).where(Order.order_no == number)
    return statistics.median(milliseconds(database, lambda: sql.clone().scalar()) * 5)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("url")
    options.add_argument("--drop", action="store_true", help="the database, afterwards (MariaDB)")
    chosen = options.parse_args()
    database = _ready(chosen.url)
    lookup = bare(database)
    print(f"| what is asked | median ms | worst ms | times a bare lookup ({lookup:.2f} ms) |\n|---|---|---|---|")
    for name, ask in database.read_here(asks).items():
        took = milliseconds(database, ask)
        middle = statistics.median(took)
        print(f"| {name} | {middle:.1f} | {max(took):.1f} | {middle / lookup:.0f} |", flush=True)
    database.close()
    if chosen.drop:
        million.drop(chosen.url)


def _ready(url: str) -> Database:
    database = Database(url, threads=1)
    try:
        there = database.read_here(lambda: Order.select().limit(1).count() > 0)
    except Exception:
        million.create(url)
        there = bool(database.migrate()) and False
    if not there:
        print(f"filled in {million.fill(url):.0f} s", flush=True)
    return database


if __name__ == "__main__":
    main()
