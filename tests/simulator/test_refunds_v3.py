"""Refunds by API v3: what is accepted, refused, repeated, and what becomes of a refund in virtual time."""

from __future__ import annotations

import base64
import secrets

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

REFUNDS = "/v3/refund/domestic/refunds"


def wish(order, fen=100, **changes):
    body = {
        "out_trade_no": order["out_trade_no"],
        "out_refund_no": "R|@*_-" + secrets.token_hex(10),
        "amount": {"refund": fen, "total": order["amount"]["total"], "currency": "CNY"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def refund(sim, order, fen=100, **changes):
    return sim.v3("POST", REFUNDS, wish(order, fen, **changes))


def query(sim, out_refund_no):
    return sim.v3("GET", f"{REFUNDS}/{out_refund_no.replace('|', '%7C')}")


def refused(answer, status, code):
    assert (answer.status, answer.json["code"]) == (status, code), answer
    return True


def test_the_life_of_a_refund(own_sim):
    sim = own_sim()
    order = sim.paid_v3()
    body = wish(order, 40, reason="商品已售完", funds_account="AVAILABLE")
    answer = sim.v3("POST", REFUNDS, body)
    sim.verify(answer.headers, answer.body)
    made = answer.json
    assert made["status"] == "PROCESSING"
    assert "success_time" not in made
    assert (made["transaction_id"], made["out_trade_no"]) == (order["transaction_id"], order["out_trade_no"])
    assert (made["refund_id"][:4], len(made["refund_id"])) == ("5030", 29)
    assert (made["channel"], made["funds_account"]) == ("ORIGINAL", "AVAILABLE")
    paid = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}?mchid={sim.merchant['mchid']}"
    assert sim.v3("GET", paid).json["trade_state"] == "SUCCESS"
    sim.advance(3)
    found = query(sim, body["out_refund_no"])
    sim.verify(found.headers, found.body)
    assert found.json["status"] == "SUCCESS"
    assert found.json["success_time"] >= found.json["create_time"]
    assert found.json["amount"]["payer_refund"] == found.json["amount"]["refund"] == 40
    assert sim.v3("GET", paid).json["trade_state"] == "REFUND"
    assert sim.v3("POST", REFUNDS, body).json["refund_id"] == made["refund_id"]
    ledger = sim.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["refunds"]
    assert [(r["state"], r["amount_fen"], r["source"]) for r in ledger] == [("SUCCESS", 40, "api")]


def test_it_settles_by_itself(own_sim):
    sim = own_sim("--time-scale", "20")
    body = wish(sim.paid_v3())
    assert sim.v3("POST", REFUNDS, body).json["status"] == "PROCESSING"
    assert sim.control("GET", "state")["pending_refunds"] == 1
    sim.wait(lambda: query(sim, body["out_refund_no"]).json["status"] == "SUCCESS")
    assert sim.control("GET", "state")["pending_refunds"] == 0


def test_the_same_number_is_the_same_refund(sim):
    order = sim.paid_v3()
    body = wish(order, 30, out_trade_no=None, transaction_id=order["transaction_id"])
    first = sim.v3("POST", REFUNDS, body).json["refund_id"]
    other_name = {**body, "out_trade_no": order["out_trade_no"]}
    assert sim.v3("POST", REFUNDS, other_name).json["refund_id"] == first
    for change in ({"amount": body["amount"] | {"refund": 31}}, {"reason": "other"}):
        assert refused(sim.v3("POST", REFUNDS, body | change), 400, "INVALID_REQUEST")
    elsewhere = wish(sim.paid_v3(), 30, out_refund_no=body["out_refund_no"])
    assert refused(sim.v3("POST", REFUNDS, elsewhere), 400, "INVALID_REQUEST")
    assert len(sim.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["refunds"]) == 1


def test_what_may_not_be_refunded(own_sim):
    sim = own_sim()
    order, open_order = sim.paid_v3(), sim.order_v3()
    sim.v3("POST", "/v3/pay/transactions/jsapi", open_order)
    assert refused(refund(sim, open_order), 404, "RESOURCE_NOT_EXISTS")
    assert refused(refund(sim, order, out_trade_no="never-made-1"), 404, "RESOURCE_NOT_EXISTS")
    assert refused(refund(sim, order, transaction_id="4200"), 404, "RESOURCE_NOT_EXISTS")
    assert refused(refund(sim, order, transaction_id=sim.paid_v3()["transaction_id"]), 400, "INVALID_REQUEST")
    assert refused(refund(sim, order, 101), 400, "INVALID_REQUEST")
    wrong_total = {"refund": 1, "total": 101, "currency": "CNY"}
    assert refused(refund(sim, order, amount=wrong_total), 400, "INVALID_REQUEST")
    assert refund(sim, order, 60).status == 200
    assert refused(refund(sim, order, 41), 400, "INVALID_REQUEST")
    assert refused(refund(sim, order, 40), 429, "FREQUENCY_LIMITED")
    sim.advance(61)
    assert refund(sim, order, 40).status == 200
    sim.advance(61)
    assert refused(refund(sim, order, 1), 400, "INVALID_REQUEST")
    assert refused(query(sim, "never-made"), 404, "RESOURCE_NOT_EXISTS")
    late = sim.paid_v3()
    sim.advance(365 * 86400 + 1)
    assert refused(refund(sim, late), 400, "INVALID_REQUEST")


def test_fifty_refunds_and_no_more(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"interval_seconds": 0})
    order = sim.paid_v3()
    assert {refund(sim, order, 1).status for _ in range(50)} == {200}
    assert refused(refund(sim, order, 1), 400, "INVALID_REQUEST")


