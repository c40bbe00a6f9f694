"""The error tables, row by row, and what is in no table."""

from __future__ import annotations

import json

import pytest

from adapters.errors import Conflict, NotFound, OutcomeUnknown, Rejected, Throttled
from adapters.judging import plain
from adapters.transport import Response
from adapters.wechat_v2 import answers as v2
from adapters.wechat_v3 import answers as v3
from tests.adapters import documented
from tests.adapters.documented import meanings

V2_TABLES = [
    (v2.TABLE, documented.V2),
    (v2.REFUND, documented.V2_REFUND),
    (v2.REFUND_QUERY, documented.V2_REFUND_QUERY),
]
V3_TABLES = [
    (v3.TABLE, documented.V3),
    (v3.REFUND, documented.V3_REFUND),
    (v3.REFUND_QUERY, documented.V3_REFUND_QUERY),
    (v3.BILL, documented.V3_BILL),
]
V2_ROWS = [(table, code, kind) for table, known in V2_TABLES for code, kind in meanings(known).items()]
V3_ROWS = [(table, *what, code) for table, known in V3_TABLES for code, what in meanings(known).items()]


def response(status, code=None, message="because"):
    body = b"" if code is None else json.dumps({"code": code, "message": message}).encode()
    return Response(status, {}, body)


@pytest.mark.parametrize(("table", "code", "kind"), V2_ROWS)
def test_v2_row(table, code, kind):
    error = v2.refusal(code, "because", table)
    assert (type(error), error.code, error.message) == (kind, code, "because")


@pytest.mark.parametrize(("table", "status", "kind", "code"), V3_ROWS)
def test_v3_row(table, status, kind, code):
    error = v3.refusal(response(status, code), table)
    assert (type(error), error.code) == (kind, code)
    assert "because" in error.message


def test_no_row_without_a_test():
    for table, known in [*V2_TABLES, *V3_TABLES]:
        assert {plain(code) for code in table} == {plain(code) for code in meanings(known)}


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
