"""The exchanges as they happen: one server-sent event each, resumed where a connection was lost, of one buyer alone;
and what each holds beneath its bytes."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json

import pytest

from tests.simulator.client import JSAPI

HERE = {"Origin": "http://127.0.0.1:8000"}


class Stream:
    """An open connection; ``next()`` waits for an event."""

    def __init__(self, sim, query="", **headers):
        self._connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=30)
        self._connection.request("GET", f"/_sim/exchanges/stream{query}", headers=HERE | headers)
        self.answer = self._connection.getresponse()
        assert self.answer.readline() == b"retry: 500\n"  # it is open: what comes from now on is heard

    def next(self):
        event = {}
        while not event.get("data"):
            name, _, value = self.answer.readline().decode().rstrip("\n").partition(": ")
            event[name] = value
        shown = json.loads(event["data"])
        assert event["id"] == str(shown["id"])
        return shown

    def close(self):
        self._connection.close()


def bought(sim, **changes):
    order = sim.order_v3(**changes)
    prepay_id = sim.v3("POST", JSAPI, order).json["prepay_id"]
    return order, prepay_id


def test_what_happens_is_heard_and_resumed(sim):
    stream = Stream(sim)
    assert stream.answer.getheader("content-type").startswith("text/event-stream")
    assert stream.answer.getheader("access-control-allow-origin") == HERE["Origin"]
    order, prepay_id = bought(sim)
    login, prepay = stream.next(), stream.next()
    assert (login["op"], prepay["op"], prepay["out_trade_no"]) == ("wx.login", "v3.prepay", order["out_trade_no"])
    assert prepay["began"] <= prepay["ended"]
    stream.close()
    sim.pay_v3(prepay_id, outcome="cancel")
    again = Stream(sim, **{"Last-Event-ID": str(prepay["id"])})
    assert again.next()["op"] == "pay"
    again.close()
    listed = sim.control("GET", "exchanges")["exchanges"]
    assert listed[-2] == prepay


def test_of_one_buyer_alone(sim):
    mine, theirs = sim.openid(), sim.openid()
    stream = Stream(sim, f"?openid={mine}")
    bought(sim, payer={"openid": theirs})
    order, prepay_id = bought(sim, payer={"openid": mine})
    sim.pay_v3(prepay_id, outcome="cancel")
    sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]})
    code = sim.control("POST", "login", {"openid": mine})["code"]
    heard = [stream.next() for _ in range(4)]
    assert [(one["op"], one["openid"]) for one in heard] == [
        (op, mine) for op in ("v3.prepay", "pay", "v2.query", "wx.login")
    ]
    assert {one["out_trade_no"] for one in heard[:3]} == {order["out_trade_no"]}
    assert code in heard[3]["response"]["body"]
    stream.close()


def test_after_a_restart_nothing_is_missed(sim):
    """A number of the life before is lower than all of this one; one that was never reached is of another clock."""
    first = sim.control("GET", "exchanges")["exchanges"][0]
    for last in (first["id"] - 1000, 900_000_000_000_000):
        stream = Stream(sim, f"?after={last}")
        assert stream.next()["id"] == first["id"]
        stream.close()


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=", "?after=%C2%B2"])
def test_a_wrong_place_is_refused(sim, query):
    answer = sim.call("GET", f"/_sim/exchanges/stream{query}", headers=HERE)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")
    assert answer.headers["access-control-allow-origin"] == HERE["Origin"]


def latest(sim, op, order=None):
    """Of one order, where other tests' notifications may come again meanwhile."""
    number = order["out_trade_no"] if order else ""
    shown = sim.control("GET", "exchanges")["exchanges"]
    return [one for one in shown if one["op"] == op and number in ("", one["out_trade_no"])][-1]


