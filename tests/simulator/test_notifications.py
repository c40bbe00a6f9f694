"""Notifications over real sockets: what they say, how they are judged, when they come again, and made to measure."""

from __future__ import annotations

import json
import threading
import time

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag

JSAPI = "/v3/pay/transactions/jsapi"
ACK = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
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


def tries(sim, order):
    return sim.delivery(order["out_trade_no"])["tries"]


def quiet(sim):
    state = sim.control("GET", "state")
    return state["in_flight"] == state["due"] == 0 and state


def test_v3_says_what_was_paid(sim, merchant_site):
    order = paid_v3(sim, merchant_site.answer("/v3", 204))
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    (came,) = merchant_site.at("/v3")
    sim.verify(came.headers, came.body)
    assert came.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    assert abs(int(came.headers["Wechatpay-Timestamp"]) - time.time()) < 5
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
    sim.wait(lambda: tries(sim, order))
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
    sim.wait(lambda: tries(sim, order))
    assert sim.delivery(order["out_trade_no"])["state"] == ("acknowledged" if acknowledged else "waiting")


def test_the_schedule(own_sim, merchant_site):
    sim = own_sim()
    order = paid_v3(sim, merchant_site.answer("/no", 500))
    sim.wait(lambda: len(tries(sim, order)) == 1)
    for made, seconds in enumerate(SCHEDULE, 1):
        sim.advance(seconds - 2)
        assert sim.wait(lambda: quiet(sim))["pending_deliveries"] == 1
        assert len(tries(sim, order)) == made
        sim.advance(2)
        sim.wait(lambda made=made: len(tries(sim, order)) == made + 1)
    assert sim.delivery(order["out_trade_no"])["state"] == "given_up"
    sim.advance(7 * 86400)
    assert sim.wait(lambda: quiet(sim))["pending_deliveries"] == 0
    came = merchant_site.at("/no")
    assert len(came) == 16
    assert len({json.loads(one.body)["id"] for one in came}) == 1
    assert len({one.headers["Wechatpay-Signature"] for one in came}) == 16
    for one in came:
        sim.verify(one.headers, one.body)


def test_a_leap_in_time_makes_up_for_every_missed_try_until_it_is_acknowledged(own_sim, merchant_site):
    sim = own_sim()
    order = paid_v3(sim, merchant_site.answer("/late", 503))
    sim.wait(lambda: len(tries(sim, order)) == 1)
    sim.advance(60)
    sim.wait(lambda: len(tries(sim, order)) == 4)
    merchant_site.answer("/late", 200)
    sim.advance(86400)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    assert len(tries(sim, order)) == 5


def test_time_scale_quickens_the_schedule(own_sim, merchant_site):
    sim = own_sim("--time-scale", "100")
    order = paid_v3(sim, merchant_site.answer("/no", 500))
    sim.wait(lambda: len(tries(sim, order)) >= 4)
    assert tries(sim, order)[3]["at"] - sim.delivery(order["out_trade_no"])["first_at"] >= 60
    came = merchant_site.at("/no")
    assert abs(int(came[-1].headers["Wechatpay-Timestamp"]) - time.time()) < 5


def test_nobody_listens(sim):
    order = paid_v3(sim, "http://127.0.0.1:9/closed")
    sim.wait(lambda: tries(sim, order))
    assert tries(sim, order)[0]["status"] == 0
    assert tries(sim, order)[0]["result"] != "acknowledged"


def test_five_seconds_and_no_longer(sim, merchant_site):
    release = threading.Event()

    def slow():
        release.wait(8)
        return 200, {}, b""

    merchant_site.replies["/slow"] = slow
    order = paid_v3(sim, merchant_site.url("/slow"))
    began = time.monotonic()
    try:
        sim.wait(lambda: tries(sim, order))
        assert 4.5 < time.monotonic() - began < 6.5
        assert tries(sim, order)[0]["result"].startswith("no answer within 5 s")
    finally:
        release.set()


def test_other_machines_are_not_notified(sim):
    order = paid_v3(sim, "https://pay.example.test/notify")
    sim.wait(lambda: tries(sim, order))
    assert tries(sim, order)[0]["result"] == "not sent: the address is not on this machine"


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


def test_faults_of_notifications(own_sim, merchant_site):
    sim = own_sim()
    url = merchant_site.answer("/f", 204)
    expected = {
        "unsigned": KeyError,
        "bad_signature": InvalidSignature,
        "signtest": Exception,
        "tamper": InvalidSignature,
        "wrong_serial": AssertionError,
    }
    for fault, error in expected.items():
        merchant_site.received.clear()
        sim.control("PUT", "faults", [{"op": "notify.v3", "fault": fault, "count": 1}])
        order = paid_v3(sim, url)
        sim.wait(lambda order=order: tries(sim, order))
        with pytest.raises(error):
            sim.verify(merchant_site.received[0].headers, merchant_site.received[0].body)
    assert merchant_site.received[0].headers["Wechatpay-Serial"] == "5A" * 20
    complaints = sim.control("GET", "complaints")["complaints"]
    assert [c["code"] for c in complaints] == ["SIGNATURE_NOT_VERIFIED"] * 5


def test_probe_then_truth(own_sim, merchant_site):
    sim = own_sim()
    sim.control("PUT", "faults", [{"op": "notify*", "fault": "signtest", "count": 1}])
    order = paid_v3(sim, merchant_site.answer("/probe", 401))
    sim.wait(lambda: tries(sim, order))
    merchant_site.answer("/probe", 200)
    sim.advance(15)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    probe, truth = merchant_site.at("/probe")
    assert probe.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    sim.verify(truth.headers, truth.body)
    assert sim.control("GET", "complaints")["complaints"] == []


