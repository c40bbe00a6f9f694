"""The v2 adapter's calls against a server that answers wrongly: what is believed, and what leaves the outcome unknown.

Right answers are the contract suite's business, with the simulator. The keys that sign here are the vectors'.
"""

from __future__ import annotations

import json

import pytest

from adapters.base import CloseResult, TradeStatus
from adapters.errors import Conflict, NotFound, OutcomeUnknown, Rejected, Throttled
from tests.adapters import build, known
from tests.adapters.driving import drive
from tests.adapters.wire import cut, http, say

NO = "T202401010001"
V2_OK = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "appid": known.APPID,
    "mch_id": known.MCHID,
    "nonce_str": "IITRi8Iabbblz1Jc",
}
PREPAID = {**V2_OK, "trade_type": "JSAPI", "prepay_id": "wx01"}
PAID = {**known.V2_PAID, "trade_state": "SUCCESS"}


def v2_say(fields, scheme="MD5"):
    return say(http(known.v2_xml(known.v2_signed(fields, scheme))))


def v2_unsigned(fields):
    return say(http(known.v2_xml(fields)))


def v2_query(adapter):
    return adapter.query(NO)


def v2_prepay(adapter):
    return adapter.prepay(adapter.compose(build.ATTEMPT))


def close(adapter):
    return adapter.close(NO)


