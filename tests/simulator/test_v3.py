"""API v3 over real sockets: authentication, field tables, states, signatures of answers."""

from __future__ import annotations

import base64
import json
import secrets
import time
from email.utils import parsedate_to_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

JSAPI = "/v3/pay/transactions/jsapi"
NUMBER = "/v3/pay/transactions/out-trade-no/"


def by_number(sim, out_trade_no):
    return f"{NUMBER}{out_trade_no}?mchid={sim.merchant['mchid']}"


def close(sim, out_trade_no):
    return sim.v3("POST", f"{NUMBER}{out_trade_no}/close", {"mchid": sim.merchant["mchid"]})


def test_order_pay_query(sim):
    order = sim.order_v3()
    made = sim.v3("POST", JSAPI, order)
    assert made.status == 200
    sim.verify(made.headers, made.body)
    assert list(made.json) == ["prepay_id"]
    unpaid = sim.v3("GET", by_number(sim, order["out_trade_no"]))
    sim.verify(unpaid.headers, unpaid.body)
    assert unpaid.json["trade_state"] == "NOTPAY"
    assert unpaid.json["amount"] == {"total": 100, "payer_currency": "CNY"}
    assert not {"transaction_id", "payer", "success_time"} & unpaid.json.keys()
    assert sim.pay_v3(made.json["prepay_id"], coupon_fen=10).json == {"errMsg": "requestPayment:ok"}
    paid = sim.v3("GET", by_number(sim, order["out_trade_no"]))
    sim.verify(paid.headers, paid.body)
    assert paid.json["amount"] == {"total": 100, "payer_total": 90, "currency": "CNY", "payer_currency": "CNY"}
    assert paid.json["promotion_detail"][0]["amount"] == 10
    assert paid.json["payer"] == order["payer"]
    number = paid.json["transaction_id"]
    same = sim.v3("GET", f"/v3/pay/transactions/id/{number}?mchid={sim.merchant['mchid']}")
    sim.verify(same.headers, same.body)
    assert same.json["out_trade_no"] == order["out_trade_no"]


def test_close_is_a_signed_204_also_the_second_time(sim):
    order = sim.order_v3()
    sim.v3("POST", JSAPI, order)
    for _ in range(2):
        closed = close(sim, order["out_trade_no"])
        assert (closed.status, closed.body) == (204, b"")
        sim.verify(closed.headers, b"")
    assert sim.v3("GET", by_number(sim, order["out_trade_no"])).json["trade_state"] == "CLOSED"
    assert refused(sim.v3("POST", JSAPI, order)) == (400, "ORDER_CLOSED")


def refused(answer):
    assert "wechatpay-signature" not in answer.headers
    assert answer.headers["request-id"]
    return answer.status, answer.json["code"]


def test_paid_unknown_and_repeated_orders(sim):
    order = sim.order_v3()
    prepay_id = sim.v3("POST", JSAPI, order).json["prepay_id"]
    assert sim.v3("POST", JSAPI, dict(reversed(order.items()))).json["prepay_id"] == prepay_id
    other = order | {"amount": {"total": 101, "currency": "CNY"}}
    again = sim.v3("POST", JSAPI, other)
    assert (refused(again), again.json["message"]) == ((400, "INVALID_REQUEST"), "201 商户订单号重复")
    sim.pay_v3(prepay_id)
    assert refused(sim.v3("POST", JSAPI, order)) == (400, "ORDERPAID")
    assert refused(sim.v3("POST", JSAPI, other)) == (403, "OUT_TRADE_NO_USED")
    assert refused(close(sim, order["out_trade_no"])) == (400, "ORDERPAID")
    assert refused(close(sim, "never-made-1")) == (404, "ORDER_NOT_EXIST")
    assert refused(sim.v3("GET", by_number(sim, "never-made-1"))) == (404, "ORDER_NOT_EXIST")
    unknown = f"/v3/pay/transactions/id/42000000?mchid={sim.merchant['mchid']}"
    assert refused(sim.v3("GET", unknown)) == (404, "ORDER_NOT_EXIST")