def test_dropped_and_doubled(own_sim, merchant_site):
    sim = own_sim()
    rules = [{"op": "notify.v2", "fault": "drop", "count": 1}, {"op": "notify.v2", "fault": "duplicate", "times": 5}]
    sim.control("PUT", "faults", rules)
    order = paid_v2(sim, merchant_site.answer("/d", 200, ACK))
    sim.wait(lambda: tries(sim, order))
    assert tries(sim, order)[0]["result"] == "dropped by the fault plan"
    assert not merchant_site.at("/d")
    sim.advance(15)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    assert len(merchant_site.at("/d")) == 5
    assert len({one.body for one in merchant_site.at("/d")}) == 1


def test_made_to_measure_v3(sim, merchant_site):
    order = sim.order_v3(notify_url=merchant_site.answer("/n", 204))
    sim.v3("POST", JSAPI, order)
    number = order["out_trade_no"]

    def made(**wish):
        return sim.notice(out_trade_no=number, **wish)

    plain = made()
    sim.verify(plain.headers, plain.body)
    assert (plain.path, merchant_site.at("/n")) == (order["notify_url"], [])
    ids = {"appid": "wxother", "mchid": "1", "out_trade_no": "another-1"}
    said = sim.decrypt(made(override={"amount": 1, "currency": "USD", "openid": "o", **ids}).body)
    assert (said["amount"]["total"], said["amount"]["payer_total"], said["amount"]["currency"]) == (1, 1, "USD")
    assert (said["payer"], {name: said[name] for name in ids}) == ({"openid": "o"}, ids)
    laid = sim.decrypt(made(override={"amount": {"total": "1"}, "attach": None, "x": [1]}, remove=["payer"]).body)
    assert (laid["amount"]["total"], laid["amount"]["currency"], laid["x"]) == ("1", "CNY", [1])
    assert not {"attach", "payer"} & laid.keys()
    assert json.loads(made(envelope={"event_type": "X.Y"}, id="same").body)["event_type"] == "X.Y"
    assert made(serial="F" * 40).headers["Wechatpay-Serial"] == "F" * 40
    assert made(key="certificate").headers["Wechatpay-Serial"] == sim.merchant["platform_serial_no"]
    changed = made(headers={"Wechatpay-Nonce": None, "X-A": "b"}, body="{}")
    assert ("Wechatpay-Nonce" in changed.headers, changed.headers["X-A"], changed.body) == (False, "b", b"{}")


def test_made_to_be_refused_v3(sim):
    old = sim.notice(timestamp_offset=-301)
    assert abs(int(old.headers["Wechatpay-Timestamp"]) + 301 - time.time()) < 5
    sim.verify(old.headers, old.body)
    for signature, error in [("broken", InvalidSignature), ("missing", KeyError)]:
        forged = sim.notice(signature=signature)
        with pytest.raises(error):
            sim.verify(forged.headers, forged.body)
    stranger = sim.notice(key="other_merchant")
    sim.verify(stranger.headers, stranger.body)
    with pytest.raises(InvalidTag):
        sim.decrypt(stranger.body)


WISHES_V2 = [({}, "HMAC-SHA256"), ({"sign_type": "MD5"}, "MD5"), ({"sign_type_field": True}, "HMAC-SHA256")]


def test_made_to_measure_v2(sim):
    order = sim.order_v2(sign_type="HMAC-SHA256")
    sim.v2("unifiedorder", order)

    def made(**wish):
        return sim.notice(**({"out_trade_no": order["out_trade_no"]} | wish)).xml

    for wish, sign_type in WISHES_V2:
        fields = made(override={"amount": 7, "strange": "x"}, remove=["attach"], **wish)
        assert fields.pop("sign") == sim.keyed(fields, sign_type)
        assert (fields["total_fee"], fields["strange"], "attach" in fields) == ("7", "x", False)
        assert ("sign_type" in fields) == ("sign_type_field" in wish)
    assert "sign" not in made(signature="missing")
    fields = made(key="other_merchant")
    assert fields.pop("sign") != sim.keyed(fields, "HMAC-SHA256")
    assert made(api="v2", out_trade_no="never-made-1")["out_trade_no"] == "never-made-1"


def test_a_hundred_at_once(sim, merchant_site):
    order = sim.order_v3(notify_url=merchant_site.answer("/many", 204))
    sim.v3("POST", JSAPI, order)
    wish = {"out_trade_no": order["out_trade_no"], "times": 100, "parallel": 50}
    answer = sim.control("POST", "notify", wish)
    assert [result["result"] for result in answer["results"]] == ["acknowledged"] * 100
    assert len({one.body for one in merchant_site.at("/many")}) == 1
    deliveries = sim.control("GET", "ledger")["deliveries"]
    assert order["out_trade_no"] not in {delivery["out_trade_no"] for delivery in deliveries}


@pytest.mark.parametrize(
    "wish",
    [
        {"out_trade_no": 1}, {"api": "v4"}, {"override": []}, {"times": 0}, {"times": True}, {"times": 10**9},
        {"signature": "none"}, {"key": "mine"}, {"headers": {"a b": "c"}}, {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a": 1}}, {"url": "file:///etc/passwd"}, {"url": "http://[::1"}, {"url": "http://x:99999/"},
        {"unknown": 1}, {}, {"out_trade_no": "never-made-1"},
    ],
    ids=str,
)  # fmt: skip
def test_wishes_that_cannot_be_granted(sim, wish):
    answer = sim.call("POST", "/_sim/notify", json.dumps(wish).encode())
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")
