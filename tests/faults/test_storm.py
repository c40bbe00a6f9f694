"""Two hundred orders while three gateway answers in ten are lost, cut, late or tampered with, and for forty of them not
one notification arrives. When the faults stop all come to rest within one cycle: none paid twice, none lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.verdict import Known, attempts, check_money, unsettled
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Buyer, Server, Simulator, eventually
from tests.sale import SILENCE

KEY = "merchant-key-of-the-storm-0123456789abcdef"
ORDERS, UNHEARD = 200, 40
EACH = 0.05  # seven faults, one after the other: 1 - 0.95^7 = 30 % of answers
FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "drop_reply_after_commit"},
    {"fault": "drop_before"},
    {"fault": "truncate"},
    {"fault": "tamper"},
    {"fault": "bad_signature"},
    {"fault": "http_500_after"},
    {"fault": "delay", "seconds": 0.3},
)
TOO_LATE = {"op": "v[23].*", "fault": "delay", "seconds": 5.5, "count": 4, "skip": 50}  # our patience is 5 s
STORM = [TOO_LATE, *({"op": "v[23].*", "probability": EACH, **fault} for fault in FAULTS)]
ENDS = ("paid", "paid", "paid", "paid", "closed", "refunded", "partially_refunded")


@pytest.fixture(params=["sqlite", "mariadb"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[Fleet]:
    """Two servers on one database, one for new payments through each generation."""
    mariadb = request.param == "mariadb"
    url = request.getfixturevalue("mariadb").create() if mariadb else f"sqlite:///{tmp_path / 'pay.db'}"
    with Fleet(tmp_path, simulator, url) as fleet:
        for api in (V2_HMAC, V3):
            fleet.start(MERCHANT_API_KEY=KEY, **api.environ)
        yield fleet


def live(server: Server, end: str) -> tuple[Buyer, str]:
    """One order as far as it gets: paid, given up, or paid and refunded. Who is told to try again tries again."""
    buyer = Buyer(server)
    order_no = buyer.order("latte")["order_no"]
    for _ in range(20):
        reply = buyer.call("POST", f"/api/orders/{order_no}/pay")
        if reply.status_code == 200:
            break
        assert reply.status_code in (502, 503), reply.text
    if end == "closed":
        buyer.call("POST", f"/api/orders/{order_no}/close")
    else:
        assert buyer.cashier(reply.json()) == "requestPayment:ok"
    return buyer, order_no


def give_back(server: Server, order_no: str, end: str) -> bool:
    """Ask for a refund; False while the payment is not known yet."""
    body = {"amount_fen": 2800 if end == "refunded" else 1000, "reason": "storm"}
    headers = {"Authorization": f"Bearer {KEY}"}
    reply = server.http.post(f"/merchant/orders/{order_no}/refunds", json=body, headers=headers)
    assert reply.status_code in (201, 409), reply.text
    return reply.status_code == 201


def strikes(simulator: Simulator) -> int:
    """Answers that the plan has spoiled so far."""
    return sum(rule["struck"] for rule in simulator.get("faults")["rules"] if rule["op"] != "notify*")


def due_now(fleet: Fleet) -> None:
    """What a test cannot wait for: five minutes before v2 closes, a minute between questions."""
    fleet.tables.change("UPDATE transactions SET created_at = created_at - 301 WHERE state = 'CLOSING'")
    fleet.tables.change("UPDATE transactions SET ask_at = 1 WHERE state NOT IN ('PAID', 'CLOSED')")
    fleet.tables.change("UPDATE refunds SET ask_at = 1 WHERE ask_at IS NOT NULL")


def test_two_hundred_orders_in_a_storm(fleet: Fleet, simulator: Simulator) -> None:
    dice = random.Random(4)
    ends = [dice.choice(ENDS) for _ in range(ORDERS)]
    servers = [fleet.servers[number % 2] for number in range(ORDERS)]
    simulator.put("faults", {"seed": 4, "rules": STORM})
    with ThreadPoolExecutor(16) as crowd:
        begun = list(crowd.map(live, servers[UNHEARD:], ends[UNHEARD:]))
        struck = strikes(simulator)
        simulator.put("faults", {"seed": 5, "rules": [*SILENCE, *STORM]})
        begun = [*crowd.map(live, servers[:UNHEARD], ends[:UNHEARD]), *begun]
        wanted = [(servers[n], begun[n][1], ends[n]) for n in range(ORDERS) if "refunded" in ends[n]]

        def all_given_back() -> bool:
            done = list(crowd.map(lambda one: give_back(*one), wanted))
            wanted[:] = [one for one, accepted in zip(wanted, done, strict=True) if not accepted]
            if wanted:
                due_now(fleet)
            return not wanted

        eventually(all_given_back, 20, 2.2)
    struck += strikes(simulator)
    assert struck > 3 * ORDERS // 10  # of at least one answer an order

    simulator.put("faults", SILENCE)  # answers are true again; still nothing is heard of unless it is asked about
    simulator.post("clock", advance_seconds=5)  # refunds are through at WeChat
    due_now(fleet)
    eventually(lambda: not unsettled(fleet.tables) or due_now(fleet), 20, 2.5)

    states = [buyer.status(order_no) for buyer, order_no in begun]
    assert states == ends
    numbers = attempts(fleet.tables)
    assert len(numbers) == ORDERS  # no second out_trade_no for any order
    ledger = simulator.get("ledger")
    known = {kind: [row for row in ledger[kind] if row["out_trade_no"] in set(numbers)] for kind in Known.KINDS}
    check_money(fleet.tables, known)
