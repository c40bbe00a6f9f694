"""Refunds by API v2: mutual TLS, what is accepted, refused and repeated, and the four ways to ask for them."""

from __future__ import annotations

import json
import secrets

import pytest


def wish(order, fen=100, **changes):
    fields = {
        "out_trade_no": order["out_trade_no"],
        "out_refund_no": "R|@*_-" + secrets.token_hex(10),
        "total_fee": order["total_fee"],
        "refund_fee": str(fen),
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def signed(sim, answer, sign_type="MD5"):
    """The fields of an answer whose sign holds."""
    fields = answer.xml
    sign = fields.pop("sign")
    assert sign == sim.keyed(fields, sign_type)
    assert "sign_type" not in fields
    return fields


def code(sim, answer):
    fields = signed(sim, answer)
    assert fields["result_code"] == "FAIL"
    return fields["err_code"]


def query(sim, **by):
    return signed(sim, sim.v2("refundquery", by))


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_the_life_of_a_refund(own_sim, sign_type):
    sim = own_sim()
    order = sim.paid_v2()
    fields = wish(order, 40, sign_type=sign_type, refund_desc="商品已售完", op_user_id=sim.merchant["mchid"])
    made = signed(sim, sim.refund_v2(fields), sign_type)
    assert made["result_code"] == "SUCCESS"
    assert (made["refund_fee"], made["total_fee"], made["cash_refund_fee"]) == ("40", "100", "40")
    assert made["transaction_id"] == order["transaction_id"]
    assert query(sim, out_refund_no=fields["out_refund_no"])["refund_status_0"] == "PROCESSING"
    assert sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml["trade_state"] == "SUCCESS"
    sim.advance(3)
    found = query(sim, out_refund_no=fields["out_refund_no"])
    assert (found["refund_status_0"], found["refund_count"], found["refund_fee_0"]) == ("SUCCESS", "1", "40")
    assert len(found["refund_success_time_0"]) == 19
    assert "total_refund_count" not in found
    assert sim.v2("orderquery", {"out_trade_no": order["out_trade_no"]}).xml["trade_state"] == "REFUND"
    assert signed(sim, sim.refund_v2(fields), sign_type)["refund_id"] == made["refund_id"]


def test_without_the_merchants_certificate_there_is_a_page(sim):
    fields = wish(sim.order_v2(openid="o1"))
    for answer in (
        sim.refund_v2(fields, certificate=False),
        sim.call("POST", "/secapi/pay/refund", b"<xml></xml>"),
        sim.call("GET", "/secapi/pay/refund"),
    ):
        assert (answer.status, answer.headers["content-type"]) == (400, "text/html")


def test_a_strangers_certificate(sim, own_sim):
    """Of another authority: refused in the handshake."""
    stranger = own_sim()
    theirs = {name: stranger.merchant[name] for name in ("client_certificate", "client_private_key")}
    known = sim.merchant
    sim.merchant = {**known, **theirs}
    try:
        with pytest.raises(OSError):
            sim.refund_v2({})
    finally:
        sim.merchant = known


def test_the_other_routes_are_served_over_tls_too(sim):
    answer = sim.secapi("/pay/refundquery", b"<xml></xml>", certificate=False)
    assert (answer.status, answer.xml["return_code"]) == (200, "FAIL")


def test_what_may_not_be_refunded(own_sim):
    sim = own_sim()
    order, open_order = sim.paid_v2(), sim.order_v2()
    sim.v2("unifiedorder", open_order)
    assert code(sim, sim.refund_v2(wish(open_order))) == "ORDERNOTEXIST"
    assert code(sim, sim.refund_v2(wish(order, out_trade_no="never-made-1"))) == "ORDERNOTEXIST"
    assert code(sim, sim.refund_v2(wish(order, transaction_id="4200"))) == "ORDERNOTEXIST"
    assert code(sim, sim.refund_v2(wish(order, out_trade_no=None))) == "PARAM_ERROR"
    assert code(sim, sim.refund_v2(wish(order, total_fee="101"))) == "PARAM_ERROR"
    assert code(sim, sim.refund_v2(wish(order, 101))) == "ERROR"
    first = wish(order, 60)
    assert signed(sim, sim.refund_v2(first))["result_code"] == "SUCCESS"
    assert code(sim, sim.refund_v2(first | {"refund_fee": "61"})) == "REFUND_FEE_MISMATCH"
    assert code(sim, sim.refund_v2(wish(order, 40))) == "FREQUENCY_LIMITED"
    sim.advance(61)
    by_id = wish(order, 40, out_trade_no="ignored-1", transaction_id=order["transaction_id"])
    assert signed(sim, sim.refund_v2(by_id))["result_code"] == "SUCCESS"
    sim.advance(61)
    full = signed(sim, sim.refund_v2(wish(order, 1)))
    assert (full["err_code"], full["err_code_des"]) == ("ERROR", "订单已全额退款")
    late = sim.paid_v2()
    sim.control("PUT", "refunds", {"balance_fen": 0})
    assert code(sim, sim.refund_v2(wish(late))) == "NOTENOUGH"
    assert query(sim, out_trade_no=late["out_trade_no"])["err_code"] == "REFUNDNOTEXIST"
    sim.advance(365 * 86400 + 1)
    assert code(sim, sim.refund_v2(wish(late))) == "TRADE_OVERDUE"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"out_refund_no": None}, "LACK_PARAMS"),
        ({"out_refund_no": "a b"}, "PARAM_ERROR"),
        ({"refund_fee": "0"}, "PARAM_ERROR"),
        ({"refund_fee": "1.0"}, "PARAM_ERROR"),
        ({"refund_fee": "-1"}, "PARAM_ERROR"),
        ({"total_fee": None}, "LACK_PARAMS"),
        ({"refund_fee_type": "USD"}, "PARAM_ERROR"),
        ({"refund_account": "MINE"}, "PARAM_ERROR"),
        ({"notify_url": "https://pay.example.test/n?a=1"}, "PARAM_ERROR"),
        ({"strange": "1"}, "PARAM_ERROR"),
    ],
)
def test_fields(sim, change, expected):
    fields = {**sim.identity_v2(), **wish({"out_trade_no": "never-made-1", "total_fee": "100"})}
    fields = {name: value for name, value in (fields | change).items() if value is not None}
    body = "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in {**fields, "sign": sim.keyed(fields)}.items())
    assert code(sim, sim.secapi("/secapi/pay/refund", f"<xml>{body}</xml>".encode())) == expected


