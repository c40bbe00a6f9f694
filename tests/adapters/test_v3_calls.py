"""The v3 adapter's calls against a server that answers wrongly: what is believed, and what leaves the outcome unknown.

Right answers are the contract suite's business, with the simulator. The keys that sign here are the vectors'.
"""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

from adapters.base import CloseResult, PrepayRequest, TradeStatus
from adapters.errors import Conflict, NotFound, OutcomeUnknown, Rejected, Throttled
from tests.adapters import build, known
from tests.adapters.driving import drive, in_turn
from tests.adapters.known import NOW, PLATFORM_SERIAL, v3_headers
from tests.adapters.wire import cut, http, say

NO = "T202401010001"


def close(adapter):
    return adapter.close(NO)


def v3_answer(body=b"", status="200 OK", **changes):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http(body, status, **{**v3_headers(body), **changes})


def v3_say(*args, **changes):
    return say(v3_answer(*args, **changes))


def v3_no(status, code):
    return http(json.dumps({"code": code, "message": "because"}).encode(), status)


def prepay(adapter):
    return adapter.prepay(adapter.compose(build.ATTEMPT))


def query(adapter):
    return adapter.query(NO)


def test_v3_prepay_sends_the_stored_bytes():
    request = build.v3().compose(build.ATTEMPT)
    answer, requests = drive(build.v3, v3_say({"prepay_id": "wx01"}), lambda a: a.prepay(request))
    assert (answer.prepay_id, answer.scheme) == ("wx01", "RSA")
    head, body = requests[0].split(b"\r\n\r\n", 1)
    assert body == request.parameters.encode()
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v3/pay/transactions/jsapi HTTP/1.1"
    assert {"Content-Type: application/json", "Accept: application/json"} < set(lines)
    assert f"Wechatpay-Serial: {known.PUBLIC_KEY_ID}" in lines


def test_v3_stored_parameters_are_sent_as_they_are_even_if_we_would_now_write_them_differently():
    request = PrepayRequest('{ "out_trade_no" : "T1" }', "RSA")
    _, requests = drive(build.v3, v3_say({"prepay_id": "wx01"}), lambda a: a.prepay(request))
    assert requests[0].endswith(b'\r\n\r\n{ "out_trade_no" : "T1" }')


def test_v3_query_and_close_are_signed_over_what_is_sent():
    base = "/v3/pay/transactions/out-trade-no/T20240101_000-1"
    expected = {
        "v3.request-sign.own.query-order": ("GET", f"{base}?mchid=1900000001", lambda a: a.query("T20240101_000-1")),
        "v3.request-sign.own.close": ("POST", f"{base}/close", lambda a: a.close("T20240101_000-1")),
    }
    for name, (method, target, use) in expected.items():
        vector = known.named(name)
        _, requests = drive(at(int(vector["inputs"]["timestamp"])), v3_say(), use)
        assert requests[0].startswith(f"{method} {target} HTTP/1.1\r\n".encode())
        assert f"\r\nAuthorization: {vector['expected']['authorization']}\r\n".encode() in requests[0]
        assert requests[0].endswith(b"\r\n\r\n" + vector["inputs"]["body"].encode())


def at(now):
    def make(transport, **changes):
        return build.WechatV3(build.v3_config(**changes), transport, now=lambda: now, nonce=lambda: build.NONCE)

    return make


def test_v3_a_base_url_with_a_path_is_signed_with_it():
    plain, with_path = (drive(build.v3, v3_say(), query, base=base)[1][0] for base in ("", "/proxy/"))
    assert with_path.startswith(b"GET /proxy/v3/pay/transactions/out-trade-no/")
    assert [line for line in plain.split(b"\r\n") if b"signature=" in line] != [
        line for line in with_path.split(b"\r\n") if b"signature=" in line
    ]


def test_v3_without_a_public_key_no_key_is_asked_for():
    _, requests = drive(build.v3, v3_say(), query, public_key=None, public_key_id=None)
    assert b"Wechatpay-Serial" not in requests[0]


def test_v3_paid():
    report, _ = drive(build.v3, v3_say(known.TRADE), query)
    assert (report.status, report.source, report.amount_fen) == (TradeStatus.PAID, "query", 100)


