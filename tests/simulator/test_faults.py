"""The fault plan: what it does to answers, where it strikes, what it leaves of the work."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from tests.simulator.client import JSAPI


def known(sim, order):
    return order["out_trade_no"] in {o["out_trade_no"] for o in sim.control("GET", "ledger")["orders"]}


LOST = {  # whether the work is done, and how the connection ends
    "drop_reply_after_commit": (True, http.client.RemoteDisconnected),
    "drop_before": (False, http.client.RemoteDisconnected),
    "reset": (True, ConnectionResetError),
    "reset_before": (False, ConnectionResetError),
}


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("api", ["v2", "v3"])
def test_lost_answers(sim, fault, name, api):
    done, error = LOST[name]
    order = sim.order_v2() if api == "v2" else sim.order_v3()
    fault(f"{api}.prepay", name)
    with pytest.raises(ConnectionError) as lost:
        sim.v2("unifiedorder", order) if api == "v2" else sim.v3("POST", JSAPI, order)
    assert type(lost.value) is error
    assert known(sim, order) is done
    again = sim.v2("unifiedorder", order) if api == "v2" else sim.v3("POST", JSAPI, order)
    assert b"wx" in again.body
    assert known(sim, order)


@pytest.mark.parametrize(
    ("name", "status", "done", "text"),
    [
        ("http_500_before", 500, False, "<html>"),
        ("http_500_after", 500, True, "<html>"),
        ("system_error", 500, False, "SYSTEM_ERROR"),
        ("system_error_after", 500, True, "SYSTEM_ERROR"),
        ("frequency_limited", 429, False, "FREQUENCY_LIMITED"),
        ("html", 200, False, "<html>"),
        ("empty", 200, False, ""),
        ("redirect", 302, False, ""),
        ("huge_body", 200, True, "prepay_id"),
    ],
)
def test_answers_gone_wrong_v3(sim, fault, name, status, done, text):
    order = sim.order_v3()
    fault("v3.*", name)
    answer = sim.v3("POST", JSAPI, order)
    assert (answer.status, known(sim, order)) == (status, done)
    assert text in answer.body.decode()
    assert (len(answer.body) > 7_000_000) == (name == "huge_body")
    assert sim.v3("POST", JSAPI, order).status == 200


def test_answers_gone_wrong_v2(sim, fault):
    order = sim.order_v2()
    for name, done in (("system_error", False), ("system_error_after", True)):
        fault("v2.prepay", name)
        error = sim.v2("unifiedorder", order).xml
        assert (error["return_code"], error["result_code"], error["err_code"]) == ("SUCCESS", "FAIL", "SYSTEMERROR")
        assert not {"sign", "appid", "mch_id"} & error.keys()
        assert known(sim, order) is done
    fault("v2.*", "communication_error", code="invalid refund_fee")
    refused = sim.v2("unifiedorder", sim.order_v2()).xml
    assert refused == {"return_code": "FAIL", "return_msg": "invalid refund_fee"}
    for sign_type in ("MD5", "HMAC-SHA256"):
        fault("v2.prepay", "frequency_limited")
        throttled = sim.v2("unifiedorder", order | {"sign_type": sign_type}).xml
        assert throttled["err_code"] == "FREQUENCY_LIMITED"
        assert throttled.pop("sign") == sim.keyed(throttled, sign_type)
    fault("v2.prepay", "frequency_limited")
    assert b"FREQUENCY_LIMITED" in sim.call("POST", "/pay/unifiedorder", b"no xml").body


def test_signatures_gone_wrong(sim, fault):
    order = sim.order_v2()
    fault("v2.*", "unsigned")
    assert "sign" not in sim.v2("unifiedorder", order).xml
    for name in ("bad_signature", "forged", "tamper"):
        fault("v2.*", name, **({"field": "prepay_id"} if name == "tamper" else {}))
        fields = sim.v2("unifiedorder", order).xml
        assert fields.pop("sign") != sim.keyed(fields)
    for name in ("unsigned", "bad_signature", "forged", "signtest", "wrong_serial", "tamper"):
        fault("v3.*", name)
        answer = sim.v3("POST", JSAPI, sim.order_v3())
        assert answer.status == 200
        with pytest.raises(Exception):  # noqa: B017 each fails in its own way: no header, no key, no match
            sim.verify(answer.headers, answer.body)
    fault("v3.*", "stale")
    answer = sim.v3("POST", JSAPI, sim.order_v3())
    sim.verify(answer.headers, answer.body)
    assert time.time() - int(answer.headers["wechatpay-timestamp"]) > 299


def test_tampering_with_a_chosen_value(sim, fault):
    order = sim.order_v2()
    sim.v2("unifiedorder", order)
    fault("v2.query", "tamper", field="total_fee", value="1")
    assert sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml["total_fee"] == "1"
    fault("v3.query", "tamper", field="total", value="1")
    url = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}?mchid={sim.merchant['mchid']}"
    assert sim.v3("GET", url).json["amount"]["total"] == 1


def test_delay_and_truncation(sim, fault):
    order = sim.order_v3()
    fault("v3.prepay", "delay", seconds=0.4)
    began = time.monotonic()
    assert sim.v3("POST", JSAPI, order).status == 200
    assert time.monotonic() - began > 0.4
    fault("v3.prepay", "truncate")
    with pytest.raises(http.client.IncompleteRead):
        sim.v3("POST", JSAPI, order)


def test_counts_skips_and_seeds(own_sim):
    sim = own_sim()

    def run(plan, calls=6):
        sim.control("PUT", "faults", plan)
        return "".join(
            "x" if sim.call("GET", "/sns/jscode2session").json["errcode"] == -1 else "." for _ in range(calls)
        )

    rule = {"op": "login", "fault": "system_error"}
    assert run([rule | {"count": 2}]) == "xx...."
    assert run([rule | {"skip": 1, "count": 2}]) == ".xx..."
    assert run([rule | {"count": 0}]) == "......"
    first = run({"seed": 7, "rules": [rule | {"probability": 0.5}]}, 24)
    assert {"x", "."} == set(first)
    assert run({"seed": 7, "rules": [rule | {"probability": 0.5}]}, 24) == first
    assert run({"seed": 8, "rules": [rule | {"probability": 0.5}]}, 24) != first
    assert sim.control("GET", "faults")["rules"][0]["struck"] > 0
    assert sim.control("DELETE", "faults")["rules"] == []
    assert sim.call("GET", "/sns/jscode2session").json["errcode"] == 41002


def test_a_wrong_plan_leaves_the_old_one_in_force(own_sim):
    sim = own_sim()
    sim.control("PUT", "faults", [{"op": "login", "fault": "html"}])
    assert sim.call("PUT", "/_sim/faults", b'[{"op":"login","fault":"nonsense"}]').status == 400
    assert sim.control("GET", "faults")["rules"][0]["fault"] == "html"


def test_a_stale_query_is_truly_signed(own_sim):
    sim = own_sim()
    by_number = f"/v3/pay/transactions/out-trade-no/{{}}?mchid={sim.merchant['mchid']}"

    def state(order, fault):
        sim.control("PUT", "faults", [{"op": "*", "fault": fault}] if fault else [])
        answer = sim.v3("GET", by_number.format(order["out_trade_no"]))
        sim.verify(answer.headers, answer.body)
        fields = sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml
        assert fields.pop("sign") == sim.keyed(fields)
        assert fields["trade_state"] == answer.json["trade_state"]
        assert ("transaction_id" in fields) == ("transaction_id" in answer.json)
        return answer.json["trade_state"]

    def states(order):
        return [state(order, fault) for fault in ("", "stale_query", "userpaying")]

    closed = sim.order_v2()
    sim.v2("unifiedorder", closed)
    sim.v2("closeorder", {"out_trade_no": closed["out_trade_no"]})
    assert states(closed) == ["CLOSED", "NOTPAY", "CLOSED"]
    order = sim.order_v3()
    prepay_id = sim.v3("POST", JSAPI, order).json["prepay_id"]
    assert states(order) == ["NOTPAY", "NOTPAY", "USERPAYING"]
    sim.pay_v3(prepay_id)
    assert states(order) == ["SUCCESS", "NOTPAY", "SUCCESS"]
    paid = sim.transaction_id(order["out_trade_no"])
    sim.control("PUT", "faults", [{"op": "*", "fault": "stale_query"}])
    assert sim.v3("GET", f"/v3/pay/transactions/id/{paid}?mchid={sim.merchant['mchid']}").status == 404
    assert sim.v2("orderquery", {"transaction_id": paid}).xml["err_code"] == "ORDERNOTEXIST"
    sim.control("POST", "refund", {"out_trade_no": order["out_trade_no"], "amount_fen": 40})
    sim.advance(3)
    assert states(order) == ["REFUND", "SUCCESS", "REFUND"]
    (refund,) = sim.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["refunds"]
    url = f"/v3/refund/domestic/refunds/{refund['out_refund_no']}"
    for fault, expected in (("", "SUCCESS"), ("stale_query", "PROCESSING"), ("userpaying", "SUCCESS")):
        sim.control("PUT", "faults", [{"op": "*", "fault": fault}] if fault else [])
        fields = sim.v2("refundquery", {"out_refund_no": refund["out_refund_no"]}).xml
        assert (sim.v3("GET", url).json["status"], fields["refund_status_0"]) == (expected, expected)


def test_a_rule_strikes_only_where_its_fault_means_something(own_sim):
    sim = own_sim()
    plan = [{"op": "*", "fault": name, "count": 1} for name in ("drop", "late", "refund_closed", "userpaying")]
    sim.control("PUT", "faults", plan)
    order = sim.order_v3()
    assert sim.v3("POST", JSAPI, order).status == 200
    assert [rule["struck"] for rule in sim.control("GET", "faults")["rules"]] == [0, 0, 0, 0]
    for op, name in (("v3.*", "communication_error"), ("notify.*", "html"), ("v3.prepay", "stale_query")):
        body = json.dumps([{"op": op, "fault": name}]).encode()
        assert sim.call("PUT", "/_sim/faults", body).status == 400
