"""What a unit of work costs does not depend on how much is in the tables: counted in SQLite's instructions, exactly.

A statement that lacks its index, or walks a range that grows, turns this red. The same bench on a million orders, and
on MariaDB, is a matter of minutes: ``python -m benchmarks.growth``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import growth
from benchmarks.growth import Bench
from tests.databases import Tables

SIZES = {"small": 1_000, "large": 10_000}


@pytest.fixture
def urls(tmp_path: Path) -> dict[str, str]:
    urls = {side: f"sqlite:///{tmp_path / side}.db" for side in SIZES}
    for side, url in urls.items():
        growth.ready(url, SIZES[side])
    return urls


def test_no_unit_of_work_grows_with_the_tables(urls: dict[str, str]) -> None:
    bench = counted(urls, timed=1)
    small = bench.costs["small"]
    assert len(small) > 40
    assert all(min(costs.steps) > 0 and costs.wall for costs in small.values())
    assert growth.grown(bench) == []
    marked = [line.split(" | ")[0][2:] for line in growth.table(bench)[2:] if "**" in line.split("|")[4]]
    assert marked == growth.grown(bench)

    for url in urls.values():
        Tables(url).change("DROP INDEX payments_disposition_held_fen")
    assert growth.grown(counted(urls)) == ["job refund: what must go back"], "an index that lacks would be seen"


def counted(urls: dict[str, str], timed: int = 0) -> Bench:
    bench = Bench(urls)
    bench.run(timed, counted=1)
    bench.close()
    return bench
