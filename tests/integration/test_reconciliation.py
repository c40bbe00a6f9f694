"""A day against WeChat's bill: what was lost is found and booked. What differs is test_planted_differences' matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.databases import MariaDb, Tables
from tests.harness import V2_HMAC, V3, Api, Buyer, Server, Simulator
from tests.live import command
from tests.processes import eventually

BEIJING = timezone(timedelta(hours=8))
KEY = "merchant-key-of-the-tests-0123456789abcdef"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """One of this test's own: a bill is about every order of the merchant."""
    simulator = Simulator(tmp_path)
    yield simulator
    simulator.close()


@pytest.fixture(params=[("sqlite", V2_HMAC), ("mariadb", V3)], ids=lambda pair: f"{pair[0]}-{pair[1].name}")
def pair(request: pytest.FixtureRequest) -> tuple[str, Api]:
    """Each database and each generation once: a bill is fetched by the one and compared in the other, and each day that
    passes costs a server and a simulator. How v2 signs makes no difference."""
    chosen: tuple[str, Api] = request.param
    return chosen


@pytest.fixture
def database_url(pair: tuple[str, Api], tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if pair[0] == "sqlite":
        return f"sqlite:///{tmp_path / 'pay.db'}"
    mariadb: MariaDb = request.getfixturevalue("mariadb")
    return mariadb.create()


@pytest.fixture
def api(pair: tuple[str, Api]) -> Api:
    return pair[1]


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
    return cli(server, "reconcile", day)


def cli(server: Server, *arguments: str) -> tuple[int, str]:
    """Exit code and last line."""
    done = command(server.environ, *arguments)
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
    assert reconcile(server, day) == (1, "reconcile: WeChat has not made the bill of that day yet")
    assert reconcile(server, "yesterday") == (1, "reconcile: day: write a day as YYYY-MM-DD")
    refund = {"amount_fen": 100, "reason": "退一点"}
    headers = {"Authorization": f"Bearer {KEY}"}
    made = server.http.post(f"/merchant/orders/{numbers[0]}/refunds", json=refund, headers=headers)
    assert made.status_code == 201
    server.simulator.post("clock", advance_seconds=10)
    eventually(lambda: tables.one("SELECT refunded_fen FROM payments ORDER BY id LIMIT 1") == 100)
    next_morning(server.simulator)
    assert reconcile(server, day) == (0, f"{day}: 3 lines, 6 movements, 0 differences")
    assert differences(tables) == []


def test_a_payment_that_was_never_heard_of_is_booked(server: Server, tables: Tables) -> None:
    """The server was off when the buyer paid, and every notification was lost."""
    buyer, day = Buyer(server), today(server.simulator)
    number = buyer.order()["order_no"]
    payment = buyer.prepay(number)
    assert server.process.stop() == 0
    assert buyer.cashier(payment) == "requestPayment:ok"
    next_morning(server.simulator)
    assert reconcile(server, day) == (0, f"{day}: 1 lines, 2 movements, 0 differences")
    assert tables.rows("SELECT state FROM orders") == [("PAID",)]
    assert tables.rows("SELECT disposition, source FROM payments") == [("APPLIED", "query")]


def test_bills_are_kept_whole_and_for_nobody_else(server: Server, tmp_path: Path) -> None:
    """All in one test: each day that passes here costs a server."""
    day, out = today(server.simulator), tmp_path / "bill.csv"
    assert cli(server, "bill", day, "--out", str(out)) == (1, "bill: WeChat has not made the bill of that day yet")
    assert cli(server, "bill", "2026-02-30", "--out", str(out)) == (1, "bill: day: write a day as YYYY-MM-DD")
    paid(server, 1)
    next_morning(server.simulator)
    fen = Tables(server.database_url).one("SELECT amount_fen FROM payments")
    fee = (fen * 6 + 500) // 1000
    assert cli(server, "bill", day, "--out", str(out)) == (
        0,
        f"{out}: 1 lines, paid {fen} fen, refunded 0 fen, fees {fee} fen",
    )
    assert (out.stat().st_mode & 0o777, out.read_bytes()[:3]) == (0o600, b"\xef\xbb\xbf")
    assert out.read_text("utf-8-sig").count("\n`") == 2  # the payment and the totals
    moved = f"{out}: 2 lines, in {fen} fen, out {fee} fen"
    assert cli(server, "bill", day, "--kind", "fund", "--out", str(out)) == (0, moved)
    before = out.read_bytes()
    quiet = (datetime.fromisoformat(day) - timedelta(days=60)).date().isoformat()
    assert cli(server, "bill", quiet, "--out", str(out)) == (
        1,
        f"bill: There was no trade on {quiet}, so there is no bill",
    )
    nowhere = tmp_path / "none" / "b.csv"
    assert cli(server, "bill", day, "--out", str(nowhere)) == (1, f"bill: {nowhere} cannot be written")
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "bill" in path.name] == ["bill.csv"]
