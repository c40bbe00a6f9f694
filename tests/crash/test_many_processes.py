"""Four processes on one SQLite file, stops in the midst of work, and what is on the disk before an answer leaves."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import lacking
from tests.crash.aftermath import nothing_lost_nothing_doubled, told
from tests.crash.rounds import times
from tests.crash.trace import Call, calls, strace
from tests.databases import MariaDb
from tests.faults.crowd import KEY, LATTE, SLOW, Crowd
from tests.fleet import Fleet
from tests.harness import NO_TLS, V2_HMAC, V3, Buyer, Server, Simulator
from tests.processes import PATIENCE, eventually
from tests.sale import Sale

EACH = 25  # of everything that the crowd does
CROWDED = times(1, 10)  # so many times that
CROWD = 8
STOPS = {"1": times(3, 25), "2": times(2, 25)}  # of so many processes
ORDERS = 50  # at least, before each
CLIENTS = 8
TOLD = 5  # notifications whose way is looked at


def test_four_processes_write_one_file(tmp_path: Path, simulator: Simulator) -> None:
    """Nobody hears of a lock: every answer is what the buyer asked for. Only a slow machine may say "come again"."""
    seen = Counter[int]()
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(MERCHANT_API_KEY=KEY, PROCESSES="4", **V2_HMAC.environ)
        server.expect_log(*SLOW)
        server.http.event_hooks = {"response": [lambda reply: seen.update([reply.status_code])]}
        crowd = Crowd([server])
        with crowd.going_on(CROWD):
            for _ in range(CROWDED):
                crowd.until_each(EACH)
        nothing_lost_nothing_doubled(fleet, crowd)
    assert seen.keys() <= {200, 201, 409, 503}, seen
    assert "locked" not in server.process.text()
    print(f"four processes on SQLite: {seen.total()} answers, {dict(seen)}; {told(crowd)}")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_stops_under_load_break_nothing(tmp_path: Path, simulator: Simulator, processes: str) -> None:
    """Clients that keep their connections and never pause: no order is made whose answer does not arrive."""
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server, seen = fleet.start(**V3.environ, PROCESSES=processes), Counter[int]()
        server.expect_log(*SLOW)
        sale = Sale.unnoticed(server, fleet.tables)
        buyers = [Buyer(server) for _ in range(CLIENTS)]
        for number in range(STOPS[processes]):
            if number:
                server.start()
            stop_under_load(sale, buyers, seen)
        assert {201, 204} <= seen.keys() <= {201, 204, 503}, seen
        assert fleet.tables.one("SELECT COUNT(*) FROM orders") == seen[201] + 1
    print(f"{STOPS[processes]} stops of {processes} processes under load: {dict(seen)}, no answer missing")


def stop_under_load(sale: Sale, buyers: list[Buyer], seen: Counter[int]) -> None:
    server, notice, before = sale.buyer.server, sale.notice(), seen[201]

    def shop_on(buyer: Buyer) -> None:
        with httpx.Client(base_url=server.url, headers=buyer.headers, timeout=PATIENCE, verify=NO_TLS) as client:
            while True:
                try:
                    seen[client.post("/api/orders", json=LATTE).status_code] += 1
                    told = client.post(notice.path, content=notice.body, headers=notice.headers)
                    seen[told.status_code] += 1
                except httpx.TransportError:
                    return

    with ThreadPoolExecutor(len(buyers)) as pool:
        busy = [pool.submit(shop_on, buyer) for buyer in buyers]
        eventually(lambda: seen[201] > before + ORDERS)
        assert server.process.stop() == 0
    assert [one.result() for one in busy] == [None] * len(buyers)


# --- what is on the disk ---


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    if shutil.which("strace") is None:
        lacking("strace is not installed: apt-get install strace")
    return tmp_path


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_on_the_disk_before_the_answer(kind: str, traced: Path, simulator: Simulator) -> None:
    """Between the bytes of a notification and those of its acknowledgement the log of the database reaches the disk."""
    mariadb = traced_mariadb(traced) if kind == "mariadb" else None
    url = mariadb.create() if mariadb else f"sqlite:///{traced / 'pay.db'}"
    log = r"ib_logfile0" if mariadb else r"pay\.db-wal"
    with Fleet(traced, simulator, url) as fleet:
        server = Server(traced, simulator, url, **V3.environ)
        server.process.command[:0] = strace(traced / "server.trace")
        fleet.servers.append(server.start())
        sales = [Sale.unnoticed(server, fleet.tables) for _ in range(TOLD)]
        assert [sale.notify() for sale in sales] == [(204, "acknowledged")] * TOLD
    if mariadb:
        mariadb.close()
    asked = list(calls(traced / "server.trace"))
    kept = list(calls(traced / "mariadbd.trace")) if mariadb else asked
    synced = [call for call in kept if re.search(rf"^f(data)?sync\(\d+<.*{log}>\) += 0", call.text)]
    ways = list(answered(asked))
    assert len(ways) == TOLD
    for came, answer in ways:
        assert any(came.ended < sync.began and sync.ended < answer.began for sync in synced), (came, answer)
    print(f"{kind}: {len(synced)} times to the disk, before each of {TOLD} acknowledgements")


def traced_mariadb(folder: Path) -> MariaDb:
    mariadb = MariaDb(folder)
    mariadb.close()
    mariadb.process.command[:0] = strace(folder / "mariadbd.trace")
    mariadb.start()
    return mariadb


def answered(asked: list[Call]) -> list[tuple[Call, Call]]:
    """Of every acknowledged notification: its bytes coming in, and the answer's going out."""
    came = [call for call in asked if "recvfrom" in call.text and '"POST /notify/' in call.text]
    left = [call for call in asked if "sendto" in call.text and '"HTTP/1.1 204 ' in call.text]
    return list(zip(came, left, strict=True))
