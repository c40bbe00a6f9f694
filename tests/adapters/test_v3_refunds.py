"""v3 refunds: what is sent, what is believed, and when a refusal may release the money that is held for it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adapters.base import RefundStatus
from adapters.errors import NotFound, OutcomeUnknown, Rejected, Throttled
from tests.adapters import build, known
from tests.adapters.driving import drive, in_turn
from tests.adapters.known import NOW, v3_headers
from tests.adapters.test_v3_calls import CERTIFICATES, at, v3_answer, v3_no, v3_say
from tests.adapters.wire import cut, http, say

REFUND = build.REFUND
NO = REFUND.out_refund_no
V3_SENT = build.v3().compose_refund(REFUND)
EXPECTED = build.REFUNDED


def query(adapter):
    return adapter.query_refund(NO)


V3_REFUND = {
    "refund_id": "50300000002024010200000000001",
    "out_refund_no": NO,
    "transaction_id": REFUND.provider_transaction_id,
    "out_trade_no": REFUND.out_trade_no,
    "channel": "ORIGINAL",
    "success_time": "2024-01-02T08:00:00+08:00",
    "create_time": "2024-01-02T07:59:00+08:00",
    "status": "SUCCESS",
    "amount": {"total": 100, "refund": 40, "payer_total": 90, "payer_refund": 36, "currency": "CNY"},
    "never_seen": [1],
}
NONE_THERE = v3_no("404 Not Found", "RESOURCE_NOT_EXISTS")


def v3_refund(adapter):
    return adapter.refund(V3_SENT)


def test_v3_the_refund_goes_out_as_it_was_stored_and_signed_over_its_bytes():
    vector = known.named("v3.request-sign.own.refund")
    assert vector["inputs"]["body"] == V3_SENT
    _, requests = drive(at(int(vector["inputs"]["timestamp"])), v3_say(V3_REFUND), v3_refund)
    assert requests[0].startswith(b"POST /v3/refund/domestic/refunds HTTP/1.1\r\n")
    assert f"\r\nAuthorization: {vector['expected']['authorization']}\r\n".encode() in requests[0]
    assert requests[0].endswith(b"\r\n\r\n" + V3_SENT.encode())


def test_v3_a_refund_number_is_percent_encoded_as_it_is_signed():
    vector = known.named("v3.request-sign.own.refund-query-percent-encoded")
    _, requests = drive(at(int(vector["inputs"]["timestamp"])), say(NONE_THERE), lambda a: a.query_refund("R|2024*1@2"))
    assert requests[0].startswith(f"GET {vector['inputs']['url']} HTTP/1.1\r\n".encode())
    assert vector["expected"]["authorization"].encode() in requests[0]


def test_v3_the_reason_is_cut_to_80_bytes():
    long = dataclasses.replace(REFUND, reason="商品" * 40 + "🍵")
    assert len(json.loads(build.v3().compose_refund(long))["reason"].encode()) == 78


@pytest.mark.parametrize("use", [v3_refund, query])
@pytest.mark.parametrize("status", list(RefundStatus))
def test_v3_states(use, status):
    report, _ = drive(build.v3, v3_say({**V3_REFUND, "status": str(status)}), use)
    done = EXPECTED.refunded_at if status is RefundStatus.SUCCESS else None
    assert report == dataclasses.replace(EXPECTED, adapter="wechat_v3", status=status, refunded_at=done)
    assert type(report.status) is RefundStatus


V3_UNKNOWN = {
    "unsigned": say(http(json.dumps(V3_REFUND).encode())),
    "stale": say(http(b"{}", **v3_headers(b"{}", stamp=NOW - 301))),
    "202": v3_say(V3_REFUND, "202 Accepted"),
    "unknown state": v3_say({**V3_REFUND, "status": "NEW"}),
    "the notification's name of the state": v3_say({**V3_REFUND, "status": None, "refund_status": "SUCCESS"}),
    "success without a time": v3_say({**V3_REFUND, "success_time": ""}),
    "another refund": v3_say({**V3_REFUND, "out_refund_no": "R20240102-2"}),
    "no refund id": v3_say({**V3_REFUND, "refund_id": ""}),
    "no amount": v3_say({**V3_REFUND, "amount": {"total": 100}}),
    "an amount in words": v3_say({**V3_REFUND, "amount": {"refund": "40"}}),
    "SYSTEM_ERROR": say(v3_no("500 Oops", "SYSTEM_ERROR")),
    "SIGN_ERROR": say(v3_no("401 Unauthorized", "SIGN_ERROR")),
    "unknown code": say(v3_no("400 Bad Request", "NEVER_SEEN")),
    "a good code with a bad status": say(v3_no("500 Oops", "RESOURCE_NOT_EXISTS")),
    "html": say(http(b"<html>", "404 Not Found")),
    "cut": cut(b"HTTP/1.1 200 OK\r\nWechatpay-Ser"),
}


@pytest.mark.parametrize("use", [v3_refund, query])
@pytest.mark.parametrize("case", V3_UNKNOWN)
def test_v3_unknown(case, use):
    error, _ = drive(build.v3, V3_UNKNOWN[case], use)
    assert type(error) is OutcomeUnknown, error


@pytest.mark.parametrize("change", [{"transaction_id": "42"}, {"amount": {"refund": 41}}], ids=str)
def test_v3_our_number_with_other_contents_is_not_our_refund(change):
    error, _ = drive(build.v3, v3_say({**V3_REFUND, **change}), v3_refund)
    assert type(error) is OutcomeUnknown


@pytest.mark.parametrize(("status", "code"), [("403 Forbidden", "NOT_ENOUGH"), ("429 Slow", "FREQUENCY_LIMITED")])
def test_v3_later_with_the_same_number(status, code):
    error, requests = drive(build.v3, say(v3_no(status, code)), v3_refund)
    assert (type(error), error.code, len(requests)) == (Throttled, code, 1)


V3_REFUSED = v3_no("400 Bad Request", "INVALID_REQUEST")


def test_v3_a_refusal_stands_when_nothing_is_found_under_the_number():
    error, requests = drive(build.v3, in_turn(V3_REFUSED, NONE_THERE), v3_refund)
    assert (type(error), error.code, error.message) == (Rejected, "INVALID_REQUEST", "because")
    assert [request.split()[0] for request in requests] == [b"POST", b"GET"]


def test_v3_a_refused_refund_that_is_there_all_the_same_is_the_refund():
    report, _ = drive(build.v3, in_turn(V3_REFUSED, v3_answer(V3_REFUND)), v3_refund)
    assert report == dataclasses.replace(EXPECTED, adapter="wechat_v3")


V3_SECOND = {
    "of another amount": v3_answer({**V3_REFUND, "amount": {"refund": 41}}),
    "unsigned": http(json.dumps(V3_REFUND).encode()),
    "refused too": V3_REFUSED,
    "wrong keys": v3_no("401 Unauthorized", "SIGN_ERROR"),
    "nobody knows": v3_no("500 Oops", "SYSTEM_ERROR"),
    "no such page": http(b"<html>", "404 Not Found"),
}


@pytest.mark.parametrize("second", V3_SECOND)
def test_v3_a_refusal_that_nothing_confirms_leaves_the_refund_open(second):
    error, _ = drive(build.v3, in_turn(V3_REFUSED, V3_SECOND[second]), v3_refund)
    assert type(error) is OutcomeUnknown, error


def test_v3_a_refund_that_never_was():
    error, _ = drive(build.v3, say(NONE_THERE), query)
    assert (type(error), error.code) == (NotFound, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize("keys", [{}, {"public_key": None, "public_key_id": None}], ids=["public key", "certificates"])
def test_v3_an_abnormal_refund_goes_to_the_merchants_card(keys):
    """The header that names WeChat's key is required here, whichever kind we hold."""
    serial = known.PLATFORM_SERIAL if keys else known.PUBLIC_KEY_ID
    body = json.dumps({**V3_REFUND, "status": "PROCESSING"}).encode()

    async def use(adapter):
        await adapter.refresh_keys()
        return await adapter.resolve_abnormal(V3_REFUND["refund_id"], NO)

    report, requests = drive(build.v3, in_turn(CERTIFICATES, http(body, **v3_headers(body, serial))), use, **keys)
    assert (report.status, report.out_refund_no) == (RefundStatus.PROCESSING, NO)
    path = f"/v3/refund/domestic/refunds/{V3_REFUND['refund_id']}/apply-abnormal-refund"
    assert requests[1].startswith(f"POST {path} HTTP/1.1\r\n".encode())
    assert f"\r\nWechatpay-Serial: {serial}\r\n".encode() in requests[1]
    assert requests[1].endswith(b'\r\n\r\n{"out_refund_no":"R20240102-1","type":"MERCHANT_BANK_CARD"}')


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (v3_answer({**V3_REFUND, "refund_id": "5"}), OutcomeUnknown),
        (v3_answer({**V3_REFUND, "out_refund_no": "R2"}), OutcomeUnknown),
        (http(json.dumps(V3_REFUND).encode()), OutcomeUnknown),
        (V3_REFUSED, Rejected),
    ],
)
def test_v3_an_abnormal_refund_that_stays_one(answer, kind):
    error, _ = drive(build.v3, say(answer), lambda a: a.resolve_abnormal(V3_REFUND["refund_id"], NO))
    assert type(error) is kind
