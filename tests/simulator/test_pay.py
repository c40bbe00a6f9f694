"""wx.requestPayment's stand-in: paySign by the order's scheme, prepay_id, state, outcomes, and what it says."""

from __future__ import annotations

import hashlib
import json
import shutil
import time

import pytest

from tests.simulator.client import JSAPI

BAD = {"errMsg": "requestPayment:fail 支付验证签名失败"}


def made_v3(sim, **changes):
    order = sim.order_v3(**changes)
    return order, sim.v3("POST", JSAPI, order).json["prepay_id"]


def made_v2(sim, sign_type="MD5", **changes):
    order = sim.order_v2(sign_type=sign_type, **changes)
    return order, sim.v2("unifiedorder", order).xml["prepay_id"]


def state(sim, order):
    return sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml["trade_state"]


def test_outcomes(sim):
    order, prepay_id = made_v3(sim)
    assert sim.pay_v3(prepay_id, outcome="cancel").json == {"errMsg": "requestPayment:fail cancel"}
    assert state(sim, order) == "NOTPAY"
    assert sim.pay_v3(prepay_id, outcome="fail").json["errMsg"].startswith("requestPayment:fail 支付失败")
    assert state(sim, order) == "PAYERROR"
    assert sim.pay_v3(prepay_id).json == {"errMsg": "requestPayment:ok"}
    assert state(sim, order) == "SUCCESS"
    assert sim.pay_v3(prepay_id).json == {"errMsg": "requestPayment:fail 该订单已支付"}


def test_paid_but_the_callback_is_lost(sim):
    order, prepay_id = made_v3(sim)
    with pytest.raises((ConnectionError, OSError)):
        sim.pay_v3(prepay_id, outcome="lost")
    assert state(sim, order) == "SUCCESS"


def close_v3(sim, order):
    path = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}/close"
    return sim.v3("POST", path, {"mchid": sim.merchant["mchid"]})


@pytest.mark.parametrize(("then", "end"), [("ok", "SUCCESS"), ("cancel", "NOTPAY")])
def test_an_order_that_is_being_paid_can_be_neither_paid_nor_closed(own_sim, merchant_site, then, end):
    sim = own_sim()
    order, prepay_id = made_v3(sim, notify_url=merchant_site.answer("/n", 204))
    sim.pay_v3(prepay_id, outcome="paying", seconds=1000, then=then)
    assert state(sim, order) == "USERPAYING"
    assert sim.pay_v3(prepay_id).json == {"errMsg": "requestPayment:fail 该订单正在支付中"}
    refused = close_v3(sim, order)
    assert (refused.status, refused.json["code"]) == (202, "USERPAYING")
    sim.verify(refused.headers, refused.body)
    assert sim.v2("closeorder", {"out_trade_no": order["out_trade_no"]}).xml["err_code"] == "TRADE_STATE_ERROR"
    assert sim.v3("POST", JSAPI, order).json == {"prepay_id": prepay_id}
    sim.advance(1000)
    sim.wait(lambda: state(sim, order) == end)
    if then == "ok":
        sim.wait(lambda: merchant_site.at("/n"))
        assert sim.decrypt(merchant_site.at("/n")[0].body)["trade_state"] == "SUCCESS"
    assert close_v3(sim, order).status == (400 if then == "ok" else 204)


def test_being_paid_outlives_a_restart_and_needs_nobody_to_look(own_sim, merchant_json, merchant_site, tmp_path):
    shutil.copy(merchant_json, tmp_path)
    first = own_sim("--data", str(tmp_path))
    _, prepay_id = made_v3(first, notify_url=merchant_site.answer("/n", 204))
    first.pay_v3(prepay_id, outcome="paying", seconds=1000, coupon_fen=10)
    first.stop()
    second = own_sim("--data", str(tmp_path), "--time-scale", "1000")
    second.wait(lambda: merchant_site.at("/n"))
    assert second.decrypt(merchant_site.at("/n")[0].body)["amount"]["payer_total"] == 90


