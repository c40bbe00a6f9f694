"""``kill -9`` at every step of reading a day's bills (money.md F55): the next reader ends with the same rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.proxy import Http, Sql, Wire, through
from tests.crash.rounds import FULL, ROUNDS
from tests.crash.steps import Step, Trap
from tests.databases import MariaDb, Tables
from tests.generated import expected, found, migrated, stock, yesterday
from tests.harness import V3, Simulator
from tests.processes import PATIENCE, Process

PAYMENTS, REFUNDS = 400, 150  # more lines than one transaction takes, in both bills
PLANTED = ("missing", "amount", "extra", "refund_amount", "flow_missing", "refund_flow_amount")
KEPT = {  # the columns that a second reading leaves as they were
    "bills": "day, state, differences",
    "bill_lines": "day, kind, ref, amount_fen, settled_fen, at",
    "fund_lines": "day, kind, ref, amount_fen, at",
    "discrepancies": "kind, ref, detail, state",
}
DIFFERENCES = 3  # the exit code


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """One of this test's own: a bill is about every order of the merchant."""
    simulator = Simulator(tmp_path)
    yield simulator
    simulator.close()


class Reader:
    """``python cli.py reconcile``, with a wire to the database and one to the gateway."""

    def __init__(self, folder: Path, simulator: Simulator, mariadb: MariaDb, url: str, day: str) -> None:
        self.trap = Trap()
        self._wires = {"database": Wire(mariadb.port, Sql), "gateway": Wire(simulator.port, Http)}
        for name, wire in self._wires.items():
            wire.watch = self.trap.on(name)
        environ = {
            **V3.environ,
            "DATABASE_URL": through(self._wires["database"], url),
            "SIMULATOR_URL": self._wires["gateway"].url,
        }
        command = [sys.executable, "cli.py", "reconcile", day]
        self._process = Process(command, folder / "reader.log", environ)

    def read(self) -> list[Step]:
        """To the end; what was sent."""
        self.trap.set(None)
        self._process.start(lambda: True)
        assert self._process.child is not None
        assert self._process.child.wait(PATIENCE) == DIFFERENCES, self._process.text()
        return list(self.trap.seen)

    def killed_at(self, step: Step) -> None:
        self.trap.set(step)
        self._process.start(lambda: True)
        assert self.trap.reached.wait(PATIENCE), f"{step} was not reached"
        self._process.kill()
        self.trap.release()

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()


def kept(tables: Tables) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(tables.rows(f"SELECT {columns} FROM {table}"), key=repr) for table, columns in KEPT.items()}


def test_each_step_of_a_bill(tmp_path: Path, simulator: Simulator, mariadb: MariaDb) -> None:
    url, midnight = mariadb.create(), yesterday(simulator)
    tables, day = migrated(url), midnight.date().isoformat()
    stock(tables, midnight, PAYMENTS, REFUNDS)
    errors = [{"kind": kind, "n": 1} for kind in PLANTED]
    simulator.put("bill", {"day": day, "extra_lines": PAYMENTS, "extra_refunds": REFUNDS, "errors": errors})
    reader = Reader(tmp_path, simulator, mariadb, url, day)
    steps = reader.read()
    whole = kept(tables)
    assert found(tables) == expected(simulator, day)
    points = [moment for step in steps if not step.name.startswith("GET /_sim/") for moment in step.moments]
    wanted = points if FULL else points[::9]
    for _ in range(ROUNDS):
        for table in KEPT:
            tables.change(f"DELETE FROM {table}")
        for point in wanted:  # each reader begins with what the last one left
            reader.killed_at(point)
            tables.change("UPDATE bills SET claimed_until = 1")  # its lease is over
        reader.read()
        assert kept(tables) == whole
    reader.close()
    print(
        f"{len(wanted) * ROUNDS} kills of who read a bill in {ROUNDS} rounds, at {len(wanted)} of {len(points)} points"
    )
