"""API v2 over real sockets: what is answered, what is refused, in which order and in which words."""

from __future__ import annotations

import secrets
import time

import pytest

TEMPORARY = ("sign", "nonce_str", "sim_future_field")


def check_signed(sim, answer, sign_type="MD5"):
    fields = answer.xml
    assert "sign_type" not in fields
    assert fields["sign"] == sim.keyed({k: v for k, v in fields.items() if k != "sign"}, sign_type)
    assert (fields["appid"], fields["mch_id"]) == (sim.merchant["appid"], sim.merchant["mchid"])
    return fields


@pytest.mark.parametrize("sign_type", ["", "MD5", "HMAC-SHA256"])
def test_order_and_query_before_payment(sim, sign_type):
    order = sim.order_v2(sign_type=sign_type)
    made = check_signed(sim, sim.v2("unifiedorder", order), sign_type or "MD5")
    assert (made["result_code"], made["trade_type"], made["device_info"]) == ("SUCCESS", "JSAPI", "")
    assert len(made["prepay_id"]) == 36
    assert made["prepay_id"].startswith("wx")
    found = check_signed(
        sim, sim.v2("orderquery", {"out_trade_no": order["out_trade_no"], "sign_type": sign_type}), sign_type or "MD5"
    )
    assert (found["trade_state"], found["attach"], found["total_fee"]) == ("NOTPAY", "a=1&b=%20+", "100")
    assert "transaction_id" not in found


def test_query_after_payment_by_both_numbers(sim):
    order = sim.order_v2()
    prepay_id = sim.v2("unifiedorder", order).xml["prepay_id"]
    assert sim.pay_v2(prepay_id, coupon_fen=10).json == {"errMsg": "requestPayment:ok"}
    found = check_signed(sim, sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}))
    assert found["trade_state"] == "SUCCESS"
    assert (found["total_fee"], found["cash_fee"], found["coupon_fee"]) == ("100", "90", "10")
    assert (found["openid"], found["bank_type"] != "", found["fee_type"]) == (order["openid"], True, "CNY")
    assert len(found["transaction_id"]) == 28
    assert found["transaction_id"].isdigit()
    assert len(found["time_end"]) == 14
    again = sim.v2("orderquery", {"transaction_id": found["transaction_id"], "out_trade_no": "other-number"}).xml
    assert {k: v for k, v in again.items() if k not in TEMPORARY} == {
        k: v for k, v in found.items() if k not in TEMPORARY
    }


def test_answers_vary_as_wechats_do(sim):
    order = sim.order_v2()
    bodies = [sim.v2("unifiedorder", order).body.decode() for _ in range(6)]
    assert len({body[body.index("<nonce_str>") : body.index("</nonce_str>")] for body in bodies}) == 6
    assert 1 <= sum("sim_future_field" in body for body in bodies) < 6
    queries = [sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).body for _ in range(4)]
    assert 1 <= sum(b"<total_fee>100</total_fee>" in body for body in queries) < 4


def test_unsigned_refusals_in_wechats_order(sim):
    appid_only = f"<xml><appid>{sim.merchant['appid']}</appid></xml>".encode()
    cases = [
        (sim.call("GET", "/pay/unifiedorder"), "请使用post方法"),
        (sim.call("POST", "/pay/unifiedorder", b""), "post数据为空"),
        (sim.call("POST", "/pay/unifiedorder", b"\xff\xfe<xml/>"), "编码格式错误，请使用UTF-8编码格式"),
        (sim.call("POST", "/pay/unifiedorder", b"{}"), "XML格式错误"),
        (sim.call("POST", "/pay/unifiedorder", b"<!DOCTYPE xml><xml></xml>"), "XML格式错误"),
        (sim.call("POST", "/pay/unifiedorder", b"<xml></xml>"), "缺少参数appid"),
        (
            sim.call("POST", "/pay/unifiedorder", appid_only),
            "缺少参数mch_id",
        ),
        (sim.v2("unifiedorder", {"mch_id": "12345678"}), "商户号mch_id不存在"),
        (sim.v2("unifiedorder", {}, lambda _: "0" * 32), "签名错误"),
        (sim.v2("unifiedorder", {"sign_type": "SHA1"}, lambda _: "0" * 32), "签名类型sign_type错误"),
    ]
    for answer, text in cases:
        assert answer.status == 200
        assert answer.xml == {"return_code": "FAIL", "return_msg": text}


