"""Notifications made to measure: anything a merchant could be sent, with the true keys or with others."""

from __future__ import annotations

import json
import time

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag

from tests.simulator.client import JSAPI


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
    assert abs(int(old.headers["Wechatpay-Timestamp"]) + 301 - time.time()) < 100
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
