"""The API of new payments is changed and the server restarted while fifty orders are at every stage: all end right,
none twice, and what was begun through one API is finished through it (issue 2, "What must be shown" 8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import Fleet
from tests.harness import V2_HMAC, V2_MD5, V3, Api, Buyer, Server, Simulator
from tests.processes import eventually
from tests.sale import SILENCE

EACH = 10
STAGES = ("created", "prepaid", "paid", "unknown", "closing")
SWITCHES = [
    ("sqlite", V2_MD5, V3),
    ("mariadb", V2_MD5, V3),
    ("mariadb", V3, V2_HMAC),
    ("sqlite", V2_MD5, V2_HMAC),
]


@pytest.fixture(params=SWITCHES, ids=lambda case: f"{case[0]}-{case[1].name}-to-{case[2].name}")
def switch(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[tuple[Fleet, Api, Api]]:
    kind, before, after = request.param
    url = request.getfixturevalue("mariadb").create() if kind == "mariadb" else f"sqlite:///{tmp_path / 'pay.db'}"
    with Fleet(tmp_path, simulator, url) as fleet:
        yield fleet, before, after


class Shop:
    """One buyer and fifty orders, ten at each stage."""

    def __init__(self, server: Server, api: Api) -> None:
        self.buyer = Buyer(server)
        self.simulator = server.simulator
        self.simulator.put("faults", SILENCE)
        made = [self.buyer.order("latte")["order_no"] for _ in range(EACH * len(STAGES))]
        self.orders = {stage: made[index :: len(STAGES)] for index, stage in enumerate(STAGES)}
        self.in_hand = {number: self.buyer.prepay(number) for stage in STAGES[1:3] for number in self.orders[stage]}
        for number in self.orders["paid"]:
            assert self.buyer.cashier(self.in_hand[number]) == "requestPayment:ok"
        for number in self.orders["closing"]:
            self.buyer.prepay(number)
        self._stuck(api)

    def _stuck(self, api: Api) -> None:
        """Prepay answers are lost after WeChat has acted; closes do not get through."""
        lost = {"op": f"{api.generation}.prepay", "fault": "drop_reply_after_commit"}
        away = {"op": f"{api.generation}.close", "fault": "http_500_before"}
        self.simulator.put("faults", [*SILENCE, lost, away])
        for number in self.orders["unknown"]:
            assert self.buyer.call("POST", f"/api/orders/{number}/pay").status_code == 503
        for number in self.orders["closing"]:
            assert self.buyer.call("POST", f"/api/orders/{number}/close").json()["status"] == "pending"

    def finish(self, fleet: Fleet) -> None:
        """What the buyer, WeChat and the jobs do once the server is back."""
        self.simulator.clear_faults()
        # v2 is closed five minutes after the order, and the jobs come again after one: nobody waits that long here.
        fleet.tables.change("UPDATE transactions SET created_at = created_at - 301, ask_at = 1 WHERE state = 'CLOSING'")
        self.simulator.post("clock", advance_seconds=15)  # the schedule's next try of what was never delivered
        for number in self.orders["created"] + self.orders["unknown"]:
            self.buyer.pay(number)
        for index, number in enumerate(self.orders["prepaid"]):
            again = self.buyer.prepay(number) if index % 2 else self.in_hand[number]
            assert again["package"] == self.in_hand[number]["package"]
            assert self.buyer.cashier(again) == "requestPayment:ok"

    def statuses(self) -> dict[str, set[str]]:
        listed = self.buyer.call("GET", "/api/orders").json()["orders"]  # all fifty: the list is that long
        found = {order["order_no"]: order["status"] for order in listed}
        return {stage: {found[number] for number in numbers} for stage, numbers in self.orders.items()}


def attempts(fleet: Fleet, orders: list[str]) -> set[tuple[str, str, str]]:
    """Adapter, signature and state of every attempt of these orders."""
    joined = "transactions t JOIN orders o ON o.id = t.order_id"
    numbers = ", ".join(f"'{number}'" for number in orders)
    return set(fleet.tables.rows(f"SELECT t.adapter, t.scheme, t.state FROM {joined} WHERE o.order_no IN ({numbers})"))


def test_fifty_orders_at_every_stage_survive_a_switch(switch: tuple[Fleet, Api, Api]) -> None:
    fleet, before, after = switch
    old, new = (before.adapter, scheme(before)), (after.adapter, scheme(after))
    server = fleet.start(**before.environ)
    shop = Shop(server, before)
    assert attempts(fleet, shop.orders["unknown"]) == {(*old, "UNKNOWN")}
    server.restart(**after.environ)
    shop.finish(fleet)

    ends = {stage: {"closed" if stage == "closing" else "paid"} for stage in STAGES}
    eventually(lambda: shop.statuses() == ends)
    assert attempts(fleet, shop.orders["created"]) == {(*new, "PAID")}
    for stage in ("prepaid", "paid", "unknown"):
        assert attempts(fleet, shop.orders[stage]) == {(*old, "PAID")}
    assert attempts(fleet, shop.orders["closing"]) == {(*old, "CLOSED")}

    numbers = {row[0] for row in fleet.tables.rows("SELECT out_trade_no FROM transactions")}
    assert len(numbers) == 50  # not one attempt was made a second time
    paid = [p for p in shop.simulator.get("ledger")["payments"] if p["out_trade_no"] in numbers]
    assert len(paid) == 40
    assert fleet.tables.rows("SELECT disposition, COUNT(*) FROM payments GROUP BY disposition") == [("APPLIED", 40)]
    assert fleet.tables.one("SELECT COUNT(*) FROM outbox") == 40
    assert fleet.tables.rows("SELECT kind FROM discrepancies") == []

    later = shop.buyer.order("latte")["order_no"]
    shop.buyer.pay(later)
    shop.buyer.becomes(later, "paid")
    assert attempts(fleet, [later]) == {(*new, "PAID")}


def scheme(api: Api) -> str:
    return "RSA" if api is V3 else api.sign_type
