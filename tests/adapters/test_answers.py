"""The error tables, row by row, and what is in no table."""

from __future__ import annotations

import json

import pytest

from adapters.errors import Conflict, NotFound, NotReady, OutcomeUnknown, Rejected, Throttled
from adapters.judging import plain
from adapters.transport import Response
from adapters.wechat_v2 import answers as v2
from adapters.wechat_v3 import answers as v3

# Written from v2.md 4, 6 to 10 and v3.md 13, 14, 16, not from the tables under test.
V2 = {
    Conflict: "ORDERPAID ORDERCLOSED OUT_TRADE_NO_USED TRADE_STATE_ERROR INVALID_REQUEST",
    NotFound: "ORDERNOTEXIST",
    Throttled: "FREQUENCY_LIMITED INVALID_REQ_TOO_MUCH RATELIMIT_EXCEED RATELIMIT_EXCEEDED",
    OutcomeUnknown: "SYSTEMERROR BIZERR_NEED_RETRY BANKERROR USERPAYING",
    Rejected: "NOAUTH NOTENOUGH APPID_NOT_EXIST MCHID_NOT_EXIST APPID_MCHID_NOT_MATCH LACK_PARAMS PARAM_ERROR "
    "XML_FORMAT_ERROR POST_DATA_EMPTY NOT_UTF8 REQUIRE_POST_METHOD SIGNERROR INVALID_TRANSACTIONID",
}
V3 = {
    (400, Conflict): "ORDERPAID ORDER_CLOSED INVALID_REQUEST TRADE_STATE_ERROR",
    (403, Conflict): "OUT_TRADE_NO_USED",
    (404, NotFound): "ORDER_NOT_EXIST RESOURCE_NOT_EXISTS",
    (429, Throttled): "FREQUENCY_LIMITED RATELIMIT_EXCEED RATELIMIT_EXCEEDED RATE_LIMITED",
    (500, OutcomeUnknown): "SYSTEM_ERROR BANK_ERROR",
    (503, OutcomeUnknown): "SERVICE_UNAVAILABLE",
    (400, OutcomeUnknown): "USERPAYING",
    (400, Rejected): "PARAM_ERROR APPID_MCHID_NOT_MATCH MCH_NOT_EXISTS",
    (401, Rejected): "SIGN_ERROR",
    (403, Rejected): "NO_AUTH ACCOUNT_ERROR RULE_LIMIT TRADE_ERROR NOT_ENOUGH",
    (500, Rejected): "OPENID_MISMATCH INVALID_TRANSACTIONID",
}
LATER = "FREQUENCY_LIMITED INVALID_REQ_TOO_MUCH RATELIMIT_EXCEED RATELIMIT_EXCEEDED"
V2_REFUND = {
    Throttled: LATER + " NOTENOUGH BIZERR_NEED_RETRY",
    OutcomeUnknown: "SYSTEMERROR SIGNERROR REFUND_FEE_MISMATCH",
    Rejected: "ERROR TRADE_OVERDUE USER_ACCOUNT_ABNORMAL ORDERNOTEXIST INVALID_TRANSACTIONID PARAM_ERROR "
    "APPID_NOT_EXIST MCHID_NOT_EXIST REQUIRE_POST_METHOD XML_FORMAT_ERROR",
}
V2_REFUND_QUERY = {
    NotFound: "REFUNDNOTEXIST",
    Throttled: LATER,
    OutcomeUnknown: "SYSTEMERROR INVALID_TRANSACTIONID PARAM_ERROR APPID_NOT_EXIST MCHID_NOT_EXIST "
    "REQUIRE_POST_METHOD SIGNERROR XML_FORMAT_ERROR",
}
V3_LATER = {
    (429, Throttled): "FREQUENCY_LIMITED RATELIMIT_EXCEED RATELIMIT_EXCEEDED RATE_LIMITED",
    (500, OutcomeUnknown): "SYSTEM_ERROR",
    (503, OutcomeUnknown): "SERVICE_UNAVAILABLE",
}
V3_REFUND = {
    **V3_LATER,
    (400, Rejected): "PARAM_ERROR INVALID_REQUEST",
    (401, OutcomeUnknown): "SIGN_ERROR",
    (403, Throttled): "NOT_ENOUGH",
    (403, Rejected): "USER_ACCOUNT_ABNORMAL NO_AUTH",
    (404, Rejected): "RESOURCE_NOT_EXISTS MCH_NOT_EXISTS",
}
V3_REFUND_QUERY = {
    **V3_LATER,
    (400, OutcomeUnknown): "PARAM_ERROR INVALID_REQUEST",
    (401, OutcomeUnknown): "SIGN_ERROR",
    (403, OutcomeUnknown): "NO_AUTH",
    (404, NotFound): "RESOURCE_NOT_EXISTS",
    (404, OutcomeUnknown): "MCH_NOT_EXISTS",
}
V3_BILL = {
    **V3_LATER,
    (400, NotFound): "NO_STATEMENT_EXIST",
    (400, NotReady): "STATEMENT_CREATING",
    (400, Rejected): "INVALID_REQUEST PARAM_ERROR",
    (401, Rejected): "SIGN_ERROR",
    (403, Rejected): "NO_AUTH",
}