def test_one_ledger_for_both_generations(sim):
    v2, v3 = sim.order_v2(), sim.order_v3(out_trade_no="a_b-c|d*" + secrets.token_hex(4))
    sim.v2("unifiedorder", v2)
    sim.v3("POST", JSAPI, v3)
    assert sim.v3("GET", by_number(sim, v2["out_trade_no"])).json["amount"]["total"] == 100
    assert sim.v2("orderquery", {"out_trade_no": v3["out_trade_no"]}).xml["trade_state"] == "NOTPAY"
    assert refused(sim.v3("POST", JSAPI, sim.order_v3(out_trade_no=v2["out_trade_no"]))) == (400, "INVALID_REQUEST")
    assert close(sim, v2["out_trade_no"]).status == 204
    assert sim.v2("orderquery", {"out_trade_no": v2["out_trade_no"]}).xml["trade_state"] == "CLOSED"
    quoted = v3["out_trade_no"].replace("|", "%7C").replace("*", "%2A")
    assert sim.v3("GET", by_number(sim, quoted)).json["out_trade_no"] == v3["out_trade_no"]


def test_the_request_chooses_the_signing_key(sim):
    url, merchant = by_number(sim, "never-made-1").replace("never-made-1", sim.order_v3()["out_trade_no"]), sim.merchant
    order = sim.order_v3()
    sim.v3("POST", JSAPI, order)
    url = by_number(sim, order["out_trade_no"])
    for asked, expected in [
        (merchant["public_key_id"], merchant["public_key_id"]),
        (merchant["platform_serial_no"], merchant["platform_serial_no"]),
        (None, merchant["platform_serial_no"]),
    ]:
        answer = sim.v3("GET", url, headers={"Wechatpay-Serial": asked})
        assert answer.headers["wechatpay-serial"] == expected
        sim.verify(answer.headers, answer.body)
    wrong = sim.v3("GET", url, headers={"Wechatpay-Serial": "PUB_KEY_ID_0100000000000000000000000000000000"})
    assert refused(wrong) == (400, "PARAM_ERROR")


def test_certificates(sim):
    answer = sim.v3("GET", "/v3/certificates")
    sim.verify(answer.headers, answer.body)
    entry = answer.json["data"][0]
    sealed = entry["encrypt_certificate"]
    gcm = AESGCM(sim.merchant["v3_api_key"].encode())
    pem = gcm.decrypt(sealed["nonce"].encode(), base64.b64decode(sealed["ciphertext"]), b"certificate")
    assert pem.decode() == sim.merchant["platform_certificate"]
    certificate = x509.load_pem_x509_certificate(pem)
    authority = x509.load_pem_x509_certificate(sim.merchant["ca_certificate"].encode())
    certificate.verify_directly_issued_by(authority)
    assert f"{certificate.serial_number:040X}" == entry["serial_no"] == sim.merchant["platform_serial_no"]
    own = x509.load_pem_x509_certificate(sim.merchant["merchant_certificate"].encode())
    assert own.public_key() == sim.key.public_key()
    assert f"{own.serial_number:040X}" == sim.merchant["merchant_serial_no"]


def test_authentication(sim):
    now, url = int(time.time()), "/v3/certificates"
    for changes in (
        {"serial_no": "5" * 40},
        {"serial_no": sim.merchant["platform_serial_no"]},
        {"serial_no": sim.merchant["merchant_serial_no"].lower()},
        {"timestamp": str(now - 302)},
        {"timestamp": str(now + 302)},
        {"timestamp": str(now * 1000)},
        {"timestamp": "-1"},
        {"timestamp": ""},
        {"nonce_str": "n" * 33},
        {"nonce_str": ""},
        {"signature": ""},
        {"signature": "A" * 344},
        {"headers": {"Authorization": None}},
        {"headers": {"Authorization": "Basic x"}},
    ):
        answer = sim.v3("GET", url, **changes)
        assert refused(answer) == (401, "SIGN_ERROR"), changes
        assert answer.json["detail"]["location"] == "authorization"
        assert answer.explanation["likely_cause"]
    assert sim.v3("GET", url, timestamp=str(now - 298)).status == 200
    assert sim.v3("GET", url, nonce_str="n" * 32).status == 200
    assert refused(sim.v3("GET", url, mchid="12345678")) == (400, "MCH_NOT_EXISTS")


