"""Three servers, each on its own node of a Galera cluster, under one crowd: a node is killed and brought back, another
is cut off from its peers and let back. Nothing that was acknowledged is lost, nothing doubled. ``make cluster``."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.galera import Cluster, installed
from tests.conftest import lacking
from tests.databases import Tables, broken_invariants
from tests.faults.crowd import KEY, SLOW, Crowd, come_to_rest, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Server, Simulator
from tests.live import command
from tests.processes import eventually

SIZE = 6
MIND_CHANGED = [{"op": "v[23].close", "fault": "http_500_before", "probability": 0.5}]  # so that they may still pay
AWAY = (  # what a server says whose node is away, or not sure of itself
    "database unavailable",
    "put off: ",
    "not acknowledged",
    "a commit is still unknown",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if not installed():
        lacking("Galera is not installed: apt-get install mariadb-server galera-4 rsync lsof")
    folder = Path(tempfile.mkdtemp(prefix="pay-cluster-"))
    folder.chmod(0o755)  # for the user that MariaDB runs as
    cluster = Cluster(folder)
    yield cluster
    cluster.close()
    shutil.rmtree(folder)


class Silence:
    """The longest time in which nobody in the crowd could finish anything."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._told = threading.Event()

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        longest = [0.0]
        self._told.clear()
        watcher = threading.Thread(target=self._watch, args=(longest,))
        watcher.start()
        try:
            yield
        finally:
            self._told.set()
            watcher.join()
        print(f"\n{what}: the longest silence was {longest[0]:.1f} s")

    def _watch(self, longest: list[float]) -> None:
        seen, since = len(self._crowd.done), time.monotonic()
        while not self._told.wait(0.02):
            longest[0] = max(longest[0], time.monotonic() - since)
            if len(self._crowd.done) != seen:
                seen, since = len(self._crowd.done), time.monotonic()


def answers(server: Server, path: str) -> int:
    return server.http.get(path).status_code


def test_a_node_is_killed_another_cut_off_and_both_come_back(
    cluster: Cluster, tmp_path: Path, simulator: Simulator
) -> None:
    first, cut, killed = cluster.nodes
    fleet = Fleet(tmp_path, simulator, first.url)
    environ = {"SIMULATOR_URL": simulator.url, "MERCHANT_API_KEY": KEY}
    assert command({**environ, "DATABASE_URL": first.url}, "migrate").returncode == 0
    with fleet:
        for node, api in zip(cluster.nodes, (V3, V2_HMAC, V3), strict=True):
            fleet.start(MERCHANT_API_KEY=KEY, **api.environ, DATABASE_URL=node.url)
        fleet.expect_log(*SLOW, *AWAY)
        crowd = Crowd(fleet.servers)
        silence = Silence(crowd)
        simulator.put("faults", MIND_CHANGED)
        with crowd.going_on(SIZE):
            crowd.until_each(3)
            with silence.measured("a node is killed"):
                killed.process.kill()
                crowd.until_each(3)
            assert answers(fleet.servers[2], "/readyz") == 503
            with silence.measured("it comes back"):
                killed.start(cluster.others(killed))
                eventually(lambda: answers(fleet.servers[2], "/readyz") == 200)
                crowd.until_each(3)
            with silence.measured("a node is cut off"):
                cut.cut_off()
                crowd.until_each(3)
            assert answers(fleet.servers[1], "/readyz") == 503
            with silence.measured("it is let back"):
                cut.let_back()
                eventually(lambda: answers(fleet.servers[1], "/readyz") == 200)
                crowd.until_each(3)
        simulator.clear_faults()
        eventually(cluster.is_whole)
        come_to_rest(fleet)

        states = dict(fleet.tables.rows("SELECT order_no, state FROM orders"))
        acknowledged = {**dict.fromkeys(crowd.paid, "PAID"), **dict.fromkeys(crowd.given_up, "CLOSED")}
        assert acknowledged.items() <= states.items()
        check_money(fleet.tables, ledger_of(fleet))
        copies = [Tables(node.url).snapshot() for node in cluster.nodes]
        assert copies[1] == copies[0]
        assert copies[2] == copies[0]
        assert broken_invariants(fleet.tables, simulator) == {}
        print(f"{len(states)} orders, {len(crowd.paid)} paid, {len(crowd.done)} things done")
