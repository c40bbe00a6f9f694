"""Refunds over real sockets, on each database, each API: held first, sent once, never more than was paid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.databases import Tables
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Buyer, Server, Simulator
from tests.processes import eventually

KEY = "merchant-key-of-the-tests-0123456789abcdef"


@pytest.fixture(scope="module")
def fleet(each_database: str, shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One server for each API, on one database of each kind. How v2 signs makes no difference here."""
    with Fleet(tmp_path_factory.mktemp("refunds"), shared_simulator, each_database) as fleet:
        for api in (V2_HMAC, V3):
            fleet.start(MERCHANT_API_KEY=KEY, **api.environ)
        yield fleet


@pytest.fixture(params=[0, 1], ids=[V2_HMAC.name, V3.name])
def server(request: pytest.FixtureRequest, fleet: Fleet, simulator: Simulator) -> Server:
    return fleet.servers[request.param]


@pytest.fixture
def tables(fleet: Fleet) -> Tables:
    return fleet.tables


def refund(server: Server, order_no: str, amount_fen: int, *, key: str = KEY, **more: Any) -> httpx.Response:
    body = {"amount_fen": amount_fen, "reason": "不想要了", **more}
    headers = {"Authorization": f"Bearer {key}"}
    return server.http.post(f"/merchant/orders/{order_no}/refunds", json=body, headers=headers)


def refunds(server: Server, order_no: str) -> list[dict[str, Any]]:
    reply = server.http.get(f"/merchant/orders/{order_no}/refunds", headers={"Authorization": f"Bearer {KEY}"})
    return list(reply.json()["refunds"])


def paid_order(server: Server) -> tuple[Buyer, dict[str, Any]]:
    buyer = Buyer(server)
    order = buyer.order()
    buyer.pay(order["order_no"])
    buyer.becomes(order["order_no"], "paid")
    return buyer, order


def finish(server: Server, order_no: str) -> None:
    """WeChat's side done, told, and known here."""
    server.simulator.post("clock", advance_seconds=10)
    eventually(lambda: all(row["status"] == "success" for row in refunds(server, order_no)))


def test_a_whole_refund(server: Server, tables: Tables) -> None:
    buyer, order = paid_order(server)
    made = refund(server, order["order_no"], order["amount_fen"], refund_no="R-1")
    assert made.status_code == 201, made.text
    assert made.json()["status"] in ("pending", "processing", "success")
    finish(server, order["order_no"])
    buyer.becomes(order["order_no"], "refunded")
    assert buyer.read(order["order_no"])["refunded_fen"] == order["amount_fen"]
    left = "p.held_fen - p.amount_fen, p.refunded_fen - p.amount_fen FROM payments p JOIN orders o ON o.id = p.order_id"
    assert tables.rows(f"SELECT {left} WHERE o.order_no = '{order['order_no']}'") == [(0, 0)]


def test_a_part_then_too_much(server: Server) -> None:
    buyer, order = paid_order(server)
    assert refund(server, order["order_no"], 100).status_code == 201
    finish(server, order["order_no"])
    buyer.becomes(order["order_no"], "partially_refunded")
    more = refund(server, order["order_no"], order["amount_fen"])
    assert (more.status_code, more.json()["error"]["code"]) == (409, "refund_exceeds_payment")


def test_the_same_number_is_the_same_refund(server: Server) -> None:
    _, order = paid_order(server)
    first = refund(server, order["order_no"], 100, refund_no="R-2")
    again = refund(server, order["order_no"], 100, refund_no="R-2")
    other = refund(server, order["order_no"], 200, refund_no="R-2")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["out_refund_no"] == again.json()["out_refund_no"]
    assert len(refunds(server, order["order_no"])) == 1
    finish(server, order["order_no"])


def test_an_unpaid_order_and_a_wrong_key(server: Server) -> None:
    order_no = Buyer(server).order()["order_no"]
    assert refund(server, order_no, 100).json()["error"]["code"] == "order_not_paid"
    assert refund(server, "MP000000NOBODY", 100).status_code == 404
    assert refund(server, order_no, 100, key="wrong").status_code == 401
    assert refund(server, order_no, 100, openid="o").status_code == 400
    assert refund(server, order_no, 0).status_code == 400