@pytest.mark.parametrize("scheme", ["MD5", "HMAC-SHA256"])
def test_v2_prepay_sends_the_stored_parameters_signed_by_their_scheme(scheme):
    other = {"MD5": "HMAC-SHA256", "HMAC-SHA256": "MD5"}[scheme]
    request = build.v2(sign_type=scheme).compose(build.ATTEMPT)
    prepay, requests = drive(build.v2, v2_say(PREPAID, scheme), lambda a: a.prepay(request), sign_type=other)
    assert (prepay.prepay_id, prepay.scheme) == ("wx01", scheme)
    head, body = requests[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /pay/unifiedorder HTTP/1.1")
    expected = {**json.loads(request.parameters), "nonce_str": build.NONCE}
    assert body == known.v2_xml(known.v2_signed(expected, scheme))


def test_v2_query_and_close_name_the_order():
    for use, path in ((v2_query, b"orderquery"), (close, b"closeorder")):
        _, requests = drive(build.v2, v2_say(PAID), use)
        head, body = requests[0].split(b"\r\n\r\n", 1)
        assert head.startswith(b"POST /pay/" + path)
        fields = {"appid": known.APPID, "mch_id": known.MCHID, "out_trade_no": NO, "sign_type": "MD5"}
        assert body == known.v2_xml(known.v2_signed({**fields, "nonce_str": build.NONCE}))


def test_v2_paid():
    report, _ = drive(build.v2, v2_say(PAID), v2_query)
    assert (report.status, report.source, report.amount_fen) == (TradeStatus.PAID, "query", 100)


V2_UNKNOWN = {
    "empty": say(http()),
    "html": say(http(b"<html><body>404</body></html>")),
    "json": say(http(b'{"code":"ORDERPAID"}')),
    "unsigned": v2_unsigned(PAID),
    "return_code FAIL": v2_unsigned({"return_code": "FAIL", "return_msg": "签名错误"}),
    "return_code FAIL, but signed": v2_say({**PAID, "return_code": "FAIL"}),
    "bare SYSTEMERROR": v2_unsigned({"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "SYSTEMERROR"}),
    "signed SYSTEMERROR": v2_say({**V2_OK, "result_code": "FAIL", "err_code": "SYSTEMERROR"}),
    "unknown err_code": v2_say({**V2_OK, "result_code": "FAIL", "err_code": "NEVER_SEEN"}),
    "no err_code": v2_say({**V2_OK, "result_code": "FAIL"}),
    "no result_code": v2_say({key: value for key, value in PAID.items() if key != "result_code"}),
    "other scheme": v2_say(PAID, "HMAC-SHA256"),
    "other appid": v2_say({**PAID, "appid": "wx_other"}),
    "other mch_id": v2_say({**PAID, "mch_id": "1900000002"}),
    "no appid": v2_say({key: value for key, value in PAID.items() if key != "appid"}),
    "other order": v2_say({**PAID, "out_trade_no": "T202401010002"}),
    "another's refusal": v2_say({**V2_OK, "result_code": "FAIL", "err_code": "ORDERPAID", "mch_id": "1900000002"}),
    "500": say(http(known.v2_xml(known.v2_signed(PAID)), "500 Oops")),
    "404": say(http(b"<html>", "404 Not Found")),
    "302": say(http(b"", "302 Found", Location="/pay/orderquery")),
    "gzip": say(http(b"\x1f\x8b\x08", **{"Content-Encoding": "gzip"})),
    "cut head": cut(b"HTTP/1.1 200 OK\r\nContent-Le"),
}


@pytest.mark.parametrize("case", V2_UNKNOWN)
@pytest.mark.parametrize("use", [v2_query, v2_prepay, close])
def test_v2_unknown(case, use):
    error, _ = drive(build.v2, V2_UNKNOWN[case], use)
    assert isinstance(error, OutcomeUnknown), error


@pytest.mark.parametrize(
    ("answer", "use"),
    [
        ({**V2_OK, "trade_state": "NOTPAY"}, v2_query),  # without our number
        ({**PAID, "transaction_id": ""}, v2_query),
        ({**PAID, "total_fee": "1.00"}, v2_query),
        ({**PAID, "trade_state": ""}, v2_query),
        (V2_OK, v2_prepay),  # without a prepay_id
        ({**PREPAID, "prepay_id": "x y"}, v2_prepay),
    ],
)
def test_v2_authentic_but_not_understood(answer, use):
    error, _ = drive(build.v2, v2_say(answer), use)
    assert isinstance(error, OutcomeUnknown), error


def v2_no(code):
    return v2_say({**V2_OK, "result_code": "FAIL", "err_code": code, "err_code_des": "because"})


@pytest.mark.parametrize(
    ("code", "kind"),
    [("ORDERPAID", Conflict), ("ORDERNOTEXIST", NotFound), ("FREQUENCY_LIMITED", Throttled), ("NOAUTH", Rejected)],
)
@pytest.mark.parametrize("use", [v2_query, v2_prepay, close])
def test_v2_signed_refusals(code, kind, use):
    error, _ = drive(build.v2, v2_no(code), use)
    assert (type(error), error.code, error.message) == (kind, code, "because")


def test_v2_429():
    assert isinstance(drive(build.v2, say(http(b"", "429 Slow")), v2_query)[0], Throttled)


@pytest.mark.parametrize("code", ["ORDERCLOSED", "ORDER_CLOSED"])
def test_v2_closed_before(code):
    assert drive(build.v2, v2_no(code), close)[0] is CloseResult.ALREADY_CLOSED


def test_v2_closed_now():
    assert drive(build.v2, v2_say({**V2_OK, "result_msg": "OK"}), close)[0] is CloseResult.ACCEPTED


def test_v2_what_the_unsigned_failure_said_is_kept():
    error, _ = drive(build.v2, V2_UNKNOWN["return_code FAIL"], v2_query)
    assert "签名错误" in str(error)


@pytest.mark.parametrize(
    ("script", "ok"),
    [(v2_no("ORDERNOTEXIST"), True), (V2_UNKNOWN["return_code FAIL"], False), (v2_say({**PAID}), False)],
)
def test_v2_self_check(script, ok):
    checks, requests = drive(build.v2, script, lambda adapter: adapter.self_check())
    assert [(check.name, check.ok) for check in checks] == [("wechat_v2 api", ok)]
    assert known.V2_KEY.encode() not in requests[0]


def test_v2_refreshes_nothing():
    assert drive(build.v2, cut(), lambda adapter: adapter.refresh_keys()) == (None, [])
