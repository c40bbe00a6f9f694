"""The database answers nothing for ten seconds, and more ask than may wait: all are told to come again, nothing is
acknowledged that is not committed, and when the database is back the same server does everything that was asked."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.crash.aftermath import DATABASE_AWAY
from tests.crash.proxy import Sql, Wire, let_through, through
from tests.databases import MariaDb
from tests.faults.crowd import KEY, LATTE, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import NO_TLS, V3, Buyer, Simulator
from tests.processes import PATIENCE, eventually
from tests.sale import Sale

STALL = 10.0  # seconds
ASKERS = 120  # 16 units of work are done at once and 64 may wait
AT_ONCE = 40  # so many may, at any time
PAID = 10
REFUSED = {503, 0}  # of a notification; 0: said by a slow machine when WeChat did not listen any more


class Valve:
    """Shut: no message goes on, in either direction, until it is open again."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def __call__(self, moment: str, name: str) -> int | None:
        self._open.wait()
        return None


def order(buyer: Buyer, key: int) -> httpx.Response:
    """On a connection of its own, as the askers' are."""
    headers = {**buyer.headers, "Idempotency-Key": f"stall-{key}"}
    return httpx.post(f"{buyer.server.url}/api/orders", json=LATTE, headers=headers, timeout=PATIENCE, verify=NO_TLS)


def refused(reply: httpx.Response) -> str:
    """The code of a refusal that says when to come again."""
    assert reply.status_code == 503, reply.text
    assert reply.headers["Retry-After"]
    error: dict[str, Any] = reply.json()["error"]
    return str(error["code"])


def first_tries(simulator: Simulator, sales: list[Sale]) -> list[int]:
    """With which status the shop answered the first notification of each sale, of those that are answered."""
    numbers = {sale.out_trade_no for sale in sales}
    told = [one for one in simulator.get("ledger")["deliveries"] if one["out_trade_no"] in numbers]
    assert all(one["state"] == "waiting" for one in told)
    return [one["tries"][0]["status"] for one in told if one["tries"]]


def test_a_database_that_answers_nothing(tmp_path: Path, simulator: Simulator, mariadb: MariaDb) -> None:
    wire, valve = Wire(mariadb.port, Sql), Valve()
    with Fleet(tmp_path, simulator, mariadb.create()) as fleet, ThreadPoolExecutor(ASKERS) as crowd:
        wired = {**V3.environ, "DATABASE_URL": through(wire, fleet.tables.url)}
        server = fleet.start(MERCHANT_API_KEY=KEY, **wired)
        server.expect_log(*DATABASE_AWAY)
        sales = [Sale.begun(server, fleet.tables) for _ in range(PAID)]
        buyer, payments = sales[0].buyer, [sale.buyer.prepay(sale.order_no) for sale in sales]
        wire.watch = valve
        valve.shut()
        over = time.monotonic() + STALL
        for payment in payments:
            assert buyer.cashier(payment) == "requestPayment:ok"
        codes = {refused(reply) for reply in crowd.map(lambda key: order(buyer, key), range(ASKERS))}
        eventually(lambda: len(first_tries(simulator, sales)) == PAID)
        assert {503} <= set(first_tries(simulator, sales)) <= REFUSED
        time.sleep(max(0.0, over - time.monotonic()))
        assert fleet.tables.one("SELECT COUNT(*) FROM notifications") == 0
        wire.watch = let_through
        valve.open()

        left = list(range(ASKERS))

        def made() -> bool:
            replies = list(crowd.map(lambda key: order(buyer, key), left[:AT_ONCE]))
            left[:AT_ONCE] = [key for key, reply in zip(left, replies, strict=False) if reply.status_code == 503]
            return not left

        eventually(made)
        simulator.post("clock", advance_seconds=16)  # a notification comes again after fifteen
        for sale in sales:
            sale.buyer.becomes(sale.order_no, "paid")
        assert fleet.tables.one("SELECT COUNT(*) FROM orders") == ASKERS + PAID
        check_money(fleet.tables, ledger_of(fleet))
    wire.close()
    print(f"{ASKERS} orders and {PAID} notifications in a stall of {STALL:.0f} s, refused as {codes}")