def test_money_against_the_rules(own_sim, merchant_site):
    """WeChat takes none on a closed order; a server must notice it all the same."""
    sim = own_sim()
    order, prepay_id = made_v3(sim, notify_url=merchant_site.answer("/n", 204))
    assert close_v3(sim, order).status == 204
    assert sim.pay_v3(prepay_id).json["errMsg"] == "requestPayment:fail 该订单已关闭"
    wish = {"out_trade_no": order["out_trade_no"]}
    assert sim.control("POST", "impossible", wish) == {"errMsg": "requestPayment:ok"}
    assert state(sim, order) == "SUCCESS"
    sim.wait(lambda: merchant_site.at("/n"))
    paying, paying_id = made_v3(sim)
    sim.pay_v3(paying_id, outcome="paying", seconds=1000)
    sim.control("POST", "impossible", {"out_trade_no": paying["out_trade_no"]})
    sim.advance(1000)
    assert state(sim, paying) == "SUCCESS"
    assert len(sim.control("GET", f"ledger?out_trade_no={paying['out_trade_no']}")["deliveries"]) == 1
    for number in (order["out_trade_no"], "never-made-1", None):
        assert sim.call("POST", "/_sim/impossible", json.dumps({"out_trade_no": number}).encode()).status == 400


def test_closed_unknown_and_expired(own_sim):
    sim = own_sim()
    closed, closed_id = made_v2(sim)
    sim.v2("closeorder", {"out_trade_no": closed["out_trade_no"]})
    assert sim.pay_v2(closed_id).json == {"errMsg": "requestPayment:fail 该订单已关闭"}
    assert "预支付订单不存在" in sim.pay_v2("wx" + "0" * 34).json["errMsg"]
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    _, expiring = made_v3(sim, time_expire=soon)
    _, lasting = made_v3(sim)
    sim.advance(601)
    assert sim.pay_v3(expiring).json == {"errMsg": "requestPayment:fail 订单已过有效期"}
    sim.advance(7200 - 601 + 1)
    assert sim.pay_v3(lasting).json == {"errMsg": "requestPayment:fail 预支付订单已过期，请重新下单"}


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_the_orders_own_scheme_and_no_other(sim, sign_type):
    _, prepay_id = made_v2(sim, sign_type)
    other = "MD5" if sign_type == "HMAC-SHA256" else "HMAC-SHA256"
    refused = sim.pay_v2(prepay_id, other)
    assert refused.json == BAD
    assert f"the order was made with {sign_type}" in refused.explanation["likely_cause"]
    assert sim.pay_v3(prepay_id).json == BAD
    assert sim.pay_v2(prepay_id, sign_type).json == {"errMsg": "requestPayment:ok"}


def test_sign_type_is_md5_when_it_is_left_out(sim):
    _, v2 = made_v2(sim)
    _, v3 = made_v3(sim)
    assert sim.pay_v2(v2, signType=None).json["errMsg"] == "requestPayment:ok"
    assert sim.pay_v3(v3, signType=None).json == BAD


def test_v3_pay_sign_mistakes(sim):
    _, prepay_id = made_v3(sim)
    appid, stamp, nonce, package = sim.merchant["appid"], str(int(time.time())), "n" * 32, f"prepay_id={prepay_id}"
    lines = (appid, stamp, nonce, package)
    fields = dict(zip(("appId", "timeStamp", "nonceStr", "package"), lines, strict=True)) | {"signType": "RSA"}
    joined = "&".join(f"{k}={fields[k]}" for k in sorted(fields))
    cases = {
        "without prepay_id=": f"{appid}\n{stamp}\n{nonce}\n{prepay_id}\n",
        "not ended by a newline": "\n".join(lines),
        "exchanged": f"{appid}\n{nonce}\n{stamp}\n{package}\n",
        "appId was left out": f"\n{stamp}\n{nonce}\n{package}\n",
        "the v2 string": joined,
        "as a fifth line": "\n".join((*lines, "RSA")) + "\n",
        "in milliseconds": "\n".join((appid, stamp + "000", nonce, package)) + "\n",
        "another string": "hello",
    }
    for expected, text in cases.items():
        answer = sim.pay_v3(prepay_id, timeStamp=stamp, nonceStr=nonce, paySign=sim.rsa(text.encode()))
        assert answer.json == BAD
        assert expected in answer.explanation["likely_cause"]
    answer = sim.pay_v3(prepay_id, paySign="A" * 344)
    assert "wrong private key" in answer.explanation["likely_cause"]


