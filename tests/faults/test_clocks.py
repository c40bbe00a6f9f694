"""A clock ten minutes wrong, in zones where it is another day (money.md F60): it is said at once, nothing is believed
that should not be, and once it is right again polling finds what every refused notification would have told.

With v3 nothing else is possible meanwhile: our requests and WeChat's answers are dated too. v2 dates neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.crowd import due_now, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Api, Buyer, Server, Simulator
from tests.live import command

AHEAD, BEHIND = 600, -600
CASES = [
    (V3, AHEAD, "America/New_York"),
    (V3, BEHIND, "UTC"),
    (V2_HMAC, AHEAD, "UTC"),
    (V2_HMAC, BEHIND, "America/New_York"),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].name}{case[1]:+d}-{case[2]}")
def case(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[tuple[Fleet, Api, int]]:
    """A server in some zone, and by how much WeChat's clock will be ahead of ours."""
    api, skew, zone = request.param
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        fleet.start(TZ=zone, **api.environ)
        fleet.expect_log("our clock is", "not acknowledged", "job=.* put off")
        fleet.settle()
        yield fleet, api, skew
    simulator.post("clock", advance_seconds=0, wire_skew_seconds=0)


def skew_seen(server: Server) -> float:
    """As the gateway's answers say; not those from v2's other address, which was asked before."""
    host = server.simulator.url.removeprefix("http://")
    found = re.search(rf'pay_clock_skew_seconds{{host="{host}"}} (\S+)', server.http.get("/metrics").text)
    assert found
    return float(found[1])


def test_a_clock_that_is_ten_minutes_wrong(case: tuple[Fleet, Api, int]) -> None:
    fleet, api, skew = case
    server = fleet.servers[0]
    buyer = Buyer(server)
    orders = [buyer.order("latte")["order_no"] for _ in range(3)]
    in_hand = [buyer.prepay(order_no) for order_no in orders]
    fleet.simulator.post("clock", advance_seconds=0, wire_skew_seconds=skew)
    for payment in in_hand:
        assert buyer.cashier(payment) == "requestPayment:ok"
    Buyer(server)  # a login shows the Date whatever else is asked
    synced = [buyer.call("POST", f"/api/orders/{order_no}/sync").status_code for order_no in orders]
    if api is V3:
        assert set(synced) <= {502, 503}
        assert fleet.tables.rows("SELECT * FROM payments") == []
    assert abs(skew_seen(server) + skew) < 30
    assert f"our clock is {'-' if skew > 0 else '+'}" in server.process.text()
    assert server.http.get("/healthz").status_code == 200
    unfit = server.http.get("/readyz")
    assert (unfit.status_code, "s from WeChat's" in unfit.text) == (503, True)
    if api is V3:
        told = command(server.environ, "doctor")
        assert (told.returncode, "FAIL  wechat_v3 clock" in told.stdout) == (1, True), told.stdout

    fleet.simulator.post("clock", advance_seconds=0, wire_skew_seconds=0)
    due_now(fleet)
    for order_no in orders:
        buyer.becomes(order_no, "paid")
    Buyer(server)
    assert server.http.get("/readyz").status_code == 200
    if api is V3:
        assert fleet.tables.rows("SELECT DISTINCT source FROM payments") == [("query",)]
    paid = fleet.tables.rows("SELECT p.paid_at - o.created_at FROM payments p JOIN orders o ON o.id = p.order_id")
    behind = fleet.simulator.get("clock")["now"] - buyer_time(fleet)
    assert all(-5 <= seconds - behind <= 120 for (seconds,) in paid), paid  # whatever zone either of us is in
    check_money(fleet.tables, ledger_of(fleet))


def buyer_time(fleet: Fleet) -> int:
    """Our clock, as the newest row has it: other tests have moved the simulator's days ahead."""
    return int(fleet.tables.one("SELECT MAX(at) FROM state_log"))
