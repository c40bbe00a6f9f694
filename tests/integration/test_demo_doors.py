"""The demo page's own doors: the API of one payment, and a refund without the merchant's key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import Fleet
from tests.harness import V3, Buyer, Simulator


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, shared_simulator: Simulator) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("demo")
    with Fleet(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        fleet.start(**V3.environ)
        yield fleet


@pytest.mark.parametrize(
    ("scheme", "adapter"), [("RSA", "wechat_v3"), ("MD5", "wechat_v2"), ("HMAC-SHA256", "wechat_v2")]
)
def test_one_payment_by_the_scheme_that_was_chosen_and_its_refund(fleet: Fleet, scheme: str, adapter: str) -> None:
    buyer = Buyer(fleet.servers[0])
    order_no = buyer.order("latte")["order_no"]
    early = buyer.call("POST", f"/demo/orders/{order_no}/refunds")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "order_not_paid")
    chosen = {"X-Demo-Scheme": scheme}
    parameters = buyer.call("POST", f"/api/orders/{order_no}/pay", headers=chosen).json()
    again = buyer.call("POST", f"/api/orders/{order_no}/pay", headers={"X-Demo-Scheme": "RSA"}).json()
    assert (parameters["signType"], again["signType"]) == (scheme, scheme), "an attempt keeps what made it"
    made = "SELECT t.adapter, t.scheme FROM transactions t JOIN orders o ON o.id = t.order_id WHERE o.order_no = '{}'"
    assert fleet.tables.rows(made.format(order_no)) == [(adapter, scheme)]
    assert buyer.cashier(parameters) == "requestPayment:ok"
    buyer.becomes(order_no, "paid")
    assert Buyer(fleet.servers[0]).call("POST", f"/demo/orders/{order_no}/refunds").status_code == 404
    asked = buyer.call("POST", f"/demo/orders/{order_no}/refunds")
    assert (asked.status_code, asked.json()["amount_fen"]) == (201, 2800)
    buyer.becomes(order_no, "refunded")


def test_a_scheme_that_nobody_knows_is_named(fleet: Fleet) -> None:
    buyer = Buyer(fleet.servers[0])
    path = f"/api/orders/{buyer.order('latte')['order_no']}/pay"
    refused = buyer.call("POST", path, headers={"X-Demo-Scheme": "SHA-1"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "X-Demo-Scheme")
    assert buyer.call("POST", path).json()["signType"] == "RSA", "without a wish, as configured"