FIELDS = [
    ({"out_refund_no": "a b"}, "/out_refund_no"),
    ({"out_refund_no": "x" * 65}, "/out_refund_no"),
    ({"out_refund_no": None}, "/out_refund_no"),
    ({"out_trade_no": None}, "/out_trade_no"),
    ({"reason": "多" * 27}, "/reason"),
    ({"mchid": "1900000000"}, "/mchid"),
    ({"notify_url": "https://pay.example.test/n?a=1"}, "/notify_url"),
    ({"funds_account": "BASIC"}, "/funds_account"),
    ({"amount": {"refund": 1, "total": 100}}, "/amount/currency"),
    ({"amount": {"refund": 1, "total": 100, "currency": "USD"}}, "/amount/currency"),
    ({"amount": {"refund": 0, "total": 100, "currency": "CNY"}}, "/amount/refund"),
    ({"amount": {"refund": "1", "total": 100, "currency": "CNY"}}, "/amount/refund"),
    ({"amount": {"refund": 1.0, "total": 100, "currency": "CNY"}}, "/amount/refund"),
    (
        {"amount": {"refund": 2, "total": 100, "currency": "CNY", "from": [{"account": "AVAILABLE", "amount": 1}]}},
        "/amount/from",
    ),
]


@pytest.mark.parametrize(("change", "pointer"), FIELDS, ids=[p + str(i) for i, (_, p) in enumerate(FIELDS)])
def test_fields(sim, change, pointer):
    order = sim.order_v3(payer={"openid": "o1"})
    answer = refund(sim, order, **change)
    assert refused(answer, 400, "PARAM_ERROR")
    assert answer.json["detail"]["field"] == pointer


def test_a_closed_refund_gives_the_money_back(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"next": "CLOSED", "balance_fen": 100})
    order = sim.paid_v3()
    body = wish(order)
    sim.v3("POST", REFUNDS, body)
    assert sim.control("GET", "refunds")["balance_fen"] == 0
    sim.advance(61)
    found = query(sim, body["out_refund_no"]).json
    assert found["status"] == "CLOSED"
    assert "success_time" not in found
    assert sim.v3("POST", REFUNDS, body).json["status"] == "CLOSED"
    assert sim.control("GET", "refunds")["balance_fen"] == 100
    assert sim.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["orders"][0]["state"] == "SUCCESS"
    assert refund(sim, order).status == 200


