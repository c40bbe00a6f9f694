"""Access tokens and shipping information against a server that answers anything: what is sent, what is understood, and
never a token in the words."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.delivery import Parcel, Shipment, Shipped
from adapters.errors import (
    Conflict,
    NotReady,
    OutcomeUnknown,
    PaymentError,
    Rejected,
    Throttled,
    TokenRefused,
)
from adapters.miniprogram import MiniProgramConfig
from adapters.shipping import ANY_CALL, TOKEN, UPLOAD, WeixinShipping, compose, understand
from adapters.transport import Transport
from adapters.vault import ACCESS_TOKEN, PHONE, Vault
from tests.adapters.wire import cut, http, say, wire

SECRET = "canary-app-secret"
VALUE = "canary-access-token"
NUMBER = "4200000000202401010000000001"
PARCEL = Parcel("拿铁×1 ☕", "YT123", "YTO")
SHIPMENT = Shipment(NUMBER, "oPayer", "express", (PARCEL,), True, 1_671_082_175)
SEALED = Vault(SECRET, ACCESS_TOKEN).seal(VALUE, "wx1")


def call(script, ask):
    """What ``ask`` of an adapter gives or raises, and the requests that it sent."""

    async def run():
        async with wire(script) as server:
            transport = Transport(connect_timeout=0.5, deadline=1.0)
            adapter = WeixinShipping(MiniProgramConfig("wx1", SecretStr(SECRET), server.url), transport)
            try:
                return await ask(adapter), server.requests
            except PaymentError as error:
                return error, server.requests
            finally:
                transport.close()

    return asyncio.run(run())


def told(**answer):
    return say(http(json.dumps(answer).encode()))


def fetch(adapter):
    return adapter.fetch_token(force=False)


def upload(adapter):
    return adapter.upload(SEALED, SHIPMENT)


def look(adapter):
    return adapter.shipped(SEALED, NUMBER)


def must(adapter):
    return adapter.must_ship(SEALED)


def sent(request):
    head, _, body = request.partition(b"\r\n\r\n")
    return urlsplit(head.split()[1].decode()), json.loads(body), body


# --- what is sent ---


@pytest.mark.parametrize("force", [False, True])
def test_a_token_is_asked_for_in_the_body(force):
    token, requests = call(told(access_token=VALUE, expires_in=7200), lambda adapter: adapter.fetch_token(force=force))
    url, body, _ = sent(requests[0])
    assert (url.path, url.query) == ("/cgi-bin/stable_token", "")
    assert body == {"grant_type": "client_credential", "appid": "wx1", "secret": SECRET, "force_refresh": force}
    assert (token.sealed, token.expires_in) == (SEALED, 7200)
    assert VALUE not in repr(token)
    assert SEALED not in repr(token)


def test_an_upload_is_what_the_page_says():
    _, requests = call(told(errcode=0, errmsg="ok"), upload)
    url, body, raw = sent(requests[0])
    assert url.path == "/wxa/sec/order/upload_shipping_info"
    assert parse_qs(url.query) == {"access_token": [VALUE]}
    assert body == {
        "order_key": {"order_number_type": 2, "transaction_id": NUMBER},
        "logistics_type": 1,
        "delivery_mode": 1,
        "shipping_list": [{"tracking_no": "YT123", "express_company": "YTO", "item_desc": "拿铁×1 ☕"}],
        "upload_time": "2022-12-15T13:29:35.000+08:00",
        "payer": {"openid": "oPayer"},
    }
    assert "拿铁×1 ☕".encode() in raw  # UTF-8, not escaped


@pytest.mark.parametrize(("name", "number"), [("express", 1), ("same_city", 2), ("virtual", 3), ("pickup", 4)])
def test_logistics_by_number(name, number):
    assert compose(Shipment(NUMBER, "o", name, (Parcel("x"),), True, 1))["logistics_type"] == number


@pytest.mark.parametrize(
    ("parcels", "whole", "mode"),
    [
        ((PARCEL,), True, {"delivery_mode": 1}),
        ((PARCEL,), False, {"delivery_mode": 2, "is_all_delivered": False}),
        ((PARCEL, PARCEL), True, {"delivery_mode": 2, "is_all_delivered": True}),
        ((PARCEL, PARCEL), False, {"delivery_mode": 2, "is_all_delivered": False}),
    ],
)
def test_one_parcel_or_several(parcels, whole, mode):
    body = compose(Shipment(NUMBER, "o", "express", parcels, whole, 1))
    assert {name: body[name] for name in body.keys() & {"delivery_mode", "is_all_delivered"}} == mode
    assert len(body["shipping_list"]) == len(parcels)


def test_unused_keys_are_left_out():
    (bare,) = compose(Shipment(NUMBER, "o", "virtual", (Parcel("会员"),), True, 1))["shipping_list"]
    assert bare == {"item_desc": "会员"}
    (sf,) = compose(Shipment(NUMBER, "o", "express", (Parcel("x", "1", "SF", "189****1234"),), True, 1))[
        "shipping_list"
    ]
    assert sf["contact"] == {"receiver_contact": "189****1234"}


# --- what is understood ---


def there(**changes):
    listed = {"tracking_no": "YT123", "express_company": "YTO", "goods_desc": "拿铁", "upload_time": 1671082175}
    shipping = {"delivery_mode": 1, "logistics_type": 1, "finish_shipping": True, "shipping_list": [listed]}
    return {"order": {"transaction_id": NUMBER, "order_state": 2, "shipping": {**shipping, **changes}}}


NOTHING = Shipped("", False, ())


def test_what_is_there():
    answer, requests = call(told(errcode=0, **there()), look)
    assert answer == Shipped("express", True, (Parcel("拿铁", "YT123", "YTO"),))
    url, body, _ = sent(requests[0])
    assert (url.path, body) == ("/wxa/sec/order/get_order", {"transaction_id": NUMBER})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"order": {"transaction_id": NUMBER, "order_state": 1}}, NOTHING),
        ({"order": {"transaction_id": NUMBER, "shipping": {}}}, NOTHING),
        (there(shipping_list=[], finish_shipping=False), NOTHING),
        (there(shipping_list=None, finish_shipping=False), NOTHING),
        (there(logistics_type=9), Shipped("", True, (Parcel("拿铁", "YT123", "YTO"),))),
        (there(logistics_type="1"), Shipped("", True, (Parcel("拿铁", "YT123", "YTO"),))),
        (there(finish_shipping=1), Shipped("express", False, (Parcel("拿铁", "YT123", "YTO"),))),
        (there(shipping_list=[{"item_desc": "x", "tracking_no": 1}, 7]), Shipped("express", True, (Parcel("x"),))),
    ],
)
def test_what_is_there_half_told(answer, expected):
    assert understand(answer, NUMBER) == expected


@pytest.mark.parametrize("answer", [{}, {"order": None}, {"order": []}, {"order": {"transaction_id": NUMBER + "0"}}])
def test_an_answer_about_another_order_is_none(answer):
    assert type(call(told(errcode=0, **answer), look)[0]) is OutcomeUnknown


@pytest.mark.parametrize("yes", [True, False])
def test_whether_it_must_be_done(yes):
    answer, requests = call(told(errcode=0, is_trade_managed=yes), must)
    assert answer is yes
    url, body, _ = sent(requests[0])
    assert (url.path, body) == ("/wxa/sec/order/is_trade_managed", {"appid": "wx1"})


@pytest.mark.parametrize("yes", [None, 1, "true"])
def test_neither_yes_nor_no(yes):
    assert type(call(told(errcode=0, is_trade_managed=yes), must)[0]) is OutcomeUnknown


# --- what is refused: every row by hand, from mini-program.md 1.1, 3 and 4 ---

EXPECTED_TOKEN = {
    -1: Throttled,
    40002: Rejected,
    40013: Rejected,
    40125: Rejected,
    40164: Rejected,
    41002: Rejected,
    41004: Rejected,
    45009: Throttled,
    45011: Throttled,
}
EXPECTED_LOOK = {
    -1: OutcomeUnknown,
    40001: TokenRefused,
    42001: TokenRefused,
    45009: Throttled,
    45011: Throttled,
    10060001: NotReady,
}
EXPECTED_UPLOAD = {
    **EXPECTED_LOOK,
    10060002: Conflict,
    10060003: Conflict,
    10060004: Conflict,
    10060031: Rejected,
    47001: Rejected,
}
ROWS = [
    *((fetch, code, kind) for code, kind in EXPECTED_TOKEN.items()),
    *((look, code, kind) for code, kind in EXPECTED_LOOK.items()),
    *((must, code, kind) for code, kind in EXPECTED_LOOK.items()),
    *((upload, code, kind) for code, kind in EXPECTED_UPLOAD.items()),
]


def test_every_row_has_a_test():
    assert (set(TOKEN), set(ANY_CALL), set(UPLOAD)) == (set(EXPECTED_TOKEN), set(EXPECTED_LOOK), set(EXPECTED_UPLOAD))


@pytest.mark.parametrize(("ask", "errcode", "kind"), ROWS)
def test_errcodes(ask, errcode, kind):
    error, _ = call(told(errcode=errcode, errmsg="no, rid: 1-2-3"), ask)
    assert (type(error), error.code, error.message) == (kind, str(errcode), "no, rid: 1-2-3")


@pytest.mark.parametrize("ask", [fetch, upload, look, must])
@pytest.mark.parametrize(
    "script",
    [
        told(errcode=99999, errmsg="new"),
        told(errcode="40001"),
        told(errcode=True),
        say(http(b"[]")),
        say(http(b"<html>")),
        say(http(b"")),
        say(http(b"\xff")),
        say(http(json.dumps({"errcode": 0}).encode(), "500 Oops")),
        say(http(b"", "302 Found", Location="/elsewhere")),
        cut(),
    ],
)
def test_anything_else_is_an_unknown_outcome(ask, script):
    error, _ = call(script, ask)
    assert type(error) is OutcomeUnknown, error


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": VALUE},
        {"expires_in": 7200},
        {"access_token": "", "expires_in": 7200},
        {"access_token": 1, "expires_in": 7200},
        {"access_token": "a\nb", "expires_in": 7200},
        {"access_token": "茶", "expires_in": 7200},
        {"access_token": "x" * 2049, "expires_in": 7200},
        {"access_token": VALUE, "expires_in": 0},
        {"access_token": VALUE, "expires_in": True},
        {"access_token": VALUE, "expires_in": "7200"},
    ],
)
def test_a_token_that_is_none(answer):
    assert type(call(told(**answer), fetch)[0]) is OutcomeUnknown


def test_a_token_is_never_thought_to_live_longer_than_two_hours():
    assert call(told(access_token="x" * 2048, expires_in=10**9), fetch)[0].expires_in == 7200


# --- what is kept secret ---


def test_no_token_and_no_secret_in_any_word(caplog):
    caplog.set_level(logging.DEBUG)
    scripts = [
        told(errcode=40001, errmsg=f"invalid credential {VALUE}"),
        told(errcode=40125, errmsg=f"bad secret {SECRET}"),
        say(http(f'{{"access_token": "{VALUE}"'.encode())),
        say(http(json.dumps({"access_token": VALUE}).encode(), "500 Oops")),
        told(access_token=VALUE),
        cut(),
    ]
    for ask, secret in ((fetch, SECRET), (upload, VALUE), (look, VALUE)):
        for script in scripts:
            error, _ = call(script, ask)
            if isinstance(error, PaymentError):
                assert secret not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert not [record.getMessage() for record in caplog.records if "canary" in record.getMessage()]


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=600))
def test_a_sealed_token_is_opened_by_whoever_has_the_secret(token):
    vault = Vault(SECRET, ACCESS_TOKEN)
    assert vault.open(vault.seal(token, "wx1"), "wx1") == token
    assert vault.seal(token, "wx1") == Vault(SECRET, ACCESS_TOKEN).seal(token, "wx1")
    assert len(token) < 8 or token not in vault.seal(token, "wx1")


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "bm9uZSBvZiBvdXJz",
        "no base64!",
        "茶",
        SEALED[:-4],
        "A" + SEALED[1:] if SEALED[0] != "A" else "B" + SEALED[1:],
        Vault("another-secret", ACCESS_TOKEN).seal(VALUE, "wx1"),
        Vault(SECRET, PHONE).seal(VALUE, "wx1"),
        Vault(SECRET, ACCESS_TOKEN).seal(VALUE, "wx2"),
    ],
)
def test_what_this_merchant_did_not_seal_is_no_token_and_is_not_sent(sealed):
    error, requests = call(told(errcode=0), lambda adapter: adapter.upload(sealed, SHIPMENT))
    assert (type(error), requests) == (TokenRefused, [])
