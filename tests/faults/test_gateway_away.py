"""The gateway goes away under load and comes back (money.md F11): it is left alone meanwhile, its notifications are
taken as ever, the buyers are told to come again, and one cycle after its return nothing is left to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from adapters.hosts import MISSES
from tests.faults.crowd import KEY, LATTE, SLOW, come_to_rest, due_now, ledger_of
from tests.faults.verdict import check_money, unsettled
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Buyer, Server, Simulator
from tests.processes import eventually
from tests.sale import Notice, Sale, acknowledged
from tests.wire import send

HEARD_LATE, UNHEARD, LOAD = 6, 6, 60


@pytest.fixture(params=["sqlite", "mariadb"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    """A gateway of its own, which can be stopped, and a server for new payments through each generation."""
    mariadb = request.param == "mariadb"
    url = request.getfixturevalue("mariadb").create() if mariadb else f"sqlite:///{tmp_path / 'pay.db'}"
    with (
        closing(Simulator(tmp_path, data=tmp_path / "gateway")) as gateway,
        Fleet(tmp_path, gateway, url) as fleet,
    ):
        for api in (V2_HMAC, V3):
            fleet.start(MERCHANT_API_KEY=KEY, **api.environ)
        fleet.expect_log(*SLOW)
        fleet.settle()
        yield fleet


def left_alone(server: Server) -> float:
    found = re.search(r"pay_gateway_left_alone_total{[^}]*} ([\d.]+)", server.http.get("/metrics").text)
    return float(found[1]) if found else 0.0


def load(fleet: Fleet, buyers: list[Buyer]) -> list[tuple[Buyer, str]]:
    """Orders that everybody tries to pay, in vain; reads go on meanwhile."""

    def try_to_pay(number: int) -> tuple[Buyer, str]:
        buyer = buyers[number % len(buyers)]
        order_no = buyer.call("POST", "/api/orders", json=LATTE).json()["order_no"]
        reply = buyer.call("POST", f"/api/orders/{order_no}/pay")
        assert reply.status_code == 503, reply.text
        assert reply.headers["Retry-After"]
        assert buyer.status(order_no) == "pending"
        return buyer, order_no

    with ThreadPoolExecutor(8) as crowd:
        return list(crowd.map(try_to_pay, range(LOAD)))


def pay(one: tuple[Buyer, str]) -> None:
    buyer, order_no = one
    path = f"/api/orders/{order_no}/pay"
    reply = eventually(lambda: [r for r in [buyer.call("POST", path)] if r.status_code == 200])[0]
    assert buyer.cashier(reply.json()) == "requestPayment:ok"


def test_a_gateway_that_is_away_under_load(fleet: Fleet) -> None:
    servers = fleet.servers
    sales = [Sale.unnoticed(servers[number % 2], fleet.tables) for number in range(HEARD_LATE + UNHEARD)]
    notices: list[Notice] = [sale.notice() for sale in sales[:HEARD_LATE]]
    in_hand = [Sale.begun(servers[number % 2], fleet.tables) for number in range(4)]
    for sale in in_hand[:2]:
        sale.buyer.call("POST", f"/api/orders/{sale.order_no}/close")
    buyers = [Buyer(servers[number % 2]) for number in range(8)]

    fleet.simulator.stop()
    tried = load(fleet, buyers)
    for server in servers:
        eventually(lambda server=server: due_now(fleet) or left_alone(server) > MISSES)
        assert server.http.get("/readyz").status_code == 200
    for number, notice in enumerate(notices):  # sent by WeChat before it was cut off from us
        assert acknowledged(send(servers[number % 2].port, notice.raw()))
    numbers = [sale.out_trade_no for sale in sales[:HEARD_LATE]]
    booked = {row[0] for row in fleet.tables.rows("SELECT out_trade_no FROM payments")}
    assert set(numbers) <= booked
    waiting = Counter(state for table, _, state in unsettled(fleet.tables) if table == "transactions")
    assert waiting["PREPARED"] + waiting["UNKNOWN"] == LOAD

    fleet.simulator.start()
    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(pay, tried))
    for sale in in_hand[2:]:
        sale.buyer.pay(sale.order_no)
    come_to_rest(fleet)
    states = Counter(row[0] for row in fleet.tables.rows("SELECT state FROM orders"))
    assert states["PAID"] == LOAD + HEARD_LATE + UNHEARD + 2
    assert states == {"PAID": states["PAID"], "CLOSED": 2}
    check_money(fleet.tables, ledger_of(fleet))
