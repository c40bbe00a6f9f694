"""Notifications over real sockets: what they say, how they are judged, when they come again, and made to measure."""

from __future__ import annotations

import json
import threading
import time

import pytest

from simulator.courier import INTERVALS
from tests.simulator.client import JSAPI
from tests.simulator.site import ACK

# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h after one another, 24 h 4 min in all (v2.md 12.3)
SCHEDULE = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600]


def paid_v3(sim, url, **changes):
    order = sim.order_v3(notify_url=url)
    prepay_id = sim.v3("POST", JSAPI, order, **changes).json["prepay_id"]
    assert sim.pay_v3(prepay_id).json == {"errMsg": "requestPayment:ok"}
    return order


def paid_v2(sim, url, sign_type="MD5"):
    order = sim.order_v2(notify_url=url, sign_type=sign_type)
    prepay_id = sim.v2("unifiedorder", order).xml["prepay_id"]
    assert sim.pay_v2(prepay_id, sign_type).json == {"errMsg": "requestPayment:ok"}
    return order


def quiet(sim):
    """The state once nothing is under way; the simulator waits for that itself."""
    state = sim.control("GET", "state?wait=15")
    assert state["in_flight"] == state["due"] == 0
    return state


def test_v3_says_what_was_paid(sim, merchant_site):
    order = paid_v3(sim, merchant_site.answer("/v3", 204))
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    (came,) = merchant_site.at("/v3")
    sim.verify(came.headers, came.body)
    assert came.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    assert abs(int(came.headers["Wechatpay-Timestamp"]) - time.time()) < 100
    envelope = json.loads(came.body)
    assert (envelope["event_type"], envelope["resource_type"]) == ("TRANSACTION.SUCCESS", "encrypt-resource")
    assert (envelope["resource"]["associated_data"], len(envelope["resource"]["nonce"])) == ("transaction", 12)
    transaction = sim.decrypt(came.body)
    assert transaction["out_trade_no"] == order["out_trade_no"]
    assert transaction["amount"] == {"total": 100, "payer_total": 100, "currency": "CNY", "payer_currency": "CNY"}
    assert (transaction["trade_state"], transaction["payer"]) == ("SUCCESS", order["payer"])
    asked = sim.v3("GET", f"/v3/pay/transactions/id/{transaction['transaction_id']}?mchid={sim.merchant['mchid']}")
    assert {k: v for k, v in asked.json.items() if k != "sim_future_key"} == transaction


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_v2_says_what_was_paid(sim, merchant_site, sign_type):
    orders = [paid_v2(sim, merchant_site.answer("/v2", 200, ACK), sign_type) for _ in range(2)]
    for order in orders:
        sim.wait(lambda order=order: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    named = 0
    for came in merchant_site.at("/v2"):
        fields = came.xml
        assert fields.pop("sign") == sim.keyed(fields, sign_type)
        assert (fields["return_code"], fields["result_code"], fields["total_fee"]) == ("SUCCESS", "SUCCESS", "100")
        assert fields["out_trade_no"] in {order["out_trade_no"] for order in orders}
        named += "sign_type" in fields
    assert named == (1 if sign_type == "HMAC-SHA256" else 0)


@pytest.mark.parametrize(
    ("status", "body", "acknowledged"),
    [
        (200, b"", True),
        (204, b"", True),
        (200, b'{"code":"FAIL"}', True),
        (201, b"", False),
        (302, b"", False),
        (401, b"", False),
        (500, b'{"code":"SUCCESS"}', False),
    ],
)
def test_v3_is_judged_by_status(sim, merchant_site, status, body, acknowledged):
    headers = {"Location": merchant_site.url("/elsewhere")} if status == 302 else {}
    order = paid_v3(sim, merchant_site.answer("/judged", status, body, headers))
    sim.wait(lambda: sim.tries(order))
    delivery = sim.delivery(order["out_trade_no"])
    assert delivery["state"] == ("acknowledged" if acknowledged else "waiting")
    assert delivery["tries"][0]["status"] == status
    assert not merchant_site.at("/elsewhere")


@pytest.mark.parametrize(
    ("status", "body", "acknowledged"),
    [
        (200, ACK, True),
        (200, b"<xml><return_code>SUCCESS</return_code></xml>\n", True),
        (500, ACK, False),
        (200, b"SUCCESS", False),
        (200, b"success", False),
        (200, b"", False),
        (204, b"", False),
        (200, b'{"return_code":"SUCCESS"}', False),
        (200, ACK + b"ok", False),
        (200, b"ok" + ACK, False),
        (200, ACK.replace(b"SUCCESS", b"success"), False),
        (200, ACK.replace(b"SUCCESS", b"FAIL"), False),
        (200, b"<!DOCTYPE xml>" + ACK, False),
        (200, b"<html>" + ACK + b"</html>", False),
    ],
)
def test_v2_is_judged_by_its_xml(sim, merchant_site, status, body, acknowledged):
    order = paid_v2(sim, merchant_site.answer("/judged", status, body))
    sim.wait(lambda: sim.tries(order))
    assert sim.delivery(order["out_trade_no"])["state"] == ("acknowledged" if acknowledged else "waiting")


def test_the_schedule(own_sim, merchant_site):
    assert list(INTERVALS) == SCHEDULE
    sim = own_sim()
    order = paid_v3(sim, merchant_site.answer("/no", 500))
    sim.wait(lambda: len(sim.tries(order)) == 1)
    for made, seconds in enumerate(SCHEDULE, 1):
        sim.advance(seconds / 2)
        assert quiet(sim)["pending_deliveries"] == 1
        assert len(sim.tries(order)) == made
        sim.advance(seconds / 2)
        quiet(sim)
        assert len(sim.tries(order)) == made + 1
    assert sim.delivery(order["out_trade_no"])["state"] == "given_up"
    sim.advance(7 * 86400)
    assert quiet(sim)["pending_deliveries"] == 0
    came = merchant_site.at("/no")
    assert len(came) == 16
    assert len({json.loads(one.body)["id"] for one in came}) == 1
    assert len({one.headers["Wechatpay-Signature"] for one in came}) == 16
    for one in came:
        sim.verify(one.headers, one.body)


def test_a_leap_in_time_makes_up_for_every_missed_try_until_it_is_acknowledged(own_sim, merchant_site):
    sim = own_sim()
    order = paid_v3(sim, merchant_site.answer("/late", 503))
    sim.wait(lambda: len(sim.tries(order)) == 1)
    sim.advance(60)
    sim.wait(lambda: len(sim.tries(order)) == 4)
    merchant_site.answer("/late", 200)
    sim.advance(86400)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    assert len(sim.tries(order)) == 5


def test_time_scale_quickens_the_schedule(own_sim, merchant_site):
    sim = own_sim("--time-scale", "100")
    order = paid_v3(sim, merchant_site.answer("/no", 500))
    sim.wait(lambda: len(sim.tries(order)) >= 4)
    assert sim.tries(order)[3]["at"] - sim.delivery(order["out_trade_no"])["first_at"] >= 60
    came = merchant_site.at("/no")
    assert abs(int(came[-1].headers["Wechatpay-Timestamp"]) - time.time()) < 100


def test_nobody_listens(sim):
    order = paid_v3(sim, "http://127.0.0.1:9/closed")
    sim.wait(lambda: sim.tries(order))
    assert sim.tries(order)[0]["status"] == 0
    assert sim.tries(order)[0]["result"] != "acknowledged"


def test_five_seconds_and_no_longer(sim, merchant_site):
    release = threading.Event()

    def slow():
        release.wait(8)
        return 200, {}, b""

    merchant_site.replies["/slow"] = slow
    order = paid_v3(sim, merchant_site.url("/slow"))
    began = time.monotonic()
    try:
        sim.wait(lambda: sim.tries(order))
        assert time.monotonic() - began > 4.5
        assert sim.tries(order)[0]["result"].startswith("no answer within 5 s")
    finally:
        release.set()


def test_other_machines_are_not_notified(sim):
    order = paid_v3(sim, "https://pay.example.test/notify")
    sim.wait(lambda: sim.tries(order))
    assert sim.tries(order)[0]["result"] == "not sent: the address is not on this machine"


def test_which_key_signs(own_sim, merchant_site):
    sim = own_sim()
    public, certificate = sim.merchant["public_key_id"], sim.merchant["platform_serial_no"]
    url = merchant_site.answer("/keys", 200)

    def serials(count, **changes):
        merchant_site.received.clear()
        for _ in range(count):
            paid_v3(sim, url, **changes)
        sim.wait(lambda: len(merchant_site.received) == count)
        return {one.headers["Wechatpay-Serial"] for one in merchant_site.received}

    assert serials(2) == {certificate}
    assert serials(2, headers={"Wechatpay-Serial": public}) == {public}
    for notify_key, expected in [
        ("public_key", {public}),
        ("certificate", {certificate}),
        ("alternate", {public, certificate}),
    ]:
        sim.control("PUT", "keys", {"notify_key": notify_key})
        assert serials(4) == expected
