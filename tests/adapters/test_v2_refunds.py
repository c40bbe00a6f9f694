"""v2 refunds: what is sent, what is believed, and when a refusal may release the money that is held for it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adapters.base import RefundStatus
from adapters.errors import NotFound, NotSent, OutcomeUnknown, Rejected, Throttled
from tests.adapters import build, known
from tests.adapters.driving import drive, in_turn
from tests.adapters.test_v2_calls import v2_say, v2_unsigned
from tests.adapters.wire import Authority, cut, http, say

REFUND = build.REFUND
NO = REFUND.out_refund_no
V2_SENT = build.v2().compose_refund(REFUND)
EXPECTED = build.REFUNDED


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def query(adapter):
    return adapter.query_refund(NO)


V2_OK = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "appid": known.APPID,
    "mch_id": known.MCHID,
    "nonce_str": "IITRi8Iabbblz1Jc",
    "transaction_id": REFUND.provider_transaction_id,
    "out_trade_no": REFUND.out_trade_no,
    "total_fee": "100",
}
V2_ACCEPTED = {**V2_OK, "out_refund_no": NO, "refund_id": "50300000002024010200000000001", "refund_fee": "40"}
V2_FOUND = {
    **V2_OK,
    "refund_count": "2",
    "out_refund_no_0": "R20240102-9",
    "refund_id_0": "50300000002024010200000000009",
    "refund_fee_0": "7",
    "refund_status_0": "CHANGE",
    "out_refund_no_1": NO,
    "refund_id_1": "50300000002024010200000000001",
    "refund_fee_1": "40",
    "refund_status_1": "SUCCESS",
    "refund_success_time_1": "2024-01-02 08:00:00",
    "coupon_refund_fee_1_0": "3",
}
V2_NONE_THERE = {**V2_OK, "result_code": "FAIL", "err_code": "REFUNDNOTEXIST"}


def v2_signed(fields):
    return http(known.v2_xml(known.v2_signed(fields)))


def v2_no(code):
    return {**V2_OK, "result_code": "FAIL", "err_code": code, "err_code_des": "because"}


def v2_refund(adapter):
    return adapter.refund(V2_SENT)


def drive_v2(script, use, **options):
    """Over plain sockets: what mutual TLS adds has its own tests. A certificate there must be."""
    return drive(build.v2, script, use, **{"cert_file": "here.pem", "key_file": "there.pem", **options})


@pytest.mark.parametrize("scheme", ["MD5", "HMAC-SHA256"])
def test_v2_the_refund_goes_out_as_it_was_stored_signed_by_its_scheme(scheme):
    other = {"MD5": "HMAC-SHA256", "HMAC-SHA256": "MD5"}[scheme]
    stored = build.v2(sign_type=scheme).compose_refund(REFUND)
    report, requests = drive_v2(v2_say(V2_ACCEPTED, scheme), lambda a: a.refund(stored), sign_type=other)
    assert report == dataclasses.replace(
        EXPECTED, adapter="wechat_v2", status=RefundStatus.PROCESSING, refunded_at=None
    )
    head, body = requests[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /secapi/pay/refund HTTP/1.1")
    expected = {
        "appid": known.APPID,
        "mch_id": known.MCHID,
        "notify_url": REFUND.notify_url,
        "out_refund_no": NO,
        "refund_desc": "商品已售完",
        "refund_fee": "40",
        "refund_fee_type": "CNY",
        "sign_type": scheme,
        "total_fee": "100",
        "transaction_id": REFUND.provider_transaction_id,
    }
    assert json.loads(stored) == expected
    assert body == known.v2_xml(known.v2_signed({**expected, "nonce_str": build.NONCE}, scheme))


def test_v2_the_query_asks_for_our_number_and_takes_our_entry():
    report, requests = drive_v2(v2_say(V2_FOUND), query)
    assert report == dataclasses.replace(EXPECTED, adapter="wechat_v2")
    assert requests[0].startswith(b"POST /pay/refundquery HTTP/1.1")
    asked = {"appid": known.APPID, "mch_id": known.MCHID, "out_refund_no": NO, "sign_type": "MD5"}
    assert requests[0].endswith(known.v2_xml(known.v2_signed({**asked, "nonce_str": build.NONCE})))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("SUCCESS", RefundStatus.SUCCESS),
        ("PROCESSING", RefundStatus.PROCESSING),
        ("REFUNDCLOSE", RefundStatus.CLOSED),
        ("CHANGE", RefundStatus.ABNORMAL),
    ],
)
def test_v2_states(theirs, ours):
    report, _ = drive_v2(v2_say({**V2_FOUND, "refund_status_1": theirs}), query)
    assert report.status is ours
    assert (report.refunded_at is None) == (ours is not RefundStatus.SUCCESS)


V2_UNKNOWN = {
    "unsigned": v2_unsigned({**V2_FOUND, **V2_ACCEPTED}),
    "return_code FAIL": v2_unsigned({"return_code": "FAIL", "return_msg": "invalid refund_fee"}),
    "bare SYSTEMERROR": v2_unsigned({"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "SYSTEMERROR"}),
    "SYSTEMERROR": v2_say(v2_no("SYSTEMERROR")),
    "SIGNERROR": v2_say(v2_no("SIGNERROR")),
    "unknown code": v2_say(v2_no("NEVER_SEEN")),
    "no such page": say(http(b"<html>", "404 Not Found")),
    "no certificate seen": say(http(b"<html>400</html>", "400 Bad Request")),
    "other refunds": v2_say({**V2_FOUND, "out_refund_no_1": "R2", "out_refund_no": "R2"}),
    "other merchant": v2_say({**V2_FOUND, **V2_ACCEPTED, "mch_id": "1900000002"}),
    "no refund id": v2_say({**V2_FOUND, **V2_ACCEPTED, "refund_id": "", "refund_id_1": ""}),
    "amount of another kind": v2_say({**V2_FOUND, **V2_ACCEPTED, "refund_fee": "0.40", "refund_fee_1": "0.40"}),
    "cut": cut(b"HTTP/1.1 200 OK\r\nContent-Le"),
}


@pytest.mark.parametrize("use", [v2_refund, query])
@pytest.mark.parametrize("case", V2_UNKNOWN)
def test_v2_unknown(case, use):
    error, _ = drive_v2(V2_UNKNOWN[case], use)
    assert type(error) is OutcomeUnknown, error


@pytest.mark.parametrize("status", ["NEW", "", "success"])
def test_v2_a_state_that_nobody_documented(status):
    error, _ = drive_v2(v2_say({**V2_FOUND, "refund_status_1": status}), query)
    assert type(error) is OutcomeUnknown


@pytest.mark.parametrize(
    "change",
    [{"refund_fee": "41"}, {"transaction_id": "42"}, {"transaction_id": ""}, {"out_refund_no": ""}],
    ids=str,
)
def test_v2_our_number_with_other_contents_is_not_our_refund(change):
    assert type(drive_v2(v2_say({**V2_ACCEPTED, **change}), v2_refund)[0]) is OutcomeUnknown


@pytest.mark.parametrize("code", ["NOTENOUGH", "BIZERR_NEED_RETRY", "FREQUENCY_LIMITED", "INVALID_REQ_TOO_MUCH"])
def test_v2_later_with_the_same_number(code):
    error, requests = drive_v2(v2_say(v2_no(code)), v2_refund)
    assert (type(error), error.code, len(requests)) == (Throttled, code, 1)


@pytest.mark.parametrize("code", ["ERROR", "TRADE_OVERDUE", "USER_ACCOUNT_ABNORMAL", "ORDERNOTEXIST", "PARAM_ERROR"])
def test_v2_a_refusal_stands_when_nothing_is_found_under_the_number(code):
    error, requests = drive_v2(in_turn(v2_signed(v2_no(code)), v2_signed(V2_NONE_THERE)), v2_refund)
    assert (type(error), error.code, error.message) == (Rejected, code, "because")
    assert [request.split()[1] for request in requests] == [b"/secapi/pay/refund", b"/pay/refundquery"]


def test_v2_a_refused_refund_that_is_there_all_the_same_is_the_refund():
    report, _ = drive_v2(in_turn(v2_signed(v2_no("ERROR")), v2_signed(V2_FOUND)), v2_refund)
    assert report == dataclasses.replace(EXPECTED, adapter="wechat_v2")


@pytest.mark.parametrize("second", [{**V2_FOUND, "refund_fee_1": "41"}, v2_no("PARAM_ERROR"), v2_no("SYSTEMERROR")])
def test_v2_a_refusal_that_nothing_confirms_leaves_the_refund_open(second):
    error, _ = drive_v2(in_turn(v2_signed(v2_no("ERROR")), v2_signed(second)), v2_refund)
    assert type(error) is OutcomeUnknown


def test_v2_another_amount_under_the_number_is_never_a_refusal():
    error, requests = drive_v2(v2_say(v2_no("REFUND_FEE_MISMATCH")), v2_refund)
    assert (type(error), len(requests)) == (OutcomeUnknown, 1)


@pytest.mark.parametrize("change", [{"transaction_id": "42"}, {"out_refund_no": "R2"}], ids=str)
def test_v2_another_refund_s_refusal_is_not_ours(change):
    answers = in_turn(v2_signed({**v2_no("ERROR"), **change}), v2_signed(V2_NONE_THERE))
    error, requests = drive_v2(answers, v2_refund)
    assert (type(error), len(requests)) == (OutcomeUnknown, 1)


def test_v2_a_refund_that_never_was():
    error, _ = drive_v2(v2_say(V2_NONE_THERE), query)
    assert (type(error), error.code) == (NotFound, "REFUNDNOTEXIST")


def test_v2_the_reason_is_cut_to_80_bytes():
    long = dataclasses.replace(REFUND, reason="商品" * 40 + "🍵")
    assert len(json.loads(build.v2().compose_refund(long))["refund_desc"].encode()) == 78


# --- mutual TLS ---


@pytest.mark.parametrize("files", [{}, {"cert_file": "here.pem"}, {"key_file": "there.pem"}], ids=str)
def test_v2_without_a_certificate_a_refund_waits_for_the_operator_and_a_query_works(files):
    error, requests = drive(build.v2, v2_say(V2_ACCEPTED), v2_refund, **files)
    assert (type(error), requests) == (NotSent, [])
    assert "WECHAT_V2_CERT_FILE" in str(error)
    assert drive(build.v2, v2_say(V2_FOUND), query, **files)[0].status is RefundStatus.SUCCESS


def test_v2_refunds_show_the_certificate_to_their_own_address(authority):
    """Its authority is trusted there and nowhere else: the query goes to base_url, where nobody listens."""
    cert, key = authority.client()

    def make(transport, *, base_url):
        return build.v2(transport, secapi_url=base_url, cert_file=cert, key_file=key, ca_certs=str(authority.ca))

    async def use(adapter):
        accepted = await adapter.refund(V2_SENT)
        with pytest.raises(NotSent):
            await adapter.query_refund(NO)
        return accepted

    report, requests = drive(make, v2_say(V2_ACCEPTED), use, tls=authority.server(mutual=True))
    assert report.status is RefundStatus.PROCESSING, report
    assert requests[0].startswith(b"POST /secapi/pay/refund HTTP/1.1")


def test_v2_a_certificate_file_that_is_not_there(authority):
    files = {"cert_file": "/nonexistent.pem", "key_file": "/nonexistent.pem", "ca_certs": str(authority.ca)}
    error, requests = drive(build.v2, v2_say(V2_ACCEPTED), v2_refund, tls=authority.server(mutual=True), **files)
    assert (type(error), requests) == (NotSent, [])


def test_v2_an_authority_that_is_not_trusted_gets_nothing(authority):
    cert, key = authority.client()
    files = {"cert_file": cert, "key_file": key}
    error, requests = drive(build.v2, v2_say(V2_ACCEPTED), v2_refund, tls=authority.server(mutual=True), **files)
    assert (type(error), requests) == (NotSent, [])
