"""Sixty-four racers for the money of one payment, through two processes on one database: what is given back is what was
paid, to the fen, round after round (money.md part 5, "Refund racers")."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Buyer, Simulator
from tests.processes import eventually
from tests.wire import request, send_all

KEY = "merchant-key-of-the-racers-0123456789abcdef"
RACERS, ROUNDS = 64, 20
TO_THE_END = 5  # rounds that go on until nothing is left
LOGIN = ("Authorization", f"Bearer {KEY}")


@pytest.fixture
def fleet(database_url: str, tmp_path: Path, simulator: Simulator) -> Iterator[Fleet]:
    """Two servers, one for new payments through each generation."""
    with Fleet(tmp_path, simulator, database_url) as fleet:
        for api in (V2_HMAC, V3):
            fleet.start(MERCHANT_API_KEY=KEY, **api.environ)
        yield fleet


def race(fleet: Fleet, order_no: str, amount_fen: int) -> Counter[int]:
    """The answers to as many equal requests, half of them through each process, at once."""
    body = json.dumps({"amount_fen": amount_fen, "reason": "race"}).encode()
    asked = request("POST", f"/merchant/orders/{order_no}/refunds", [LOGIN], body)
    ports = [server.port for server in fleet.servers]
    return Counter(answer.status for answer in send_all(ports, [asked] * RACERS, RACERS))


def paid_orders(fleet: Fleet) -> list[tuple[str, int]]:
    """Number and amount, half of them bought through each process."""
    buyers = [Buyer(server) for server in fleet.servers]
    made = []
    for number in range(ROUNDS):
        buyer = buyers[number % 2]
        order = buyer.order("latte")
        buyer.pay(order["order_no"])
        made.append((order["order_no"], order["amount_fen"]))
    eventually(lambda: fleet.tables.one("SELECT COUNT(*) FROM orders WHERE state = 'PAID'") == ROUNDS)
    return made


def test_what_is_paid_is_given_back_once(fleet: Fleet) -> None:
    """60 of 100: exactly one of 64 wins. 10 each of the 40 that are left: exactly four do, and nothing is left."""
    orders = paid_orders(fleet)
    for order_no, amount in orders:
        assert race(fleet, order_no, amount * 6 // 10) == {201: 1, 409: RACERS - 1}
    for order_no, amount in orders[:TO_THE_END]:
        assert race(fleet, order_no, amount // 10) == {201: 4, 409: RACERS - 4}
    left = fleet.tables.rows("SELECT 10 * (amount_fen - held_fen) / amount_fen, external_fen FROM payments")
    kept = Counter((int(tenths), external) for tenths, external in left)
    assert kept == {(0, 0): TO_THE_END, (4, 0): ROUNDS - TO_THE_END}
    sent = Counter(refund["out_trade_no"] for refund in fleet.simulator.get("ledger")["refunds"])
    numbers = [row[0] for row in fleet.tables.rows("SELECT out_trade_no FROM transactions")]
    assert {number: sent[number] for number in numbers} == dict.fromkeys(numbers, 1)  # the others wait a minute