def test_a_bad_signature_is_answered_with_what_was_signed(sim):
    answer = sim.v3("POST", JSAPI, {"a": 1}, signature="A" * 344)
    information = answer.json["detail"]["sign_information"]
    assert (information["method"], information["url"]) == ("POST", JSAPI)
    assert information["truncated_sign_message"].startswith(f"POST\n{JSAPI}\n")
    assert information["sign_message_length"] == len(information["truncated_sign_message"])


def test_headers_are_required(sim):
    for name in ("User-Agent", "Accept", "Content-Type"):
        answer = sim.v3("POST", JSAPI, sim.order_v3(), headers={name: None})
        assert refused(answer) == (400, "PARAM_ERROR")
        assert answer.json["detail"]["field"] == name
    assert refused(sim.v3("POST", JSAPI, {}, headers={"Accept": "text/html"}))[0] == 400
    assert sim.v3("GET", "/v3/certificates", headers={"Content-Type": None, "Accept": "*/*"}).status == 200


BODY = [
    ({"description": None}, "/description"),
    ({"description": ""}, "/description"),
    ({"description": "测" * 43}, "/description"),
    ({"description": "咖啡\U0001f600"}, "/description"),
    ({"description": 1}, "/description"),
    ({"out_trade_no": "12345"}, "/out_trade_no"),
    ({"out_trade_no": "bad@number"}, "/out_trade_no"),
    ({"time_expire": "2024-01-01 10:00:00"}, "/time_expire"),
    ({"attach": "x" * 129}, "/attach"),
    ({"attach": None}, "/attach"),
    ({"notify_url": "http://pay.example.test/n"}, "/notify_url"),
    ({"notify_url": "https://pay.example.test/n?a=1"}, "/notify_url"),
    ({"amount": {"total": 0}}, "/amount/total"),
    ({"amount": {"total": -1}}, "/amount/total"),
    ({"amount": {"total": "100"}}, "/amount/total"),
    ({"amount": {"total": 1.0}}, "/amount/total"),
    ({"amount": {"total": True}}, "/amount/total"),
    ({"amount": {"total": 10**12}}, "/amount/total"),
    ({"amount": {}}, "/amount/total"),
    ({"amount": 100}, "/amount"),
    ({"amount": {"total": 1, "currency": "USD"}}, "/amount/currency"),
    ({"amount": {"total": 1, "refund": 1}}, "/amount/refund"),
    ({"payer": {"openid": "oSomebodyElses00000000000000"}}, "/payer/openid"),
    ({"payer": {}}, "/payer/openid"),
    ({"limit_pay": "no_credit"}, "/limit_pay"),
    ({"limit_pay": ["credit"]}, "/limit_pay/0"),
    ({"support_fapiao": "true"}, "/support_fapiao"),
    ({"detail": {"goods_detail": [{"merchant_goods_id": "1", "quantity": 0, "unit_price": 1}]}},
     "/detail/goods_detail/0/quantity"),
    ({"scene_info": {"payer_client_ip": "somewhere"}}, "/scene_info/payer_client_ip"),
    ({"scene_info": {"device_id": "1"}}, "/scene_info/payer_client_ip"),
    ({"settle_info": {"profit_sharing": 1}}, "/settle_info/profit_sharing"),
    ({"mchid": "19000"}, "/mchid"),
    ({"mch_id": "1"}, "/mch_id"),
    ({"trade_type": "JSAPI"}, "/trade_type"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "pointer"), BODY, ids=[f"{c}"[:40] for c, _ in BODY])
