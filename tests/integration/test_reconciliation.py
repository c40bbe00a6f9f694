"""A day against WeChat's bill: what was lost is found and booked, what differs is one row each, and again the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.harness import ROOT, V2_HMAC, V3, Api, Buyer, Server, Simulator, Tables, eventually

BEIJING = timezone(timedelta(hours=8))
KEY = "merchant-key-of-the-tests-0123456789abcdef"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """One of this test's own: a bill is about every order of the merchant."""
    simulator = Simulator(tmp_path)
    yield simulator
    simulator.close()


@pytest.fixture(params=[V2_HMAC, V3], ids=lambda api: api.name)
def api(request: pytest.FixtureRequest) -> Api:
    """How v2 signs makes no difference here."""
    chosen: Api = request.param
    return chosen


@pytest.fixture
def server(start_server: Start, api: Api) -> Server:
    return start_server(MERCHANT_API_KEY=KEY, **api.environ)


def today(simulator: Simulator) -> str:
    return _now(simulator).date().isoformat()


def next_morning(simulator: Simulator) -> None:
    """Past ten the next day by WeChat's clock: the bill is ready."""
    now = _now(simulator)
    morning = (now + timedelta(days=1)).replace(hour=10, minute=5, second=0)
    simulator.post("clock", advance_seconds=int((morning - now).total_seconds()))


def _now(simulator: Simulator) -> datetime:
    return datetime.fromtimestamp(simulator.get("clock")["now"], UTC).astimezone(BEIJING)


def reconcile(server: Server, day: str) -> tuple[int, str]:
    """``cli.py reconcile``: exit code and last line."""
    done = subprocess.run(
        [sys.executable, "cli.py", "reconcile", day],
        cwd=ROOT,
        env={**os.environ, **server.environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, (done.stdout or done.stderr).strip().splitlines()[-1]


def paid(server: Server, count: int) -> list[str]:
    buyer = Buyer(server)
    numbers = [buyer.order()["order_no"] for _ in range(count)]
    for number in numbers:
        buyer.pay(number)
        buyer.becomes(number, "paid")
    return numbers


def differences(tables: Tables) -> list[tuple[Any, ...]]:
    return sorted(tables.rows("SELECT kind, ref FROM discrepancies WHERE kind LIKE 'BILL%'"))


def test_a_day_that_agrees(server: Server, tables: Tables) -> None:
    day, numbers = today(server.simulator), paid(server, 2)
    refund = {"amount_fen": 100, "reason": "退一点"}
    headers = {"Authorization": f"Bearer {KEY}"}
    made = server.http.post(f"/merchant/orders/{numbers[0]}/refunds", json=refund, headers=headers)
    assert made.status_code == 201
    server.simulator.post("clock", advance_seconds=10)
    eventually(lambda: tables.one("SELECT refunded_fen FROM payments ORDER BY id LIMIT 1") == 100)
    next_morning(server.simulator)
    assert reconcile(server, day) == (0, f"{day}: 3 lines, 0 differences")
    assert differences(tables) == []


def test_a_payment_that_was_never_heard_of_is_booked(server: Server, tables: Tables) -> None:
    """The server was off when the buyer paid, and every notification was lost."""
    buyer, day = Buyer(server), today(server.simulator)
    number = buyer.order()["order_no"]
    payment = buyer.prepay(number)
    assert server.process.stop() == 0
    assert buyer.cashier(payment) == "requestPayment:ok"
    next_morning(server.simulator)
    assert reconcile(server, day) == (0, f"{day}: 1 lines, 0 differences")
    assert tables.rows("SELECT state FROM orders") == [("PAID",)]
    assert tables.rows("SELECT disposition, source FROM payments") == [("APPLIED", "query")]


def test_every_planted_error_is_found_none_invented_and_again_the_same(server: Server, tables: Tables) -> None:
    day = today(server.simulator)
    paid(server, 6)
    next_morning(server.simulator)
    kinds = ["missing", "amount", "duplicate", "number", "extra"]
    server.simulator.put("bill", {"errors": [{"kind": kind, "n": 1} for kind in kinds]})
    code, said = reconcile(server, day)
    found = differences(tables)
    # a changed number is one payment too many there, and one missing there
    assert [kind for kind, _ in found] == ["BILL_AMOUNT", *["BILL_MISSING"] * 2, "BILL_TWICE", *["BILL_UNKNOWN"] * 2]
    assert (code, said.split(", ")[1]) == (3, "6 differences")
    assert reconcile(server, day)[0] == 3
    assert differences(tables) == found


def test_a_bill_that_is_not_ready_and_a_day_that_is_none(server: Server) -> None:
    code, said = reconcile(server, today(server.simulator))
    assert (code, said) == (1, "reconcile: bill not ready")
    code, said = reconcile(server, "yesterday")
    assert (code, said) == (1, "reconcile: day invalid")
