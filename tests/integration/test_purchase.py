"""A whole purchase over real sockets, on each database, through each API generation."""

from __future__ import annotations

import pytest

from tests.fleet import Trio
from tests.harness import Api, Buyer, Server, Simulator


@pytest.fixture
def server(trio: Trio, api: Api, simulator: Simulator) -> Server:
    return trio[api.name]


def test_a_purchase_from_login_to_paid(server: Server, trio: Trio) -> None:
    buyer = Buyer(server)
    order = buyer.order(quantity=2)
    assert order["status"] == "pending"
    assert order["amount_fen"] == 2 * order["items"][0]["price_fen"]
    buyer.pay(order["order_no"])
    buyer.becomes(order["order_no"], "paid")
    paid = buyer.read(order["order_no"])
    assert paid["paid_at"] is not None
    this = f"JOIN orders o ON o.id = order_id WHERE o.order_no = '{order['order_no']}'"
    assert trio.tables.rows(f"SELECT p.disposition, p.source, p.amount_fen FROM payments p {this}") == [
        ("APPLIED", "notification", order["amount_fen"])
    ]
    assert trio.tables.rows(f"SELECT x.kind FROM outbox x {this}") == [("FULFIL",)]


def test_a_cancelled_cashier_leaves_the_order_payable(server: Server) -> None:
    buyer = Buyer(server)
    number = buyer.order()["order_no"]
    first = buyer.prepay(number)
    assert buyer.cashier(first, "cancel") == "requestPayment:fail cancel"
    assert buyer.status(number) == "pending"
    again = buyer.prepay(number)
    assert again["package"] == first["package"]
    assert again["paySign"] != first["paySign"]
    assert buyer.cashier(again) == "requestPayment:ok"
    buyer.becomes(number, "paid")
