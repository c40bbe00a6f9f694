"""A start waits for what is away and says so; a process does what its roles say, and no more."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.crash.test_disk import ReadOnlyFile
from tests.databases import MariaDb, Tables
from tests.fleet import Fleet
from tests.harness import NO_TLS, V3, Buyer, Server, Simulator
from tests.live import command
from tests.processes import eventually

PATHS = {"api": "/api/products", "notify": "/notify/wechat_v3/payment", "ops": "/openapi.json"}


def answers(server: Server, path: str) -> int:
    try:
        return httpx.get(server.url + path, verify=NO_TLS).status_code
    except httpx.TransportError:
        return 0


def test_a_database_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, simulator: Simulator, mariadb: MariaDb
) -> None:
    url = mariadb.create()
    mariadb.process.kill()
    try:
        server = Server(tmp_path, simulator, url, **V3.environ)
        server.process.start(lambda: answers(server, "/healthz") == 200)
        assert answers(server, "/readyz") == 503
        refused = server.http.get("/api/products")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "starting")
        assert server.http.post("/notify/wechat_v3/payment", content=b"{}").status_code == 503
    finally:
        mariadb.start()
    eventually(lambda: answers(server, "/readyz") == 200)
    buyer = Buyer(server)
    buyer.pay(buyer.order("latte")["order_no"])
    assert server.end() == 0
    server.expect_log("waiting for the database", "not acknowledged adapter=wechat_v3 reason=TryLater")
    assert server.surprises() == []
    waiting = [line for line in server.process.text().splitlines() if "waiting for the database" in line]
    assert len(waiting) <= 3  # once for each thing that is wrong, not once for each look


def test_a_file_that_cannot_be_written_at_the_start_is_waited_for(tmp_path: Path, simulator: Simulator) -> None:
    """The same with a full disk: who has mended it need not start anything."""
    trouble = ReadOnlyFile(tmp_path)
    server = Server(tmp_path, simulator, trouble.url, **V3.environ)
    with closing(sqlite3.connect(tmp_path / "pay.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    trouble.begin(server)
    server.process.start(lambda: answers(server, "/healthz") == 200)
    assert answers(server, "/readyz") == 503
    trouble.end()
    eventually(lambda: answers(server, "/readyz") == 200)
    assert server.end() == 0
    server.expect_log("waiting for the database: OperationalError: attempt to write a readonly database")
    assert server.surprises() == []


REFUSALS = {  # the user, the database, and what the refusal says
    "wrong-password": ("shop:wrong-secret", "{}", "Access denied for user 'shop'.*correct the user or the password"),
    "no-such-database": ("root:", "{}x", "Unknown database '{}x'.*CREATE DATABASE"),
    "no-rights-on-it": ("shop:right-secret", "mysql", "to database 'mysql'.*GRANT ALL"),
    "no-right-to-make-tables": ("shop:right-secret", "{}", "command denied to user 'shop'.*GRANT ALL"),
}


@pytest.fixture(scope="module")
def looked_at(mariadb: MariaDb) -> str:
    """A database that user shop may look at and no more; its URL."""
    url = mariadb.create()
    with Tables(url).connect() as connection:
        connection.cursor().execute("CREATE OR REPLACE USER shop@'127.0.0.1' IDENTIFIED BY 'right-secret'")
        connection.cursor().execute(f"GRANT SELECT ON {url.rpartition('/')[2]}.* TO shop@'127.0.0.1'")
    return url


@pytest.mark.parametrize("case", REFUSALS)
def test_a_database_that_does_not_let_us_in_is_not_waited_for(case: str, looked_at: str, simulator: Simulator) -> None:
    who, where, words = REFUSALS[case]
    name = looked_at.rpartition("/")[2]
    url = looked_at.replace("root:", who).replace(f"/{name}", "/" + where.format(name))
    told = command({**V3.environ, "DATABASE_URL": url, "SIMULATOR_URL": simulator.url}, program="server.py")
    assert told.returncode == 2, told.stderr
    assert re.search(f"DATABASE_URL: .*{words.format(name)}", told.stderr), told.stderr
    assert "secret" not in told.stderr
    assert "Traceback" not in told.stderr


def test_a_stop_while_it_waits_is_a_clean_one(tmp_path: Path, simulator: Simulator) -> None:
    server = Server(tmp_path, simulator, "mysql://root:@127.0.0.1:9/none", **V3.environ)
    server.process.start(lambda: answers(server, "/healthz") == 200)
    assert server.end() == 0


@pytest.mark.parametrize("roles", ["api", "notify", "ops", "jobs", "api,notify"])
def test_a_process_serves_what_its_roles_say(tmp_path: Path, simulator: Simulator, roles: str) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**V3.environ, ROLES=roles)
        served = {role for role, path in PATHS.items() if answers(server, path) != 404}
        assert served == set(roles.split(",")) & PATHS.keys()
        assert {answers(server, path) for path in ("/healthz", "/readyz", "/metrics")} == {200}


def test_work_split_over_processes_is_one_shop(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        notify = fleet.start(**V3.environ, ROLES="notify")
        fleet.start(**V3.environ, ROLES="jobs,ops")
        buyer = Buyer(fleet.start(**V3.environ, ROLES="api", PUBLIC_URL=notify.url))
        order_no = buyer.order("latte")["order_no"]
        buyer.pay(order_no)
        simulator.put("faults", [{"op": "notify*", "fault": "drop"}])
        unheard = buyer.order("latte")["order_no"]
        assert buyer.cashier(buyer.prepay(unheard)) == "requestPayment:ok"
        fleet.tables.change("UPDATE transactions SET ask_at = 1 WHERE state = 'PREPAID'")
        buyer.becomes(unheard, "paid")