def test_v3_is_unfolded(sim, merchant_site):
    order, prepay_id = bought(sim, notify_url=merchant_site.answer("/unfolded", 204))
    sim.pay_v3(prepay_id)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    asked = latest(sim, "v3.prepay")
    signed = asked["request"]["signed"]
    assert signed["string"].startswith(f"POST\n{JSAPI}\n")
    assert signed["string"].endswith(asked["request"]["body"] + "\n")
    assert f'signature="{signed["signature"]}"' in asked["request"]["headers"]["Authorization"]
    answered = asked["response"]
    sim.verify(answered["headers"], answered["body"].encode())
    assert answered["signed"]["string"].endswith(f"\n{answered['body']}\n")
    pay = latest(sim, "pay")["request"]["signed"]
    assert pay["string"].split("\n")[3:] == [f"prepay_id={prepay_id}", ""]
    notice = latest(sim, "notify.v3", order)["request"]
    assert json.loads(notice["decrypted"]) == sim.decrypt(notice["body"].encode())


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_v2_is_unfolded_without_its_key(sim, sign_type):
    order = sim.order_v2(sign_type=sign_type)
    prepay_id, key = sim.v2("unifiedorder", order).xml["prepay_id"], sim.merchant["v2_api_key"]

    def digest(text):
        made = hashlib.md5(text) if sign_type == "MD5" else hmac.new(key.encode(), text, "sha256")
        return made.hexdigest().upper()

    sim.pay_v2(prepay_id, sign_type, outcome="cancel")
    for signed in (latest(sim, "v2.prepay")["request"]["signed"], latest(sim, "pay")["request"]["signed"]):
        assert signed["scheme"] == sign_type
        assert signed["string"].endswith("&key=***")
        assert signed["signature"] == digest(signed["string"].replace("key=***", f"key={key}").encode())


def test_a_v2_refund_notice_is_decrypted(sim, merchant_site):
    paid = sim.paid_v2(notify_url=merchant_site.answer("/paid", 200))
    fields = {"out_trade_no": paid["out_trade_no"], "total_fee": "100", "refund_fee": "100"}
    number = sim.refund_v2(fields | {"out_refund_no": "RUNFOLDED1"}).xml["out_refund_no"]
    sim.control("POST", "notify", {"out_refund_no": number, "url": merchant_site.answer("/refunded", 200)})
    notice = latest(sim, "notify.refund", paid)
    assert "<refund_fee><![CDATA[100]]></refund_fee>" in notice["request"]["decrypted"]
    assert notice["out_trade_no"] == paid["out_trade_no"]


def test_what_was_done_to_a_message_is_told(sim, fault, merchant_site):
    order, prepay_id = bought(sim, notify_url=merchant_site.answer("/told", 401))
    number = {"out_trade_no": order["out_trade_no"]}
    for wish, told in (
        ({"signature": "forged"}, "forged"),
        ({"body": "?"}, "altered"),
        ({"override": {"amount": 1}}, "altered"),
        ({}, ""),
    ):
        sim.control("POST", "notify", number | wish)
        notice = latest(sim, "notify.v3", order)
        assert (notice["fault"], notice["status"]) == (told, 401)
    fault("notify.v3", "drop")
    sim.pay_v3(prepay_id)
    sim.wait(lambda: sim.tries(order))
    lost = latest(sim, "notify.v3", order)
    assert (lost["fault"], lost["status"], lost["verdict"]) == ("drop", 0, "dropped by the fault plan")
    assert lost["request"]["decrypted"]
    sim.v3("GET", "/v3/certificates", text=lambda text: text[:-1])
    wrong = latest(sim, "v3.certificates")
    assert (wrong["verdict"], wrong["code"]) == ("bad", "SIGN_ERROR")
    assert wrong["explanation"]["likely_cause"] == "the last line is not ended by a newline"


def test_the_sheet_shows_what_is_to_be_paid(sim):
    order, prepay_id = bought(sim)
    sim.pay_v3(prepay_id, outcome="cancel")
    given = json.loads(latest(sim, "pay")["request"]["body"])
    del given["outcome"]
    shown = sim.call("POST", "/_sim/cashier", json.dumps(given).encode())
    names = ("description", "out_trade_no")
    assert shown.json == {"amount_fen": 100} | {name: order[name] for name in names}
    refused = sim.call("POST", "/_sim/cashier", json.dumps(given | {"nonceStr": "other"}).encode())
    assert refused.json == {"errMsg": "requestPayment:fail 支付验证签名失败"}
    assert refused.explanation["likely_cause"]
    assert latest(sim, "cashier")["verdict"] == "bad"