def test_field_by_field(sim, changes, pointer):
    answer = sim.v3("POST", JSAPI, sim.order_v3() | changes)
    assert refused(answer) == (400, "PARAM_ERROR")
    assert answer.json["detail"]["field"] == pointer
    assert answer.json["detail"]["location"] == "body"
    assert answer.json["detail"]["issue"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"{", b'{"mchid":"1","mchid":"1"}', b'{"a":NaN}', b"\xff", b"[" * 50_000, b'{"\\ud800":1}'],
)
def test_bodies_that_are_no_order(sim, raw):
    assert refused(sim.v3("POST", JSAPI, raw=raw)) == (400, "PARAM_ERROR")


def test_every_optional_field_is_taken(sim):
    goods = {"merchant_goods_id": "1", "wechatpay_goods_id": "1", "goods_name": "咖啡", "quantity": 1, "unit_price": 0}
    order = sim.order_v3(
        time_expire="2099-01-01T00:00:00.5+08:00", goods_tag="WXG", support_fapiao=True, limit_pay=["no_credit"],
        detail={"cost_price": 1, "invoice_id": "1", "goods_detail": [goods]},
        scene_info={"payer_client_ip": "2001:db8::1", "device_id": "1", "store_info": {"id": "1", "name": "店",
                    "area_code": "440305", "address": "路"}},
        settle_info={"profit_sharing": False},
    )  # fmt: skip
    assert sim.v3("POST", JSAPI, order).status == 200
    kept = next(o for o in sim.control("GET", "ledger")["orders"] if o["out_trade_no"] == order["out_trade_no"])
    assert kept["expires_at"] - kept["created_at"] == 90 * 86400


def test_an_expiry_in_the_past_becomes_one_minute(sim):
    v3 = sim.order_v3(time_expire="2020-01-01T00:00:00+08:00")
    v2 = sim.order_v2(time_expire="20200101000000")
    sim.v3("POST", JSAPI, v3)
    sim.v2("unifiedorder", v2)
    for order in (v3, v2):
        (kept,) = sim.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["orders"]
        assert kept["expires_at"] - kept["created_at"] == 60


def test_somebody_elses_appid(sim):
    answer = sim.v3("POST", JSAPI, sim.order_v3(appid="wxsomebodyelse0000"))
    assert refused(answer) == (400, "APPID_MCHID_NOT_MATCH")


def test_query_parameters(sim):
    for query in ("", "?mchid=", "?mchid=19000", f"?mchid={sim.merchant['mchid']}&a=1", "?mchid=1&mchid=1"):
        assert refused(sim.v3("GET", f"{NUMBER}never-made-1{query}")) == (400, "PARAM_ERROR")
    assert refused(sim.v3("POST", f"{NUMBER}never-made-1/close", {})) == (400, "PARAM_ERROR")
    assert refused(sim.v3("POST", f"{NUMBER}never-made-1/close", {"mchid": "19000"})) == (400, "PARAM_ERROR")


def test_unknown_routes_and_methods(sim):
    assert sim.v3("GET", "/v3/nothing").json["code"] == "RESOURCE_NOT_EXISTS"
    assert sim.v3("GET", JSAPI).status == 405
    assert sim.call("PUT", "/v3/certificates").status == 405


def test_the_clock_that_is_wrong_is_wechats(own_sim):
    sim = own_sim()
    sim.control("POST", "clock", {"wire_skew_seconds": -400})
    assert refused(sim.v3("GET", "/v3/certificates")) == (401, "SIGN_ERROR")
    answer = sim.v3("GET", "/v3/certificates", timestamp=str(int(time.time()) - 400))
    assert abs(int(answer.headers["wechatpay-timestamp"]) - (time.time() - 400)) < 100
    assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - (time.time() - 400)) < 100


def test_merchant_without_platform_certificates(own_sim):
    sim = own_sim()
    sim.control("PUT", "keys", {"platform_certificates": False})
    assert refused(sim.v3("GET", "/v3/certificates")) == (404, "RESOURCE_NOT_EXISTS")
    made = sim.v3("POST", JSAPI, sim.order_v3())
    assert made.headers["wechatpay-serial"] == sim.merchant["public_key_id"]


def test_json_is_utf8_and_compact(sim):
    answer = sim.v3("GET", by_number(sim, "never-made-1"))
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.body == json.dumps(answer.json, ensure_ascii=False, separators=(",", ":")).encode()
