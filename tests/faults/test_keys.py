"""WeChat's migration from platform certificates to its public key, in the middle of a load: notifications signed with
either arrive mixed, probes and unknown serial numbers in between. None is lost, and none makes us ask anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.verdict import unsettled
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Simulator, eventually

KEY = "merchant-key-of-the-migration-0123456789"
ORDERS = 40
MIGRATION = ("certificate", "alternate", "public_key", "alternate")
# One notification in three is a probe, one in five names a serial that nobody knows; the schedule comes again.
DISTURBED = [
    {"op": "notify*", "fault": "signtest", "probability": 0.3},
    {"op": "notify*", "fault": "wrong_serial", "probability": 0.2},
]


def asked(simulator: Simulator) -> list[str]:
    """What reached WeChat, of the last five hundred exchanges."""
    exchanges = simulator.get("exchanges")["exchanges"]
    return [exchange["op"] for exchange in exchanges if exchange["direction"] == "in" and exchange["op"] != "pay"]


def counted(server: Server, outcome: str) -> float:
    found = re.search(rf'notifications\w*{{[^}}]*"{outcome}"[^}}]*}} ([\d.]+)', server.http.get("/metrics").text)
    return float(found[1]) if found else 0.0


def nothing_due(fleet: Fleet) -> None:
    """The jobs have nothing to ask for an hour: whatever is asked now is asked because of a notification."""
    fleet.tables.change("UPDATE transactions SET ask_at = ask_at + 3600 WHERE ask_at IS NOT NULL")
    fleet.tables.change("UPDATE refunds SET ask_at = ask_at + 3600 WHERE ask_at IS NOT NULL")


def refund(server: Server, order_no: str) -> None:
    body: dict[str, Any] = {"amount_fen": 100, "reason": "migration"}
    headers = {"Authorization": f"Bearer {KEY}"}
    assert server.http.post(f"/merchant/orders/{order_no}/refunds", json=body, headers=headers).status_code == 201


def until_heard(simulator: Simulator, fleet: Fleet) -> None:
    """WeChat comes again after 15 s, 15 s, 30 s ...: time goes on until it need not."""

    def heard() -> bool:
        simulator.post("clock", advance_seconds=200)
        eventually(simulator.quiet)
        return not unsettled(fleet.tables)

    eventually(heard, 20)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """One of this test's own: it remembers five hundred exchanges, and other tests' are not to be among them."""
    simulator = Simulator(tmp_path)
    yield simulator
    simulator.close()


def test_a_migration_under_load(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(MERCHANT_API_KEY=KEY, **V3.environ)
        buyer = Buyer(server)
        orders = [buyer.order("latte")["order_no"] for _ in range(ORDERS)]
        in_hand = [buyer.prepay(order_no) for order_no in orders]
        nothing_due(fleet)
        before = asked(simulator)
        simulator.put("faults", {"seed": 9, "rules": DISTURBED})
        for number, payment in enumerate(in_hand):
            simulator.put("keys", {"notify_key": MIGRATION[number * len(MIGRATION) // ORDERS]})
            assert buyer.cashier(payment) == "requestPayment:ok"
        until_heard(simulator, fleet)
        assert asked(simulator) == before
        assert fleet.tables.rows("SELECT source, COUNT(*) FROM payments GROUP BY source") == [("notification", ORDERS)]
        assert {buyer.status(order_no) for order_no in orders} == {"paid"}
        assert counted(server, "probe") > 0
        assert counted(server, "forged") > 0

        for order_no in orders:
            refund(server, order_no)
        nothing_due(fleet)
        before = asked(simulator)
        until_heard(simulator, fleet)
        assert asked(simulator) == before
        assert {buyer.status(order_no) for order_no in orders} == {"partially_refunded"}
        assert not [c for c in simulator.get("complaints")["complaints"] if c["code"] == "SIGNATURE_NOT_VERIFIED"]