FIELDS = [
    ({"body": ""}, "LACK_PARAMS"),
    ({"body": "测" * 43}, "PARAM_ERROR"),
    ({"body": "咖啡\U0001f600"}, "PARAM_ERROR"),
    ({"attach": "x" * 128}, "PARAM_ERROR"),
    ({"out_trade_no": "12345"}, "PARAM_ERROR"),
    ({"out_trade_no": "x" * 33}, "PARAM_ERROR"),
    ({"out_trade_no": "bad@number"}, "PARAM_ERROR"),
    ({"fee_type": "USD"}, "PARAM_ERROR"),
    ({"total_fee": "0"}, "PARAM_ERROR"),
    ({"total_fee": "01"}, "PARAM_ERROR"),
    ({"total_fee": "-1"}, "PARAM_ERROR"),
    ({"total_fee": "1.00"}, "PARAM_ERROR"),
    ({"total_fee": "１００"}, "PARAM_ERROR"),
    ({"total_fee": " 100"}, "PARAM_ERROR"),
    ({"spbill_create_ip": "localhost"}, "PARAM_ERROR"),
    ({"time_start": "2024-01-01"}, "PARAM_ERROR"),
    ({"time_start": "20240101000000", "time_expire": "20240101000030"}, "INVALID_REQUEST"),
    ({"notify_url": "https://pay.example.test/n?a=1"}, "PARAM_ERROR"),
    ({"trade_type": "NATIVE"}, "PARAM_ERROR"),
    ({"limit_pay": "no_debit"}, "PARAM_ERROR"),
    ({"openid": ""}, "LACK_PARAMS"),
    ({"openid": "oSomebodyElses00000000000000"}, "PARAM_ERROR"),
    ({"receipt": "y"}, "PARAM_ERROR"),
    ({"profit_sharing": "yes"}, "PARAM_ERROR"),
    ({"scene_info": "[]"}, "PARAM_ERROR"),
    ({"detail": "{"}, "PARAM_ERROR"),
    ({"nonce_str": "n" * 33}, "PARAM_ERROR"),
    ({"sub_mch_id": "1900000000"}, "PARAM_ERROR"),
    ({"appid": "wxsomebodyelse0000"}, "APPID_NOT_EXIST"),
]


@pytest.mark.parametrize(("changes", "code"), FIELDS, ids=[f"{c}"[:40] for c, _ in FIELDS])
def test_field_by_field(sim, changes, code):
    fields = sim.order_v2() | changes
    refused = check_signed(sim, sim.v2("unifiedorder", fields))
    assert (refused["return_code"], refused["result_code"], refused["err_code"]) == ("SUCCESS", "FAIL", code)
    assert refused["err_code_des"]


def test_every_optional_field_is_taken(sim):
    order = sim.order_v2(
        device_info="WEB", detail='{"goods_detail":[{"goods_id":"1","quantity":1,"price":1}]}', fee_type="CNY",
        time_start="20240101100000", time_expire="20240101110000", goods_tag="WXG", product_id="1",
        limit_pay="no_credit", receipt="Y", profit_sharing="N", scene_info='{"store_info":{"id":"1"}}', version="1.0",
        spbill_create_ip="2001:db8::1",
    )  # fmt: skip
    assert sim.v2("unifiedorder", order).xml["device_info"] == "WEB"


