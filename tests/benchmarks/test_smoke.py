"""The benchmarks do not rot: every case is played with a few requests, and every answer is the right one.

No figure is looked at, but that it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import load, report, shares
from benchmarks.about import about
from benchmarks.cases import CASES, Group, cells
from benchmarks.measure import Bench, Row
from benchmarks.sampled import WORDS
from benchmarks.servers import Machine
from benchmarks.systems import sampled, serve, systems
from models import invariants
from tests.conftest import lacking
from tests.databases import MariaDb, Tables

FEW = 12  # requests
LONG = 100.0  # seconds: a cell ends with its last request
GROUPS = [
    Group("bare", "none", 1, "v3", cells(("distinct", "order + pay"), 2)),
    Group("server", "sqlite", 2, "v3", cells(CASES, 2)),
    Group("unbatched", "sqlite", 1, "v3", cells(("distinct",), 1)),
    Group("server", "mariadb", 1, "v2", cells(("distinct", "duplicate", "forged", "order + pay"), 2)),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if not load.installed():
        lacking("wrk is not installed: apt-get install wrk")
    if not MariaDb.installed():
        lacking("MariaDB is not installed: apt-get install mariadb-server")
    machine = Machine(tmp_path_factory.mktemp("bench"), mariadb=True)
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def bench(machine: Machine) -> Iterator[Bench]:
    bench = Bench(machine, systems(""), LONG, LONG, most=FEW)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """What the tests below have measured, for the last one."""
    return []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_answer_is_right(bench: Bench, group: Group, rows: list[Row]) -> None:
    found = bench.group(1, group)
    assert [row.wrong for row in found] == [""] * len(group.cells)
    assert all(row.requests > 0 and row.per_second > 0 and row.p99_ms >= row.p50_ms > 0 for row in found)
    assert all(row.server_us >= 0 and row.resident_mb > 10 for row in found)
    rows += found


@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_what_they_leave_in_the_tables_is_whole(bench: Bench, database: str) -> None:
    tables = Tables(bench.urls[database, "ours"])
    assert tables.one("SELECT COUNT(*) FROM payments") > FEW
    assert {name: found for name, sql in invariants.LOCAL.items() if (found := tables.rows(sql))} == {}


def test_a_wrong_answer_is_told(machine: Machine) -> None:
    served = serve(machine, systems("")["bare"], GROUPS[0], "")
    served.start()
    hoped = load.Load("once", [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"] * FEW, status=200)
    told = load.run(served.port, 2, LONG, hoped, machine.folder)
    served.stop()
    assert told.good == 0
    assert told.bad > 0
    assert told.said.strip() == "204"


def test_the_shares_of_its_time_are_counted(machine: Machine) -> None:
    bench = Bench(machine, sampled(), LONG, LONG, most=FEW)
    group = Group("sampled", "sqlite", 1, "v3", cells(("distinct",), 2))
    found = shares.spent(bench, group, machine.folder / "shares.json")
    bench.close()
    assert set(found) <= {*WORDS.values(), "the rest"}
    assert sum(found.values()) > 0
    assert shares.table([group], [found]).count("%") == len(set(WORDS.values())) + 1


def test_the_report_names_them_all(bench: Bench, rows: list[Row]) -> None:
    told = about(Path.cwd(), rounds=1, seconds=1)
    results = {"about": told, "parts": [bench.parts()], "rows": [asdict(row) for row in rows]}
    rendered = report.text(results)
    assert sum(rendered.count(f"\n| {api} |") for api in ("v2", "v3")) == len(rows)
    assert report.drawing(results).startswith("<svg")
