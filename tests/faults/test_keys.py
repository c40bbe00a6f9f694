"""Keys that change in the middle of a load: WeChat's certificates rotate, a merchant migrates to its public key, an API
key is set anew. No notification is lost, and none makes us ask WeChat anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.verdict import unsettled
from tests.fleet import Fleet
from tests.harness import V2_MD5, V3, Api, Buyer, Server, Simulator
from tests.live import command, merchant
from tests.processes import ROOT, eventually
from tests.sale import SILENCE

KEY = "merchant-key-of-the-migration-0123456789"
NEW_API_KEY = "SIMnew7rTq4ZxWc9LmBv2HsKd8JfPy3N"
ORDERS = 40
SHARES = (0, 0.2, 0.5, 1)  # of the notifications, signed by the public key as the migration goes on (v3.md 7)
# One notification in three is a probe, one in five names a serial that nobody knows; the schedule comes again.
DISTURBED = [
    {"op": "notify*", "fault": "signtest", "probability": 0.3},
    {"op": "notify*", "fault": "wrong_serial", "probability": 0.2},
]


def asked(simulator: Simulator) -> list[str]:
    """What reached WeChat, of the last five hundred exchanges."""
    exchanges = simulator.get("exchanges")["exchanges"]
    phones = ("wx.login", "pay")
    return [exchange["op"] for exchange in exchanges if exchange["direction"] == "in" and exchange["op"] not in phones]


def counted(server: Server, outcome: str) -> float:
    found = re.search(rf'notifications\w*{{[^}}]*"{outcome}"[^}}]*}} ([\d.]+)', server.http.get("/metrics").text)
    return float(found[1]) if found else 0.0


def nothing_due(fleet: Fleet) -> None:
    """The jobs have nothing to ask for an hour: whatever is asked now is asked because of a notification."""
    fleet.settle()
    fleet.tables.change("UPDATE transactions SET ask_at = ask_at + 3600 WHERE ask_at IS NOT NULL")
    fleet.tables.change("UPDATE refunds SET ask_at = ask_at + 3600 WHERE ask_at IS NOT NULL")


def in_hand(fleet: Fleet, buyer: Buyer, orders: int) -> dict[str, dict[str, str]]:
    """So many orders, by number, with what pays them. From here on the jobs are silent."""
    numbers = [buyer.order("latte")["order_no"] for _ in range(orders)]
    payments = {order_no: buyer.prepay(order_no) for order_no in numbers}
    nothing_due(fleet)
    return payments


def pay(buyer: Buyer, payments: list[dict[str, str]]) -> None:
    assert {buyer.cashier(payment) for payment in payments} == {"requestPayment:ok"}


def all_are(buyer: Buyer, payments: dict[str, Any], status: str) -> bool:
    return {buyer.status(order_no) for order_no in payments} == {status}


def sources(fleet: Fleet) -> list[tuple[str, int]]:
    return [tuple(row) for row in fleet.tables.rows("SELECT source, COUNT(*) FROM payments GROUP BY source")]


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

    eventually(heard)


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
        payments = in_hand(fleet, buyer, ORDERS)
        before = asked(simulator)
        simulator.put("faults", {"seed": 9, "rules": DISTURBED})
        for number, payment in enumerate(payments.values()):
            share = SHARES[number * len(SHARES) // ORDERS]
            simulator.put("keys", {"notify_key": "certificate", "notify_share": share, "answer_share": share})
            pay(buyer, [payment])
        until_heard(simulator, fleet)
        assert asked(simulator) == before
        assert sources(fleet) == [("notification", ORDERS)]
        assert all_are(buyer, payments, "paid")
        assert counted(server, "probe") > 0
        assert counted(server, "forged") > 0

        for order_no in payments:
            refund(server, order_no)
        nothing_due(fleet)
        before = asked(simulator)
        until_heard(simulator, fleet)
        assert asked(simulator) == before
        assert all_are(buyer, payments, "partially_refunded")
        assert not [c for c in simulator.get("complaints")["complaints"] if c["code"] == "SIGNATURE_NOT_VERIFIED"]


def newest(simulator: Simulator) -> str:
    """The serial number of the certificate that takes effect last."""
    return str(max(simulator.get("keys")["certificates"], key=lambda each: each["effective_at"])["serial_no"])


def test_a_rotation_under_load(tmp_path: Path, simulator: Simulator) -> None:
    """A new certificate is listed a day before it signs (v3.md 6). One that was never listed is an unknown serial: what
    it signs is refused, counted and makes nobody ask; it comes again, and is taken once the keys were fetched."""
    simulator.put("keys", {"notify_key": "certificate", "new_certificate": {"effective_seconds": 86_400}})
    second = newest(simulator)
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**V3.environ)
        buyer = Buyer(server)
        payments = in_hand(fleet, buyer, ORDERS)
        load, before = list(payments.values()), asked(simulator)
        pay(buyer, load[: ORDERS // 4])
        simulator.put("keys", {"notifications_by": second})
        pay(buyer, load[ORDERS // 4 : ORDERS // 2])
        until = [*payments][: ORDERS // 2]
        eventually(lambda: {buyer.status(order_no) for order_no in until} == {"paid"})
        assert counted(server, "forged") == 0

        simulator.put("keys", {"new_certificate": {"effective_seconds": 86_401}})
        simulator.put("keys", {"notifications_by": newest(simulator)})
        pay(buyer, load[ORDERS // 2 :])
        eventually(lambda: counted(server, "forged") >= ORDERS // 2)
        assert asked(simulator) == before
        assert sources(fleet) == [("notification", ORDERS // 2)]

        server.restart()  # it fetches the keys, as it does every six hours
        until_heard(simulator, fleet)
        assert sources(fleet) == [("notification", ORDERS)]
        assert all_are(buyer, payments, "paid")


@pytest.mark.parametrize("api", [V2_MD5, V3], ids=lambda api: api.name)
def test_another_api_key_under_load(tmp_path: Path, simulator: Simulator, api: Api) -> None:
    """WeChat lets the old key die at once; the server was told of the new one before (docs/operations.md)."""
    old, name = simulator.merchant[f"{api.generation}_api_key"], f"WECHAT_{api.generation.upper()}_API_KEY"
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        environ = merchant(simulator, tmp_path, api, "both" if api is V3 else "none")
        server = fleet.start(**environ, **{f"{name}_OTHER": NEW_API_KEY})
        assert command(server.environ, "catalogue", str(ROOT / "catalogue" / "products.json")).returncode == 0
        buyer = Buyer(server)
        payments = in_hand(fleet, buyer, ORDERS // 2)
        load, before = list(payments.values()), asked(simulator)
        pay(buyer, load[: ORDERS // 4])
        simulator.put("faults", SILENCE)  # what WeChat has to say of these it says with the new key
        pay(buyer, load[ORDERS // 4 :])
        simulator.put("merchant", {f"{api.generation}_api_key": NEW_API_KEY})
        simulator.clear_faults()
        until_heard(simulator, fleet)
        assert asked(simulator) == before
        assert sources(fleet) == [("notification", ORDERS // 2)]
        assert counted(server, "forged") == 0

        for keys in ({name: NEW_API_KEY, f"{name}_OTHER": old}, {f"{name}_OTHER": ""}):
            server.restart(**keys)
            order_no = buyer.order("latte")["order_no"]
            buyer.pay(order_no)
            buyer.becomes(order_no, "paid")