def test_four_ways_to_ask_and_pages_of_ten(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"interval_seconds": 0})
    order = sim.paid_v2()
    made = [sim.refund_v2(wish(order, 1)).xml for _ in range(12)]
    other = sim.paid_v2()
    assert code(sim, sim.v2("refundquery", {"out_trade_no": other["out_trade_no"]})) == "REFUNDNOTEXIST"
    sim.refund_v2(wish(other, 1))
    strangers = {"out_trade_no": other["out_trade_no"], "transaction_id": other["transaction_id"]}
    by_id = query(sim, refund_id=made[3]["refund_id"], out_refund_no=made[4]["out_refund_no"], **strangers)
    assert by_id["refund_id_0"] == made[3]["refund_id"]
    by_number = query(sim, out_refund_no=made[4]["out_refund_no"], **strangers)
    assert by_number["refund_id_0"] == made[4]["refund_id"]
    by_transaction = query(sim, transaction_id=order["transaction_id"], out_trade_no=other["out_trade_no"])
    assert by_transaction["out_trade_no"] == order["out_trade_no"]
    first = query(sim, out_trade_no=order["out_trade_no"])
    second = query(sim, out_trade_no=order["out_trade_no"], offset="10")
    assert (first["total_refund_count"], first["refund_count"]) == ("12", "10")
    assert (second["total_refund_count"], second["refund_count"]) == ("12", "2")
    assert second["out_refund_no_1"] == made[11]["out_refund_no"]
    assert code(sim, sim.v2("refundquery", {"out_trade_no": order["out_trade_no"], "offset": "12"})) == "PARAM_ERROR"
    assert code(sim, sim.v2("refundquery", {})) == "LACK_PARAMS"
    assert code(sim, sim.v2("refundquery", {"out_refund_no": "never-made"})) == "REFUNDNOTEXIST"
    assert code(sim, sim.v2("refundquery", {"refund_id": "never-made"})) == "REFUNDNOTEXIST"


