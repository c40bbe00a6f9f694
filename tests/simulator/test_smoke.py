"""The whole way once in each generation: order, pay, query, notification, close."""

from __future__ import annotations

import pytest

V2_ACK = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_v2(sim, merchant_site, sign_type):
    order = sim.order_v2(notify_url=merchant_site.answer("/v2", 200, V2_ACK), sign_type=sign_type)
    made = sim.v2("unifiedorder", order).xml
    assert made["result_code"] == "SUCCESS", made
    assert made["sign"] == sim.keyed({k: v for k, v in made.items() if k != "sign"}, sign_type)
    assert sim.pay_v2(made["prepay_id"], sign_type).json == {"errMsg": "requestPayment:ok"}
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    asked = sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml
    assert asked["trade_state"] == "SUCCESS"


def test_v3(sim, merchant_site):
    order = sim.order_v3(notify_url=merchant_site.answer("/v3", 204))
    made = sim.v3("POST", "/v3/pay/transactions/jsapi", order)
    assert made.status == 200, made
    sim.verify(made.headers, made.body)
    assert sim.pay_v3(made.json["prepay_id"]).json == {"errMsg": "requestPayment:ok"}
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    came = merchant_site.at("/v3")[0]
    sim.verify(came.headers, came.body)
    assert sim.decrypt(came.body)["amount"]["total"] == 100
    url = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}?mchid={sim.merchant['mchid']}"
    asked = sim.v3("GET", url)
    sim.verify(asked.headers, asked.body)
    assert asked.json["trade_state"] == "SUCCESS"
    other = sim.order_v3()
    sim.v3("POST", "/v3/pay/transactions/jsapi", other)
    closed = sim.v3(
        "POST", f"/v3/pay/transactions/out-trade-no/{other['out_trade_no']}/close", {"mchid": sim.merchant["mchid"]}
    )
    assert closed.status == 204
    sim.verify(closed.headers, b"")