def test_v2_pay_sign_mistakes(sim):
    _, prepay_id = made_v2(sim)
    stamp, nonce, key = str(int(time.time())), "n" * 32, sim.merchant["v2_api_key"]
    right = {
        "appId": sim.merchant["appid"],
        "timeStamp": stamp,
        "nonceStr": nonce,
        "package": f"prepay_id={prepay_id}",
        "signType": "MD5",
    }

    def signed(fields, key=key):
        text = "&".join(f"{k}={fields[k]}" for k in sorted(fields)) + f"&key={key}"
        return hashlib.md5(text.encode()).hexdigest().upper()

    renamed = {"appid" if k == "appId" else k: v for k, v in right.items()}
    cases = {
        "appid instead of appId": signed(renamed),
        "timestamp instead of timeStamp": signed({k.replace("timeS", "times"): v for k, v in right.items()}),
        "without prepay_id=": signed(right | {"package": prepay_id}),
        "signType HMAC-SHA256 was signed": signed(right | {"signType": "HMAC-SHA256"}),
        "signType is sent but was not signed": signed({k: v for k, v in right.items() if k != "signType"}),
        "lower case": signed(right).lower(),
        "APIv3 key": signed(right, sim.merchant["v3_api_key"]),
        "wrong API v2 key": signed(right, "0" * 32),
    }
    for expected, signature in cases.items():
        answer = sim.pay_v2(prepay_id, timeStamp=stamp, nonceStr=nonce, paySign=signature)
        assert answer.json == BAD
        assert expected in answer.explanation["likely_cause"]
        assert key not in answer.headers["x-sim-explain"]


def test_well_signed_but_not_in_form(sim):
    _, prepay_id = made_v3(sim)
    appid, package = sim.merchant["appid"], f"prepay_id={prepay_id}"
    for stamp, nonce, expected in [
        (str(int(time.time() * 1000)), "n", "milliseconds"),
        ("1", "n", "ten digits"),
        (str(int(time.time())), "n" * 33, "32 ASCII"),
    ]:
        signature = sim.rsa(f"{appid}\n{stamp}\n{nonce}\n{package}\n".encode())
        answer = sim.pay_v3(prepay_id, timeStamp=stamp, nonceStr=nonce, paySign=signature)
        assert (answer.json, expected in answer.explanation["likely_cause"]) == (BAD, True)
    bare = sim.pay_v3(prepay_id, package=prepay_id)
    assert bare.explanation["likely_cause"] == "package must be prepay_id= and the prepay_id"
    assert "appId" in sim.pay_v3(prepay_id, appId="wxsomebodyelse0000").explanation["likely_cause"]


@pytest.mark.parametrize(
    "changes",
    [
        {"timeStamp": 1700000000}, {"timeStamp": ""}, {"nonceStr": None}, {"package": ["x"]}, {"paySign": {}},
        {"appid": "x"}, {"outcome": "maybe"}, {"outcome": []}, {"coupon_fen": 100}, {"coupon_fen": -1},
        {"coupon_fen": "1"}, {"coupon_fen": True}, {"signType": True}, {"timeStamp": "²" * 10},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_of_the_wrong_kind(sim, changes):
    order, prepay_id = made_v3(sim)
    answer = sim.pay_v3(prepay_id, **changes)
    assert answer.status == 200
    assert answer.json["errMsg"].startswith("requestPayment:fail ")
    assert state(sim, order) == "NOTPAY"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"timeStamp":"\\ud800"}', b"[" * 100_000, bytes(range(157, 256))])
def test_bodies_that_are_no_parameters(sim, body):
    answer = sim.call("POST", "/_sim/pay", body)
    assert answer.status in (200, 400)
    assert "error" in json.loads(answer.body) or answer.json["errMsg"].startswith("requestPayment:fail parameter")
