"""Rounds of measurements. In each, every system has its turn: what the machine does meanwhile, it does to all of them.

An answer that is not the right one is counted, and so is a payment that the tables do not show: see ``wrong``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, islice

from benchmarks import load, messages, numbers, seed
from benchmarks.cases import Cell, Group
from benchmarks.load import Load, Told
from benchmarks.messages import Notices
from benchmarks.servers import Machine, Served, commits, cpu_seconds, resident_mb
from benchmarks.systems import BOOKED, REFUSED, TAKEN, Bare, System, serve
from tests.databases import Tables
from tests.processes import ROOT

LOUD = re.compile(r" (ERROR|CRITICAL) |Traceback")
SAMPLE = 200  # messages that come again and again: duplicates, forgeries
FIRST_GUESS = {
    "server": 4000,
    "sampled": 4000,
    "unbatched": 1500,
    "peer": 1000,
    "bare": 0,
}  # distinct requests a second
WARM = 16  # connections
SETTLED = 0.02  # seconds: for what a server does after an answer


@dataclass(frozen=True, slots=True)
class Row:
    """One cell in one round. ``requests`` of order + pay are pairs of them; CPU and commits are for one of these."""

    round: int
    system: str
    database: str
    processes: int
    api: str
    case: str
    connections: int
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float
    database_us: float
    commits: float
    resident_mb: float
    wrong: str  # what was not as it should be; empty if nothing was


class Bench:
    def __init__(
        self, machine: Machine, systems: Mapping[str, System], seconds: float, warm_up: float, most: int | None = None
    ) -> None:
        """``seconds`` a cell and ``warm_up`` a case. ``most``: requests of a cell, which then ends with the last."""
        self._machine = machine
        self._systems = systems
        self._seconds = seconds
        self._warm_up = warm_up
        self._most = most
        self._notices = Notices(machine.merchant)
        self._rates: dict[tuple[Group, Cell], float] = {}
        self.urls: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        self._notices.close()

    def parts(self) -> dict[str, float]:
        """What an order and its payment cannot do without, in microseconds of CPU."""
        environ = {**os.environ, **self._machine.at_hand(), "GATEWAY": self._machine.gateway}
        command = [sys.executable, "-m", "benchmarks.parts"]
        done = subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.PIPE)
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def group(self, turn: int, group: Group) -> list[Row]:
        """All its cells, once."""
        system = self._systems[group.system]
        counts = [self._needed(group, cell) for cell in group.cells if cell.case == "distinct"]
        orders = max(sum(counts) + self._warm_up_count(group) + SAMPLE, self._most or numbers.BUYERS)
        url = self._url(group, system)
        system.seed(url, group, orders)
        served = serve(self._machine, system, group, url)
        served.start()
        try:
            served.settle(system.ready)
            one = _Turn(self, turn, group, system, served, url)
            one.warm_up(self._warm_up)
            rows = [one.measure(cell, self._seconds) for cell in group.cells]
        finally:
            served.stop()
        if loud := LOUD.search(served.text()):
            print(f"{group.name}: an error in its log: {served.text()[loud.start() :][:2000]}", flush=True)
        return rows

    def _url(self, group: Group, system: System) -> str:
        """The tables of our own server are made once, and emptied for each turn; a peer makes its own."""
        if isinstance(system, Bare):
            return ""
        ours = group.system != "peer"
        if not ours:
            return self._machine.database(group.database, "peer")
        key = (group.database, "ours")
        if key not in self.urls:
            self.urls[key] = self._machine.database(group.database, "ours")
            seed.migrate(self.urls[key])
        return self.urls[key]

    def _needed(self, group: Group, cell: Cell) -> int:
        if self._most:
            return self._most
        rate = self._rates.get((group, cell), FIRST_GUESS[group.system] * (0.25 if cell.connections == 1 else 1))
        return int(rate * self._seconds * 1.25) + SAMPLE

    def _warm_up_count(self, group: Group) -> int:
        if self._most:
            return self._most
        return int(FIRST_GUESS[group.system] * self._warm_up) + SAMPLE


class _Turn:
    """One group's turn: its server runs, and numbers of orders are used up from 0 on."""

    def __init__(self, bench: Bench, turn: int, group: Group, system: System, served: Served, url: str) -> None:
        self._bench = bench
        self._turn = turn
        self._group = group
        self._system = system
        self._served = served
        self._url = url
        self._unpaid = count()
        self._tokens = system.tokens()
        self._known: Sequence[bytes] = ()  # notifications that were acknowledged
        self._taken = 0  # distinct notifications that were acknowledged so far

    def warm_up(self, seconds: float) -> None:
        """Every case for a moment. The first notifications are those that come again as duplicates."""
        if not isinstance(self._system, Bare):
            known = self._bench._notices.genuine(self._group.api, islice(self._unpaid, SAMPLE))
            self._run(Cell("distinct", 8), 60, Load("once", known, *TAKEN[self._group.api]))
            self._known = known
        for case in dict.fromkeys(cell.case for cell in self._group.cells):
            cell = Cell(case, WARM)
            self._run(cell, seconds, self._load(cell, self._bench._warm_up_count(self._group)))

    def measure(self, cell: Cell, seconds: float) -> Row:
        bench, group = self._bench, self._group
        what = self._load(cell, bench._needed(group, cell))
        pids, mariadbd = self._served.pids(), self._database_pids()
        before = (cpu_seconds(pids), cpu_seconds(mariadbd), self._commits())
        told = self._run(cell, seconds, what)
        time.sleep(SETTLED)
        after = (cpu_seconds(pids), cpu_seconds(mariadbd), self._commits())
        done = told.pairs if cell.case == "order + pay" and what.way == "buy" else told.good
        each = [(new - old) / max(done, 1) for old, new in zip(before, after, strict=True)]
        per_second = told.in_time / max(told.seconds, 0.001)
        bench._rates[group, cell] = max(per_second, bench._rates.get((group, cell), 0))
        return Row(
            round=self._turn,
            **{name: value for name, value in asdict(group).items() if name != "cells"},
            **asdict(cell),
            requests=done,
            per_second=round(per_second, 1),
            p50_ms=told.p50_ms,
            p99_ms=told.p99_ms,
            server_us=round(each[0] * 1e6, 1),
            database_us=round(each[1] * 1e6, 1),
            commits=round(each[2], 4),
            resident_mb=round(resident_mb(pids), 1),
            wrong=self._wrong(cell, told, done),
        )

    def _run(self, cell: Cell, seconds: float, what: Load) -> Told:
        if most := self._bench._most:
            what = replace(what, way="buy" if what.way == "buy" else "once", requests=what.requests[:most])
        told = load.run(self._served.port, cell.connections, seconds, what, self._bench._machine.folder)
        if cell.case == "distinct":
            self._taken += told.good
        return told

    def _load(self, cell: Cell, needed: int) -> Load:
        """``needed``: distinct requests, as many as can be used up."""
        api, notices = self._group.api, self._bench._notices
        if isinstance(self._system, Bare):
            same = messages.orders(islice(self._tokens, SAMPLE))
            if cell.case == "distinct":
                same = notices.genuine(api, range(SAMPLE))
            return Load("cycle", same, 204)
        if cell.case == "distinct":
            return Load("once", notices.genuine(api, islice(self._unpaid, needed)), *TAKEN[api])
        if cell.case == "duplicate":
            return Load("cycle", self._known, *TAKEN[api])
        if cell.case == "forged":
            return Load("cycle", notices.forged(api, range(SAMPLE)), *REFUSED[api])
        if cell.case == "order + pay":
            return Load("buy", messages.orders(islice(self._tokens, needed)))
        if cell.case == "read":
            return Load("cycle", messages.reads(islice(self._system.tokens(), self._bench._most or numbers.BUYERS)))
        return Load("once", messages.logins(needed))

    def _database_pids(self) -> list[int]:
        server = self._bench._machine.mariadb
        return (
            [server.process.child.pid] if self._group.database == "mariadb" and server and server.process.child else []
        )

    def _commits(self) -> int:
        return commits(self._url) if self._url else 0

    def _wrong(self, cell: Cell, told: Told, done: int) -> str:
        if told.bad or told.cut:
            return f"{told.bad} wrong answers, {told.cut} missing: {told.said}"[:300]
        if done == 0:
            return "no answer at all"
        return self._not_in_the_tables(done if cell.case == "order + pay" else 0) if self._url else ""

    def _not_in_the_tables(self, paid: int) -> str:
        booked = int(Tables(self._url).one(BOOKED))
        if booked != self._taken:
            return f"{self._taken} distinct notifications acknowledged, {booked} payments booked"
        prepaid = int(Tables(self._url).one(self._system.prepaid)) if paid else 0
        return f"{paid} orders with a prepay_id, {prepaid} in the tables" if prepaid < paid else ""
