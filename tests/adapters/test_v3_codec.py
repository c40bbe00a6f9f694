"""The v3 codec beyond the vectors: what it must refuse, and that it refuses in one way only."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import BadSignature, Malformed, SignatureProbe
from adapters.wechat_v3 import codec
from tests.adapters import known
from tests.adapters.known import NOW, PLATFORM_SERIAL, PUBLIC_KEY_ID, VERIFICATION, v3_headers, v3_notice

BODY = b'{"prepay_id":"wx01100000000000test0000000000000001"}'
NOTICE = v3_notice()
HEADERS = tuple(v3_headers(b""))


def read(headers, body, now=NOW):
    return codec.read_notification(headers, body, VERIFICATION, now, known.V3_KEY)


def certificates(headers, body, keys=None):
    return codec.read_certificates(headers, body, keys or {}, NOW, known.V3_KEY)


# --- signatures ---


@given(st.binary(max_size=300), st.sampled_from([PUBLIC_KEY_ID, PLATFORM_SERIAL]))
def test_any_body_that_is_signed_verifies(body, serial):
    assert codec.verify(v3_headers(body, serial), body, VERIFICATION, NOW) is None


@given(st.binary(max_size=200), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=32))
def test_what_we_sign_can_be_verified_by_who_has_our_public_key(body, nonce):
    target = "/v3/pay/transactions/out-trade-no/T1?mchid=1"
    signature = base64.b64decode(codec.sign(known.MERCHANT, codec.request_message("POST", target, NOW, nonce, body)))
    message = b"\n".join([b"POST", target.encode(), str(NOW).encode(), nonce.encode(), body, b""])
    assert known.MERCHANT.public_key().verify(signature, message, known.PKCS1v15(), known.SHA256()) is None


@pytest.mark.parametrize("offset", [-300, -1, 0, 1, 300])
def test_inside_the_window(offset):
    assert codec.verify(v3_headers(BODY, stamp=NOW - offset), BODY, VERIFICATION, NOW) is None


@pytest.mark.parametrize("offset", [-100_000, -301, 301, 100_000])
def test_outside_the_window(offset):
    with pytest.raises(BadSignature):
        codec.verify(v3_headers(BODY, stamp=NOW - offset), BODY, VERIFICATION, NOW)


NO_STAMPS = ["", "0", "-1704074492", "+1704074492", "1e9", "1704074492.0", "1704074492000", "01704074492", "1" * 20]
NO_STAMPS += [" 1704074492", "1704074492\n", "１７０４０７４４９２", "NaN", "1704074492,1704074492", "1_704_074_492"]


@pytest.mark.parametrize("stamp", NO_STAMPS)
def test_timestamps_that_are_none(stamp):
    headers = v3_headers(BODY)
    signed = v3_headers(BODY, stamp=stamp) if stamp.isascii() else headers
    with pytest.raises(BadSignature):
        codec.verify({**signed, "Wechatpay-Timestamp": stamp}, BODY, VERIFICATION, NOW)


@pytest.mark.parametrize("nonce", ["", "a,a", "a b", "x" * 129, "a\tb"])
def test_nonces_that_are_none(nonce):
    with pytest.raises(BadSignature):
        codec.verify(v3_headers(BODY, nonce=nonce), BODY, VERIFICATION, NOW)


@pytest.mark.parametrize("name", HEADERS[:4])
def test_each_header_is_needed(name):
    headers = {key: value for key, value in v3_headers(BODY).items() if key != name}
    with pytest.raises(BadSignature):
        codec.verify(headers, BODY, VERIFICATION, NOW)


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_may_come_twice(name):
    headers = v3_headers(BODY)
    with pytest.raises(BadSignature):
        codec.verify({**headers, name.lower(): headers[name]}, BODY, VERIFICATION, NOW)
    with pytest.raises(BadSignature):
        codec.verify({**headers, name: f"{headers[name]},{headers[name]}"}, BODY, VERIFICATION, NOW)


def test_header_names_have_no_case():
    for spelt in (str.lower, str.upper):
        headers = {spelt(key): value for key, value in v3_headers(BODY).items()}
        assert codec.verify(headers, BODY, VERIFICATION, NOW) is None


def test_the_signature_type_may_be_absent_but_not_another():
    headers = v3_headers(BODY)
    codec.verify({k: v for k, v in headers.items() if k != "Wechatpay-Signature-Type"}, BODY, VERIFICATION, NOW)
    for other in ("", "WECHATPAY2-SM2-WITH-SM3", "wechatpay2-sha256-rsa2048"):
        with pytest.raises(BadSignature):
            codec.verify({**headers, "Wechatpay-Signature-Type": other}, BODY, VERIFICATION, NOW)


@pytest.mark.parametrize("serial", ["", "00FF", PUBLIC_KEY_ID.lower(), PLATFORM_SERIAL.lower(), PLATFORM_SERIAL[1:]])
def test_a_serial_that_nobody_knows(serial):
    with pytest.raises(BadSignature):
        codec.verify({**v3_headers(BODY), "Wechatpay-Serial": serial}, BODY, VERIFICATION, NOW)


def test_no_key_is_tried_but_the_named_one():
    with pytest.raises(BadSignature):
        codec.verify({**v3_headers(BODY), "Wechatpay-Serial": PLATFORM_SERIAL}, BODY, VERIFICATION, NOW)
    with pytest.raises(BadSignature):
        codec.verify(v3_headers(BODY), BODY, {PLATFORM_SERIAL: VERIFICATION[PLATFORM_SERIAL]}, NOW)
    with pytest.raises(BadSignature):
        codec.verify(v3_headers(BODY), BODY, {}, NOW)


def test_a_probe_is_refused_and_named():
    headers = v3_headers(BODY)
    probe = "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"][19:]
    with pytest.raises(SignatureProbe):
        codec.verify({**headers, "Wechatpay-Signature": probe}, BODY, VERIFICATION, NOW)


def test_every_position_of_every_signed_header_counts():
    """Each character replaced by several others, among them those that spare base64 bits would forgive."""
    headers = v3_headers(NOTICE)
    accepted = []
    for name, value in headers.items():
        for place in range(len(value)):
            for flip in (1, 2, 4, 32):
                changed = value[:place] + chr(ord(value[place]) ^ flip) + value[place + 1 :]
                with contextlib.suppress(BadSignature):
                    read({**headers, name: changed}, NOTICE)
                    accepted.append((name, changed))
    assert accepted == []


def test_every_byte_of_the_body_counts():
    headers = v3_headers(NOTICE)
    accepted = []
    for place in range(len(NOTICE)):
        changed = NOTICE[:place] + bytes([NOTICE[place] ^ 1]) + NOTICE[place + 1 :]
        with contextlib.suppress(BadSignature):
            read(headers, changed)
            accepted.append(place)
    assert accepted == []


@pytest.mark.parametrize(
    "change", [lambda s: s[:0], lambda s: s[:-4], lambda s: s + "\n", lambda s: "签" + s, lambda s: s[:-2]]
)
def test_a_signature_that_is_no_canonical_base64(change):
    headers = v3_headers(BODY)
    with pytest.raises(BadSignature):
        codec.verify(
            {**headers, "Wechatpay-Signature": change(headers["Wechatpay-Signature"])}, BODY, VERIFICATION, NOW
        )


# --- answers ---


def test_an_answer():
    assert codec.read_answer(v3_headers(BODY), BODY, VERIFICATION, NOW) == json.loads(BODY)
    assert codec.read_answer(v3_headers(b""), b"", VERIFICATION, NOW) == {}


def test_an_unsigned_answer_is_forged_whatever_it_holds():
    for body in (BODY, b"", b"<xml/>"):
        with pytest.raises(BadSignature):
            codec.read_answer({}, body, VERIFICATION, NOW)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"x"', b"<xml></xml>", b" ", b"\xff"])
def test_a_signed_answer_that_is_no_object(body):
    with pytest.raises(Malformed):
        codec.read_answer(v3_headers(body), body, VERIFICATION, NOW)


# --- notifications ---


def test_a_notification():
    envelope = read(v3_headers(NOTICE), NOTICE)
    assert envelope == codec.Envelope("EV-2018022511223320873", "TRANSACTION.SUCCESS", "transaction", known.TRADE)


@pytest.mark.parametrize("absent", [{"associated_data": ""}, {}])
def test_associated_data_may_be_empty_or_absent(absent):
    resource = known.seal(json.dumps(known.TRADE).encode(), "")
    del resource["associated_data"]
    body = v3_notice(resource={**resource, **absent})
    assert read(v3_headers(body), body).resource == known.TRADE


@pytest.mark.parametrize(
    "change",
    [
        {"associated_data": "refund"},
        {"associated_data": ""},
        {"associated_data": 1},
        {"nonce": "k9Xq2LmP7sVe"},
        {"nonce": "k9Xq2LmP7sV"},
        {"nonce": "k9Xq2LmP7sVdd"},
        {"nonce": ""},
        {"nonce": None},
        {"nonce": "\ud800" * 4},
        {"ciphertext": ""},
        {"ciphertext": "AAAA"},
        {"ciphertext": "not base64"},
        {"ciphertext": None},
        {"ciphertext": "\ud800"},
    ],
    ids=str,
)
def test_a_resource_that_does_not_open(change):
    body = v3_notice(resource={**known.seal(b"{}"), **change})
    with pytest.raises(BadSignature):
        read(v3_headers(body), body)


def test_a_resource_sealed_for_another_merchant():
    with pytest.raises(BadSignature):
        codec.read_notification(v3_headers(NOTICE), NOTICE, VERIFICATION, NOW, b"x" * 32)


@pytest.mark.parametrize("length", [11, 13, 16])
def test_the_nonce_has_twelve_bytes_though_gcm_would_take_others(length):
    body = v3_notice(resource=known.seal(b"{}", nonce="n" * length))
    with pytest.raises(BadSignature):
        read(v3_headers(body), body)


@pytest.mark.parametrize(
    "envelope",
    [
        {"id": None},
        {"id": ""},
        {"id": "x" * 65},
        {"id": 1},
        {"event_type": None},
        {"resource": None},
        {"resource": []},
        {"resource": {**known.seal(b"{}"), "algorithm": "AEAD_SM4_GCM"}},
        {"resource": {**known.seal(b"{}"), "original_type": None}},
        {"resource": known.seal(b"[]")},
        {"resource": known.seal(b"")},
        {"resource": known.seal(b"\xff")},
        {"resource": known.seal(b'{"a":1,"a":2}')},
    ],
    ids=lambda envelope: str(envelope)[:60],
)
def test_authentic_but_not_understood(envelope):
    body = v3_notice(**envelope)
    with pytest.raises(Malformed):
        read(v3_headers(body), body)


def test_a_v2_notice_on_the_v3_route_has_no_v3_signature():
    with pytest.raises(BadSignature):
        read({"Content-Type": "text/xml"}, known.v2_xml(known.v2_signed(known.V2_PAID)))


@given(st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=40)), st.binary(max_size=200))
def test_garbage_is_refused_in_the_documented_ways_only(headers, body):
    for reader in (read, certificates):
        with pytest.raises((BadSignature, Malformed)):
            reader(headers, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
RESOURCE = st.fixed_dictionaries({}, optional=dict.fromkeys(known.seal(b"{}"), JSON))
MESSAGE = st.fixed_dictionaries(
    {}, optional={"id": JSON, "event_type": JSON, "resource": JSON | RESOURCE, "data": JSON}
)


@given(MESSAGE | JSON)
def test_signed_garbage_is_refused_in_the_documented_ways_only(message):
    body = json.dumps(message).encode()
    for reader in (read, certificates):
        try:
            found = reader(v3_headers(body), body)
        except (BadSignature, Malformed) as refused:
            found = refused
        assert found is not None


# --- certificates ---

DOWNLOAD = known.named("v3.certificates.own.first-download")["inputs"]


def test_a_download_signed_by_nobody_in_particular():
    body = DOWNLOAD["body"].encode()
    headers = v3_headers(body, PLATFORM_SERIAL)
    assert [each.serial_no for each in certificates(headers, body)] == [PLATFORM_SERIAL]
    assert certificates(headers, body)[0].expires_at == 2335219200  # 2044-01-01T00:00:00Z
    with pytest.raises(BadSignature):
        certificates({}, body)
    with pytest.raises(BadSignature):
        certificates(v3_headers(body, PUBLIC_KEY_ID), body)
    with pytest.raises(BadSignature):
        certificates({**headers, "Wechatpay-Nonce": "other"}, body)


def test_a_key_that_is_known_already_takes_precedence_over_the_downloaded_one():
    body = DOWNLOAD["body"].encode()
    with pytest.raises(BadSignature):
        certificates(v3_headers(body, PLATFORM_SERIAL), body, {PLATFORM_SERIAL: VERIFICATION[PUBLIC_KEY_ID]})


def test_a_certificate_under_another_serial_number():
    listed = json.loads(DOWNLOAD["body"])
    listed["data"][0]["serial_no"] = "00FF"
    body = json.dumps(listed).encode()
    with pytest.raises(Malformed):
        certificates(v3_headers(body), body)


def test_a_certificate_that_is_none():
    sealed = {**known.seal(b"-----BEGIN CERTIFICATE-----\n"), "associated_data": "transaction"}
    body = json.dumps({"data": [{"serial_no": "00FF", "encrypt_certificate": sealed}]}).encode()
    with pytest.raises(Malformed):
        certificates(v3_headers(body), body)


@pytest.mark.parametrize("body", [b"{}", b'{"data":{}}', b'{"data":[1]}', b'{"data":[{}]}', b"[]"])
def test_a_list_that_is_none(body):
    with pytest.raises(Malformed):
        certificates(v3_headers(body), body)
