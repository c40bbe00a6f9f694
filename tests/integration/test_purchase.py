"""A whole purchase over real sockets, on each database, through each API generation."""

from __future__ import annotations

from tests.databases import Tables
from tests.harness import Buyer, Server


def test_a_purchase_from_login_to_paid(server: Server, tables: Tables) -> None:
    buyer = Buyer(server)
    order = buyer.order(quantity=2)
    assert order["status"] == "pending"
    assert order["amount_fen"] == 2 * order["items"][0]["price_fen"]
    buyer.pay(order["order_no"])
    buyer.becomes(order["order_no"], "paid")
    paid = buyer.read(order["order_no"])
    assert paid["paid_at"] is not None
    assert tables.rows("SELECT disposition, source, amount_fen FROM payments") == [
        ("APPLIED", "notification", order["amount_fen"])
    ]
    assert tables.rows("SELECT kind FROM outbox") == [("FULFIL",)]


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