PROBE = "WECHATPAY/SIGNTEST/" + "A" * 320
V3_UNKNOWN = {
    "empty": say(http()),
    "unsigned": say(http(json.dumps(known.TRADE).encode())),
    "probe": v3_say(known.TRADE, **{"Wechatpay-Signature": PROBE}),
    "other nonce": v3_say(known.TRADE, **{"Wechatpay-Nonce": "other"}),
    "other serial": v3_say(known.TRADE, **{"Wechatpay-Serial": PLATFORM_SERIAL}),
    "stale": say(http(b"{}", **v3_headers(b"{}", stamp=NOW - 301))),
    "ahead": say(http(b"{}", **v3_headers(b"{}", stamp=NOW + 301))),
    "signed, other order": v3_say({**known.TRADE, "out_trade_no": "T202401010002"}),
    "signed, other appid": v3_say({**known.TRADE, "appid": "wx_other"}),
    "signed, other mchid": v3_say({**known.TRADE, "mchid": "1900000002"}),
    "signed, no json": v3_say(b"<xml/>"),
    "signed, an array": v3_say(b"[]"),
    "signed, nothing": v3_say(b"{}"),
    "signed, empty": v3_say(b""),
    "202": v3_say(known.TRADE, "202 Accepted"),
    "302": say(http(b"", "302 Found", Location="/v3/elsewhere")),
    "400 html": say(http(b"<html>", "400 Bad Request")),
    "404 html": say(http(b"<html>", "404 Not Found")),
    "500": say(v3_no("500 Oops", "SYSTEM_ERROR")),
    "502": say(http(b"", "502 Bad Gateway")),
    "500 that says it is paid": say(v3_no("500 Oops", "ORDERPAID")),
    "404 unknown code": say(v3_no("404 Not Found", "NEVER_SEEN")),
    "cut head": cut(b"HTTP/1.1 200 OK\r\nWechatpay-Ser"),
}


@pytest.mark.parametrize("case", V3_UNKNOWN)
@pytest.mark.parametrize("use", [query, prepay, close])
def test_v3_unknown(case, use):
    error, _ = drive(build.v3, V3_UNKNOWN[case], use)
    assert isinstance(error, OutcomeUnknown), error


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "ORDERPAID", Conflict),
        ("403 Forbidden", "OUT_TRADE_NO_USED", Conflict),
        ("404 Not Found", "ORDER_NOT_EXIST", NotFound),
        ("429 Slow", "FREQUENCY_LIMITED", Throttled),
        ("401 Unauthorized", "SIGN_ERROR", Rejected),
        ("403 Forbidden", "NO_AUTH", Rejected),
    ],
)
@pytest.mark.parametrize("use", [query, prepay, close])
def test_v3_refusals(status, code, kind, use):
    error, _ = drive(build.v3, say(v3_no(status, code)), use)
    assert (type(error), error.code, error.message) == (kind, code, "because")


def test_v3_closed_now():
    result, requests = drive(build.v3, v3_say(b"", "204 No Content"), close)
    assert result is CloseResult.ACCEPTED
    assert requests[0].endswith(b'\r\n\r\n{"mchid":"1900000001"}')


def test_v3_an_unsigned_204_closes_nothing():
    assert isinstance(drive(build.v3, say(http(b"", "204 No Content")), close)[0], OutcomeUnknown)


ORDER_CLOSED = v3_no("400 Bad Request", "ORDER_CLOSED")


def test_v3_closed_before_is_believed_after_a_signed_query_says_so():
    result, requests = drive(
        build.v3, in_turn(ORDER_CLOSED, v3_answer({**known.TRADE, "trade_state": "CLOSED"})), close
    )
    assert result is CloseResult.ALREADY_CLOSED
    assert [request.split()[0] for request in requests] == [b"POST", b"GET"]


@pytest.mark.parametrize("state", ["SUCCESS", "NOTPAY", "NEVER_SEEN"])
def test_v3_an_unsigned_order_closed_alone_closes_nothing(state):
    answers = in_turn(ORDER_CLOSED, v3_answer({**known.TRADE, "trade_state": state}))
    assert type(drive(build.v3, answers, close)[0]) is Conflict
    forged = in_turn(ORDER_CLOSED, http(json.dumps({**known.TRADE, "trade_state": "CLOSED"}).encode()))
    assert isinstance(drive(build.v3, forged, close)[0], OutcomeUnknown)


# --- v3: keys ---