def test_too_little_balance_creates_nothing(own_sim):
    sim = own_sim()
    order = sim.paid_v3()
    sim.control("PUT", "refunds", {"balance_fen": 99})
    body = wish(order)
    assert refused(sim.v3("POST", REFUNDS, body), 403, "NOT_ENOUGH")
    assert refused(query(sim, body["out_refund_no"]), 404, "RESOURCE_NOT_EXISTS")
    sim.control("PUT", "refunds", {"balance_fen": None})
    assert sim.v3("POST", REFUNDS, body).status == 200


def encrypted(sim, text):
    key = serialization.load_pem_public_key(sim.merchant["public_key"].encode())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    return base64.b64encode(key.encrypt(text.encode(), oaep)).decode()


def test_an_abnormal_refund_is_sent_elsewhere(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"next": "ABNORMAL"})
    body = wish(sim.paid_v3())
    made = sim.v3("POST", REFUNDS, body).json
    url, serial = f"{REFUNDS}/{made['refund_id']}/apply-abnormal-refund", sim.merchant["public_key_id"]
    card = {
        "out_refund_no": body["out_refund_no"],
        "type": "USER_BANK_CARD",
        "bank_type": "ICBC_DEBIT",
        "bank_account": encrypted(sim, "6222600000000000001"),
        "real_name": encrypted(sim, "张三"),
    }

    def apply(change=(), path=url, headers=(("Wechatpay-Serial", serial),)):
        wished = {name: value for name, value in {**card, **dict(change)}.items() if value is not None}
        return sim.v3("POST", path, wished, headers=dict(headers))

    assert refused(apply(), 400, "INVALID_REQUEST")
    sim.advance(3)
    assert query(sim, body["out_refund_no"]).json["status"] == "ABNORMAL"
    assert refused(apply(headers=()), 400, "PARAM_ERROR")
    assert refused(apply(path=url.replace(made["refund_id"], "5030")), 404, "RESOURCE_NOT_EXISTS")
    for change in ({"bank_account": "AAAA"}, {"real_name": None}, {"out_refund_no": "other"}, {"bank_type": "X"}):
        assert refused(apply(change), 400, "PARAM_ERROR")
    answer = apply()
    sim.verify(answer.headers, answer.body)
    assert (answer.json["status"], answer.json["channel"]) == ("PROCESSING", "OTHER_BANKCARD")
    sim.advance(3)
    assert query(sim, body["out_refund_no"]).json["status"] == "SUCCESS"
    assert refused(apply({"type": "MERCHANT_BANK_CARD"}), 400, "INVALID_REQUEST")


def test_coupons_come_back_in_proportion_and_to_the_last_fen(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"interval_seconds": 0})
    order = sim.order_v3()
    prepay_id = sim.v3("POST", "/v3/pay/transactions/jsapi", order).json["prepay_id"]
    sim.pay_v3(prepay_id, coupon_fen=33)
    amounts = [refund(sim, order, amount).json["amount"] for amount in (10, 50, 39, 1)]
    assert sum(a["payer_refund"] for a in amounts) == 67
    assert sum(a["discount_refund"] for a in amounts) == 33
    assert all(a["payer_refund"] + a["discount_refund"] == a["refund"] for a in amounts)


def test_faults_decide_the_outcome_or_answer_any_code(sim, fault):
    order = sim.paid_v3()
    fault("v3.refund", "error", status=403, code="USER_ACCOUNT_ABNORMAL")
    assert refused(refund(sim, order), 403, "USER_ACCOUNT_ABNORMAL")
    for name, outcome in (("refund_abnormal", "ABNORMAL"), ("refund_closed", "CLOSED")):
        fault("v3.refund", name)
        body = wish(sim.paid_v3())
        assert sim.v3("POST", REFUNDS, body).json["status"] == "PROCESSING"
        found = sim.control("GET", f"ledger?out_trade_no={body['out_trade_no']}")["refunds"]
        assert found[0]["outcome"] == outcome
    fault("v3.refund", "drop_reply_after_commit")
    body = wish(order)
    with pytest.raises(ConnectionError):
        sim.v3("POST", REFUNDS, body)
    fault("v3.refund_query", "tamper", field="refund_id")
    lied = query(sim, body["out_refund_no"])
    assert lied.status == 200
    with pytest.raises(InvalidSignature):
        sim.verify(lied.headers, lied.body)
