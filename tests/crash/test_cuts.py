"""The wire between server and database is cut while the reply to a COMMIT or to a write is on it: the work is done, and
the server cannot know. Under a crowd, again and again, at any byte of the reply: nothing is doubled, nothing lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

from tests.crash.aftermath import DATABASE_AWAY, nothing_lost_nothing_doubled, told
from tests.crash.proxy import Sql, Wire, is_write, let_through, through
from tests.crash.rounds import SEED, times
from tests.databases import MariaDb
from tests.faults.crowd import KEY, Crowd
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Simulator
from tests.processes import eventually

CUTS = times(100, 500)
CHANCE = 0.1  # of a reply to be cut, once its kind has been
TORN = 11  # bytes: the shortest reply to a write
KINDS = {  # each of these must have been cut
    "INSERT orders",
    "COMMIT of orders, order_items, state_log",
    "INSERT transactions",
    "COMMIT of transactions, orders, state_log",
    "COMMIT of transactions, state_log",
    "INSERT notifications",
    "INSERT payments",
    "INSERT outbox",
    "COMMIT of orders, transactions, state_log",
    "UPDATE payments",
    "INSERT refunds",
    "COMMIT of payments, refunds, state_log",
    "COMMIT of refunds, state_log",
}


class Scissors:
    """Cuts the first reply to each kind of statement, then one in ten, until so many are cut and all of KINDS."""

    def __init__(self, cuts: int, seed: int) -> None:
        self.made: Counter[str] = Counter()
        self._left = cuts
        self._dice = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def done(self) -> bool:
        return self._left <= 0 and set(self.made) >= KINDS

    def __call__(self, moment: str, name: str) -> int | None:
        if moment != "after" or not is_write(name):
            return None
        with self._lock:
            if self.done or (name in self.made and self._dice.random() > CHANCE):
                return None
            self._left -= 1
            self.made[name] += 1
            return self._dice.randrange(TORN)


def test_replies_cut_at_commits_and_writes(tmp_path: Path, simulator: Simulator, mariadb: MariaDb) -> None:
    wire, scissors = Wire(mariadb.port, Sql), Scissors(CUTS, SEED)
    with Fleet(tmp_path, simulator, mariadb.create()) as fleet:
        for api in (V2_HMAC, V3):
            wired = {**api.environ, "DATABASE_URL": through(wire, fleet.tables.url)}
            fleet.start(MERCHANT_API_KEY=KEY, **wired).expect_log(*DATABASE_AWAY)
        crowd = Crowd(fleet.servers)
        wire.watch = scissors
        with crowd.going_on(6):
            eventually(lambda: scissors.done, 600)
        wire.watch = let_through
        nothing_lost_nothing_doubled(fleet, crowd)
    wire.close()
    commits = sum(count for name, count in scissors.made.items() if name.startswith("COMMIT"))
    cuts, kinds = scissors.made.total(), len(scissors.made)
    print(f"seed {SEED}: {cuts} replies cut, {commits} of them to COMMIT, of {kinds} kinds; {told(crowd)}")


class Once:
    """Cuts the first reply to each kind of statement."""

    def __init__(self) -> None:
        self.cut: list[str] = []

    def __call__(self, moment: str, name: str) -> int | None:
        if moment == "before" or name in self.cut:
            return None
        self.cut.append(name)
        return 0


def test_a_start_goes_on_when_the_database_is_back(tmp_path: Path, simulator: Simulator, mariadb: MariaDb) -> None:
    wire, once = Wire(mariadb.port, Sql), Once()
    with Fleet(tmp_path, simulator, mariadb.create()) as fleet:
        server = fleet.start(ROLES="api,notify", DATABASE_URL=through(wire, fleet.tables.url), **V3.environ)
        assert server.process.stop() == 0
        server.expect_log(*DATABASE_AWAY)
        wire.watch = once
        server.start()
    wire.close()
    assert {"SET", "SELECT", "SHOW"} <= set(once.cut)