def test_abnormal_and_closed_as_v2_calls_them(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"next": ["ABNORMAL", "CLOSED"], "interval_seconds": 0})
    order = sim.paid_v2()
    for _ in range(2):
        sim.refund_v2(wish(order, 50))
    sim.advance(3)
    found = query(sim, out_trade_no=order["out_trade_no"])
    assert (found["refund_status_0"], found["refund_status_1"]) == ("CHANGE", "REFUNDCLOSE")
    assert "refund_success_time_0" not in found


def test_coupons(own_sim):
    sim = own_sim()
    order = sim.order_v2()
    sim.pay_v2(sim.v2("unifiedorder", order).xml["prepay_id"], coupon_fen=40)
    made = sim.refund_v2(wish(order, 50)).xml
    assert (made["cash_refund_fee"], made["coupon_refund_fee"], made["coupon_refund_fee_0"]) == ("30", "20", "20")
    found = query(sim, out_trade_no=order["out_trade_no"])
    assert (found["coupon_refund_fee_0"], found["coupon_refund_count_0"]) == ("20", "1")
    assert (found["coupon_type_0_0"], found["coupon_refund_fee_0_0"]) == ("CASH", "20")


def test_an_order_may_be_refunded_by_the_other_generation(own_sim):
    sim = own_sim()
    of_v3, of_v2 = sim.paid_v3(), sim.paid_v2()
    fields = wish({"out_trade_no": of_v3["out_trade_no"], "total_fee": "100"}, 10)
    assert signed(sim, sim.refund_v2(fields))["result_code"] == "SUCCESS"
    amount = {"refund": 10, "total": 100, "currency": "CNY"}
    body = {"out_trade_no": of_v2["out_trade_no"], "out_refund_no": "RX1", "amount": amount}
    assert sim.v3("POST", "/v3/refund/domestic/refunds", body).status == 200
    assert query(sim, out_refund_no="RX1")["refund_fee_0"] == "10"


def test_a_merchant_that_was_kept_before_there_was_mutual_tls(own_sim, tmp_path):
    """Its first authority's key is gone: a second one signs the server, and both are given out."""
    first = own_sim("--data", str(tmp_path))
    serial = first.merchant["merchant_serial_no"]
    assert first.stop() == 0
    kept = json.loads((tmp_path / "merchant.json").read_text())
    for name in ("secapi_private_key", "secapi_certificate"):
        del kept[name]
    (tmp_path / "merchant.json").write_text(json.dumps(kept))
    again = own_sim("--data", str(tmp_path))
    assert again.merchant["merchant_serial_no"] == serial
    assert again.merchant["ca_certificate"].count("BEGIN CERTIFICATE") == 2
    assert signed(again, again.refund_v2(wish(again.paid_v2())))["result_code"] == "SUCCESS"


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_a_planned_error_is_signed_as_the_request_asks(sim, fault, sign_type):
    fault("v2.refund_query", "error", code="NEVER_SEEN")
    answer = sim.v2("refundquery", {"out_refund_no": "never-made", "sign_type": sign_type})
    assert signed(sim, answer, sign_type)["err_code"] == "NEVER_SEEN"