def test_same_content_same_prepay_id_other_content_refused(sim):
    order = sim.order_v2()
    first = sim.v2("unifiedorder", order).xml["prepay_id"]
    assert sim.v2("unifiedorder", order).xml["prepay_id"] == first
    changed = sim.v2("unifiedorder", order | {"total_fee": "101"}).xml
    assert (changed["err_code"], changed["err_code_des"]) == ("INVALID_REQUEST", "201 商户订单号重复")
    assert sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml["total_fee"] == "100"


def test_paid_and_closed_orders(sim):
    paid, closed = sim.order_v2(), sim.order_v2()
    sim.pay_v2(sim.v2("unifiedorder", paid).xml["prepay_id"])
    sim.v2("unifiedorder", closed)
    done = check_signed(sim, sim.v2("closeorder", {"out_trade_no": closed["out_trade_no"]}))
    assert (done["result_code"], done["result_msg"]) == ("SUCCESS", "OK")
    assert sim.v2("orderquery", {"out_trade_no": closed["out_trade_no"]}).xml["trade_state"] == "CLOSED"
    errors = {
        "ORDERPAID": [sim.v2("unifiedorder", paid), sim.v2("closeorder", {"out_trade_no": paid["out_trade_no"]})],
        "ORDERCLOSED": [
            sim.v2("unifiedorder", closed),
            sim.v2("unifiedorder", closed | {"total_fee": "7"}),
            sim.v2("closeorder", {"out_trade_no": closed["out_trade_no"]}),
        ],
        "OUT_TRADE_NO_USED": [sim.v2("unifiedorder", paid | {"total_fee": "7"})],
        "ORDERNOTEXIST": [
            sim.v2("closeorder", {"out_trade_no": "never-made-1"}),
            sim.v2("orderquery", {"out_trade_no": "never-made-1"}),
            sim.v2("orderquery", {"transaction_id": "4200000000000000000000000000"}),
        ],
        "LACK_PARAMS": [sim.v2("orderquery", {}), sim.v2("closeorder", {})],
        "PARAM_ERROR": [sim.v2("closeorder", {"out_trade_no": "never-made-1", "body": "x"})],
    }
    for code, answers in errors.items():
        for answer in answers:
            assert check_signed(sim, answer)["err_code"] == code


def test_a_new_prepay_id_after_two_hours_and_the_old_one_is_dead(own_sim):
    sim = own_sim()
    order = sim.order_v2(time_expire=time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600 + 86400)))
    first = sim.v2("unifiedorder", order).xml["prepay_id"]
    sim.advance(7201)
    second = sim.v2("unifiedorder", order).xml["prepay_id"]
    assert second != first
    assert sim.pay_v2(first).json == {"errMsg": "requestPayment:fail 预支付订单已过期，请重新下单"}
    assert sim.pay_v2(second).json == {"errMsg": "requestPayment:ok"}


def test_closing_early_is_complained_of_and_done(own_sim):
    sim = own_sim()
    early, late = sim.order_v2(), sim.order_v2()
    for order in (early, late):
        sim.v2("unifiedorder", order)
    sim.v2("closeorder", {"out_trade_no": early["out_trade_no"]})
    sim.advance(300)
    sim.v2("closeorder", {"out_trade_no": late["out_trade_no"]})
    complaints = [c["message"] for c in sim.control("GET", "complaints")["complaints"] if c["code"] == "CLOSED_EARLY"]
    assert len(complaints) == 1
    assert early["out_trade_no"] in complaints[0]


def test_unknown_routes_get_a_page(sim):
    for path in ("/secapi/pay/refunds", "/nothing", "/pay/unifiedorder/"):
        answer = sim.call("POST", path, b"<xml></xml>")
        assert (answer.status, answer.headers["content-type"]) == (404, "text/html")


@pytest.mark.parametrize("attempt", range(30))
def test_random_bytes_are_refused_not_fatal(sim, attempt):
    path = ("/pay/unifiedorder", "/pay/orderquery", "/pay/closeorder")[attempt % 3]
    answer = sim.call("POST", path, b"<xml>" * (attempt % 2) + secrets.token_bytes(attempt * 7))
    assert answer.status == 200
    assert answer.xml["return_code"] == "FAIL"
