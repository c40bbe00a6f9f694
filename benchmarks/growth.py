"""What each unit of work costs in a small and in a large database, in one run, turn by turn.

    nice -n 19 python -m benchmarks.growth sqlite:////tmp/growth    (files /tmp/growth-small.db, /tmp/growth-large.db)
    nice -n 19 python -m benchmarks.growth mysql://root:@127.0.0.1:3306/growth    (growth_small and growth_large)

Makes and fills both if they are not there: a thousand orders and a million, four messages about each payment; kept, for
the next run. Nothing is asserted about time. What is exact is counted: SQLite's instructions, the rows MariaDB read.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import million
from benchmarks.units import Shop, Unit
from models import Order
from models.base import proxy
from models.engine import MySQL

SIZES = {"small": 1_000, "large": 1_000_000}  # orders
COPIES = 4  # messages about each payment
ROUNDS = 15
COUNTED = 3  # rounds more: counting takes time itself
ENOUGH = 1.15  # what grows by more is marked


@dataclass
class Costs:
    """Of one unit in one database, round by round."""

    steps: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # seconds of this process; SQLite works in it
    wall: list[float] = field(default_factory=list)


class Bench:
    """Shops side by side, by name."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.shops = {side: Shop(url) for side, url in urls.items()}
        self.costs: dict[str, dict[str, Costs]] = {side: defaultdict(Costs) for side in urls}

    def run(self, timed: int, counted: int) -> None:
        """So many rounds of either, and one to warm up before any is timed."""
        for take in (*[_count] * counted, *[_do] * bool(timed), *[_time] * timed):
            lives = [shop.round() for shop in self.shops.values()]
            while units := [unit for life, _ in zip(lives, self.each(), strict=True) if (unit := next(life, None))]:
                for unit, shop, costs in zip(units, self.each(), self.costs.values(), strict=True):
                    take(shop, unit, costs[unit.name])

    def each(self) -> Iterator[Shop]:
        """One after the other, each with the models its own: they know one database at a time."""
        for shop in self.shops.values():
            proxy.initialize(shop.database._peewee)
            yield shop

    def close(self) -> None:
        for shop in self.each():
            shop.database.close()


def _do(shop: Shop, unit: Unit, _: Costs | None = None) -> None:
    (shop.database.read_here if unit.looks else shop.database.run_here)(unit.fn)


def _time(shop: Shop, unit: Unit, costs: Costs) -> None:
    cpu, wall = time.thread_time(), time.perf_counter()
    _do(shop, unit)
    costs.cpu.append(time.thread_time() - cpu)
    costs.wall.append(time.perf_counter() - wall)


def _count(shop: Shop, unit: Unit, costs: Costs) -> None:
    counted = _rows_read if isinstance(proxy.obj, MySQL) else _instructions
    costs.steps.append(counted(shop, unit))


def _instructions(shop: Shop, unit: Unit) -> int:
    """SQLite calls back at each instruction of its machine: a measure without noise."""
    steps = 0

    def one_more() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection = proxy.obj.connection()
    connection.set_progress_handler(one_more, 1)
    try:
        _do(shop, unit)
    finally:
        connection.set_progress_handler(None, 1)
    return steps


def _rows_read(shop: Shop, unit: Unit) -> int:
    """By this session, in tables and indexes, less what the question itself reads."""
    idle = -_handler_reads() + _handler_reads()
    before = _handler_reads()
    _do(shop, unit)
    return _handler_reads() - before - idle


def _handler_reads() -> int:
    shown = proxy.obj.execute_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").fetchall()
    return sum(int(value) for _, value in shown)


def grown(bench: Bench) -> list[str]:
    """The units that touch more in the large database, beyond the odd row."""
    small, large = bench.costs["small"], bench.costs["large"]
    return [name for name, costs in small.items() if _grown(*(_middle(c, "steps") for c in (costs, large[name])))]


def table(bench: Bench) -> list[str]:
    """In Markdown: what each unit costs in either, and by how much it grew."""
    small, large = bench.costs["small"], bench.costs["large"]
    lines = ["| unit of work | steps | large | ratio | CPU us | large | ratio | wall us | large | ratio |"]
    lines += ["|---" + "|---:" * 9 + "|"]
    for name, costs in small.items():
        cells = [cell for what in ("steps", "cpu", "wall") for cell in _cells(costs, large[name], what)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cells(small: Costs, large: Costs, what: str) -> list[str]:
    scale = 1 if what == "steps" else 1e6
    one, other = _middle(small, what) * scale, _middle(large, what) * scale
    ratio = f"{other / one:.2f}" if one else "-"
    return [f"{one:,.0f}", f"{other:,.0f}", f"**{ratio}**" if _grown(one, other) else ratio]


def _middle(costs: Costs, what: str) -> float:
    return statistics.median(getattr(costs, what) or [0])


def _grown(one: float, other: float) -> bool:
    return other > one * ENOUGH and other - one > 1


def ready(url: str, orders: int) -> None:
    """The database with so many orders, made and filled unless it is there."""
    million.create(url)
    shop = Shop(url)
    shop.database.migrate()
    if not shop.database.read_here(Order.select().exists):
        print(f"{orders} orders filled in {million.fill(url, orders, COPIES):.0f} s", flush=True)
        shop.settle()
    shop.database.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("url")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = options.parse_args()
    form = "{}_{}" if chosen.url.startswith("mysql") else "{}-{}.db"
    urls = {side: form.format(chosen.url, side) for side in SIZES}
    for side, url in urls.items():
        ready(url, SIZES[side])
    bench = Bench(urls)
    bench.run(chosen.rounds, COUNTED)
    print("\n".join(table(bench)))
    bench.close()


if __name__ == "__main__":
    main()