DOWNLOAD = known.named("v3.certificates.own.first-download")["inputs"]["body"].encode()
CERTIFICATES = http(DOWNLOAD, **v3_headers(DOWNLOAD, PLATFORM_SERIAL))
NOTICE = known.v3_notice()


def parse(adapter, serial):
    return adapter.parse_notification(v3_headers(NOTICE, serial), NOTICE, NOW)


@pytest.mark.parametrize("keys", [{}, {"public_key": None, "public_key_id": None}], ids=["both", "certificates"])
def test_v3_the_first_download_makes_certificates_verify(keys):
    async def use(adapter):
        with pytest.raises(Exception, match="unknown serial"):
            parse(adapter, PLATFORM_SERIAL)
        await adapter.refresh_keys()
        return parse(adapter, PLATFORM_SERIAL), "public_key" in keys or parse(adapter, known.PUBLIC_KEY_ID)

    (notification, _), requests = drive(build.v3, say(CERTIFICATES), use, **keys)
    assert notification.kind == "payment"
    assert requests[0].startswith(b"GET /v3/certificates HTTP/1.1")


FAILED_DOWNLOADS = {
    "unsigned": http(DOWNLOAD),
    "empty list": v3_answer({"data": []}),
    "500": v3_no("500 Oops", "SYSTEM_ERROR"),
    "probe": http(DOWNLOAD, **{**v3_headers(DOWNLOAD, PLATFORM_SERIAL), "Wechatpay-Signature": PROBE}),
    "none any more": v3_no("404 Not Found", "RESOURCE_NOT_EXISTS"),
}


@pytest.mark.parametrize("case", FAILED_DOWNLOADS)
def test_v3_a_failed_refresh_leaves_the_keys_as_they_were(case):
    async def use(adapter):
        await adapter.refresh_keys()
        try:
            await adapter.refresh_keys()
        except (OutcomeUnknown, NotFound):
            return parse(adapter, PLATFORM_SERIAL)
        return parse(adapter, PLATFORM_SERIAL)

    assert drive(build.v3, in_turn(CERTIFICATES, FAILED_DOWNLOADS[case]), use)[0].kind == "payment"


def refresh(adapter):
    return adapter.refresh_keys()


def test_v3_a_merchant_without_certificates_is_well_in_public_key_mode_only():
    none = say(FAILED_DOWNLOADS["none any more"])
    assert drive(build.v3, none, refresh)[0] is None
    assert isinstance(drive(build.v3, none, refresh, public_key=None, public_key_id=None)[0], NotFound)


# --- v3: self_check ---

DATED = formatdate(NOW, usegmt=True)
NOT_THERE = b'{"code":"ORDER_NOT_EXIST","message":"because"}'


def checks_of(*answers, **options):
    checks, _ = drive(build.v3, in_turn(*answers), lambda adapter: adapter.self_check(), **options)
    return {check.name.removeprefix("wechat_v3 "): check.ok for check in checks}


def test_v3_self_check_well():
    answer = http(NOT_THERE, "404 Not Found", Date=DATED)
    assert checks_of(CERTIFICATES, answer) == {"keys": True, "api": True, "clock": True}


@pytest.mark.parametrize(("skew", "ok"), [(0, True), (60, True), (-60, True), (61, False), (-61, False), (301, False)])
def test_v3_self_check_clock(skew, ok):
    answer = http(NOT_THERE, "404 Not Found", Date=formatdate(NOW + skew, usegmt=True))
    assert checks_of(CERTIFICATES, answer)["clock"] is ok


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_v3_self_check_without_a_date(date):
    assert checks_of(CERTIFICATES, http(NOT_THERE, "404 Not Found", Date=date))["clock"] is False
    assert checks_of(CERTIFICATES, http(NOT_THERE, "404 Not Found"))["clock"] is False


def test_v3_self_check_ill():
    refused = http(b'{"code":"SIGN_ERROR","message":"because"}', "401 Unauthorized", Date=DATED)
    assert checks_of(refused, refused) == {"keys": False, "api": False, "clock": True}
    known_order = {**known.TRADE, "out_trade_no": "CHECK" + build.NONCE[:27]}
    assert checks_of(CERTIFICATES, v3_answer(known_order, Date=DATED))["api"] is False


def test_v3_self_check_unreachable():
    checks, _ = drive(build.v3, cut(), lambda adapter: adapter.self_check())
    assert [check.ok for check in checks] == [False, False]
