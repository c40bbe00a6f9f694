"""Every row of the pages' error tables can be planned, for every operation, in the form that the operation has."""

from __future__ import annotations

import http.client
import json

import pytest

from tests import pages
from tests.simulator.client import JSAPI
from tests.simulator.process import fields_of

SIGN_ERROR = pages.v3_codes("## 3.")
ORDERS = SIGN_ERROR | pages.v3_codes("## 16.", after="Orders (create", before="Refunds:") | {(202, "USERPAYING")}
REFUNDS = SIGN_ERROR | pages.v3_codes("## 16.", after="Refunds:")
BILLS = SIGN_ERROR | pages.v3_codes("## 14.")
V2 = {  # fault plan's name: (path, codes)
    "v2.prepay": ("unifiedorder", pages.v2_codes(4)),
    "v2.query": ("orderquery", pages.v2_codes(6) | pages.v2_codes(4)),
    "v2.close": ("closeorder", pages.v2_codes(7)),
    "v2.refund_query": ("refundquery", pages.v2_codes(9) | pages.v2_codes(4)),
}
V3 = {
    "v3.prepay": ("POST", JSAPI, ORDERS),
    "v3.query": ("GET", "/v3/pay/transactions/out-trade-no/number-1", ORDERS),
    "v3.close": ("POST", "/v3/pay/transactions/out-trade-no/number-1/close", ORDERS),
    "v3.certificates": ("GET", "/v3/certificates", SIGN_ERROR | pages.v3_codes("## 6.")),
    "v3.refund": ("POST", "/v3/refund/domestic/refunds", REFUNDS),
    "v3.refund_query": ("GET", "/v3/refund/domestic/refunds/number-1", REFUNDS | pages.v3_codes("### 13.2")),
    "v3.refund_abnormal": ("POST", "/v3/refund/domestic/refunds/503/apply-abnormal-refund", REFUNDS),
    "v3.bill": ("GET", "/v3/bill/tradebill", BILLS),
    "v3.bill_file": ("GET", "/v3/billdownload/file", BILLS),
}
SHIPPING = set(pages.rows(pages.section("mini-program.md", "### POST"), "errcode"))
SHIPPING = {code for row in SHIPPING for code in row.replace(",", " ").replace("/", " ").split()}
assert {"-1", "10060001", "10060003", "42001", "47001"} <= SHIPPING, "the page is read otherwise than it is written"
ERRCODES = {
    "login": ("GET", "/sns/jscode2session", pages.login_codes()),
    "token": ("POST", "/cgi-bin/stable_token", {"-1", "40001", "40002", "40013", "40125", "40164", "45009", "45011"}),
    "ship": ("POST", "/wxa/sec/order/upload_shipping_info", SHIPPING),
    "ship_query": ("POST", "/wxa/sec/order/get_order", SHIPPING),
}


def planned(sim, op, rules):
    """One rule after another, in the order in which they are to strike."""
    sim.control("PUT", "faults", [{"op": op, "fault": "error", "count": 1, **rule} for rule in rules])


@pytest.fixture(autouse=True)
def _cleared(sim):
    yield
    sim.control("DELETE", "faults")


@pytest.mark.parametrize("op", V2)
def test_v2(sim, op):
    path, codes = V2[op]
    planned(sim, op, [{"code": code} for code in sorted(codes)])
    for code in sorted(codes):
        fields = sim.v2(path, {"out_trade_no": "number-1", "sign_type": "HMAC-SHA256"}).xml
        assert fields.pop("sign") == sim.keyed(fields, "HMAC-SHA256")
        assert (fields["return_code"], fields["result_code"], fields["err_code"]) == ("SUCCESS", "FAIL", code)


def test_v2_refund(sim):
    codes = sorted(pages.v2_codes(8))
    assert "NOTENOUGH" in codes
    planned(sim, "v2.refund", [{"code": code} for code in codes])
    for code in codes:
        fields = sim.refund_v2({"out_trade_no": "number-1"}).xml
        assert fields.pop("sign") == sim.keyed(fields)
        assert fields["err_code"] == code


def test_v2_bills(sim):
    texts = sorted(pages.v2_bill_texts())
    planned(sim, "v2.bill", [{"code": text} for text in texts])
    for text in texts:
        fields = sim.v2("downloadbill", {}).xml
        assert (fields["return_code"], fields["return_msg"]) == ("FAIL", text)
        assert fields["error_code"].isdigit()
        assert not {"sign", "result_code"} & fields.keys()
    codes = ["SYSTEMERROR", "PARAM_ERROR", "NO_BILL_EXIST", "BILL_CREATING"]
    planned(sim, "v2.bill", [{"code": code} for code in codes])
    for code in codes:
        fields = fields_of(sim.secapi("/pay/downloadfundflow", b"").body)
        assert (fields["return_code"], fields["result_code"], fields["err_code"]) == ("SUCCESS", "FAIL", code)


@pytest.mark.parametrize("op", V3)
def test_v3(sim, op):
    method, path, codes = V3[op]
    assert (401, "SIGN_ERROR") in codes
    planned(sim, op, [{"status": status, "code": code} for status, code in sorted(codes)])
    for row in sorted(codes):
        answer = sim.v3(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.json["code"]) == row
        if answer.status < 300:
            sim.verify(answer.headers, answer.body)
        else:
            assert "wechatpay-signature" not in answer.headers


@pytest.mark.parametrize("op", ERRCODES)
def test_errcodes(sim, op):
    method, path, codes = ERRCODES[op]
    assert "-1" in codes
    planned(sim, op, [{"code": code} for code in sorted(codes)])
    for code in sorted(codes):
        answer = sim.call(method, path, b"{}" if method == "POST" else None)
        assert (answer.status, answer.json["errcode"]) == (http.client.OK, int(code))
        assert ", rid: " in json.loads(answer.body)["errmsg"]