def v2_rows(expected):
    return [(code, kind) for kind, codes in expected.items() for code in codes.split()]


def v3_rows(expected):
    return [(status, code, kind) for (status, kind), codes in expected.items() for code in codes.split()]


V2_TABLES = [(v2.TABLE, v2_rows(V2)), (v2.REFUND, v2_rows(V2_REFUND)), (v2.REFUND_QUERY, v2_rows(V2_REFUND_QUERY))]
V3_TABLES = [
    (v3.TABLE, v3_rows(V3)),
    (v3.REFUND, v3_rows(V3_REFUND)),
    (v3.REFUND_QUERY, v3_rows(V3_REFUND_QUERY)),
    (v3.BILL, v3_rows(V3_BILL)),
]
V2_ROWS = [(table, *row) for table, rows in V2_TABLES for row in rows]
V3_ROWS = [(table, *row) for table, rows in V3_TABLES for row in rows]


def response(status, code=None, message="because"):
    body = b"" if code is None else json.dumps({"code": code, "message": message}).encode()
    return Response(status, {}, body)


@pytest.mark.parametrize(("table", "code", "kind"), V2_ROWS)
def test_v2_row(table, code, kind):
    error = v2.refusal(code, "because", table)
    assert (type(error), error.code, error.message) == (kind, code, "because")


@pytest.mark.parametrize(("table", "status", "code", "kind"), V3_ROWS)
def test_v3_row(table, status, code, kind):
    error = v3.refusal(response(status, code), table)
    assert (type(error), error.code) == (kind, code)
    assert "because" in error.message


def test_no_row_without_a_test():
    for table, rows in V2_TABLES:
        assert {plain(code) for code in table} == {plain(code) for code, _ in rows}
    for table, rows in V3_TABLES:
        assert {plain(code) for code in table} == {plain(code) for _, code, _ in rows}


def test_unless_asked_otherwise_the_table_is_the_orders():
    assert type(v2.refusal("NOTENOUGH", "")) is Rejected
    assert type(v3.refusal(response(403, "NOT_ENOUGH"))) is Rejected


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("ORDER_NOT_EXIST", NotFound),
        ("ORDERNOTEXISTS", NotFound),
        ("ORDER_PAID", Conflict),
        ("NO_AUTH", Rejected),
        ("SYSTEM_ERROR", OutcomeUnknown),
        ("ORDER_CLOSED", Conflict),
        ("SIGN_ERROR", Rejected),
    ],
)
def test_spellings_vary(spelling, kind):
    assert type(v2.refusal(spelling, "")) is kind
    status = {NotFound: 404, OutcomeUnknown: 500}.get(kind, 400)
    assert type(v3.refusal(response(status, spelling))) is kind


@pytest.mark.parametrize("code", ["", "NEVER_SEEN", "orderpaid", "FAIL", "SUCCESS", "S", "_"])
def test_a_code_that_nobody_documented_is_an_unknown_outcome(code):
    for table, _ in V2_TABLES:
        assert type(v2.refusal(code, "", table)) is OutcomeUnknown
    for table, _ in V3_TABLES:
        for status in (302, 400, 403, 404, 500, 502):
            assert type(v3.refusal(response(status, code), table)) is OutcomeUnknown


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 408, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "body", [b"", b"<html>404</html>", b"[]", b"null", b'{"code":1}', b'{"code":null}', b"[" * 99_999, b"\xff"]
)  # fmt: skip
def test_v3_without_a_code_the_outcome_is_unknown(status, body):
    assert type(v3.refusal(Response(status, {}, body))) is OutcomeUnknown


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"code":"ORDERPAID"}', b'{"code":"FREQUENCY_LIMITED"}'])
def test_v3_429_is_throttled_whatever_it_says(body):
    assert type(v3.refusal(Response(429, {}, body))) is Throttled


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "ORDER_NOT_EXIST"), (502, "ORDERPAID"), (500, "PARAM_ERROR"), (302, "ORDER_CLOSED"), (404, "SYSTEM_ERROR")],
)
def test_v3_the_status_comes_before_the_code(status, code):
    assert type(v3.refusal(response(status, code))) is OutcomeUnknown


def test_the_providers_words_are_made_fit_for_a_log_line():
    wild = "first\r\nsecond\x1b[31m" + "x" * 500
    for error in (v2.refusal("ORDERPAID", wild), v3.refusal(response(400, "ORDERPAID", wild))):
        assert error.message.isprintable()
        assert len(error.message) <= 200
    assert len(v2.refusal("X" * 500, "").code) <= 64
    assert len(v3.refusal(response(400, "X\n" * 500)).code) <= 64
