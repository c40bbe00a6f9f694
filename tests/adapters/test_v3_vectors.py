"""The v3 codec against the shared vectors."""

from __future__ import annotations

import hashlib
import re

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.errors import BadSignature, SignatureProbe
from adapters.wechat_v3 import codec, reports
from tests.adapters import known


@pytest.mark.parametrize("vector", known.vectors("v3_request_sign"), ids=known.name_of)
def test_request(vector):
    given, expected = vector["inputs"], vector["expected"]
    body = given["body"].encode()
    message = codec.request_message(given["method"], given["url"], int(given["timestamp"]), given["nonce"], body)
    assert message == expected["sign_string"].encode()
    assert hashlib.sha256(message).hexdigest() == expected["sign_string_sha256"]
    assert codec.sign(known.MERCHANT, message) == expected["signature"]
    header = codec.authorization(
        given["mchid"],
        given["serial_no"],
        known.MERCHANT,
        method=given["method"],
        target=given["url"],
        timestamp=int(given["timestamp"]),
        nonce=given["nonce"],
        body=body,
    )
    assert header == expected["authorization"]


@pytest.mark.parametrize("vector", known.vectors("v3_authorization_parse"), ids=known.name_of)
def test_our_authorization_has_the_same_items(vector):
    """We write this header and never read one; what we write must be the parsed items in any order."""
    items = vector["expected"]["items"]
    header = codec.authorization(
        items["mchid"],
        items["serial_no"],
        known.MERCHANT,
        method="POST",
        target="/v3/pay/transactions/out-trade-no/T20240101_000-1/close",
        timestamp=int(items["timestamp"]),
        nonce=items["nonce_str"],
        body=b'{"mchid":"1900000001"}',
    )
    scheme, rest = header.split(" ", 1)
    assert scheme == vector["expected"]["scheme"]
    assert dict(re.findall(r'(\w+)="([^"]*)"', rest)) == items


@pytest.mark.parametrize("vector", known.vectors("v3_verify"), ids=known.name_of)
def test_verify(vector):
    given, accept = vector["inputs"], vector["expected"]["accept"]
    body = given["body"].encode()
    if accept is False:
        with pytest.raises(BadSignature) as caught:
            codec.verify(given["headers"], body, known.VERIFICATION, given["now"])
        assert isinstance(caught.value, SignatureProbe) == vector["name"].endswith(".probe")
        return
    codec.verify(given["headers"], body, known.VERIFICATION, given["now"])  # "either" (300 s sharp): we accept


@pytest.mark.parametrize("vector", known.vectors("aead_aes_256_gcm"), ids=known.name_of)
def test_decrypt(vector):
    given = vector["inputs"]
    plain = codec.decrypt(given["api_v3_key"].encode(), given["nonce"], given["associated_data"], given["ciphertext"])
    assert plain == vector["expected"]["plaintext"].encode()


@pytest.mark.parametrize("vector", known.vectors("aead_aes_256_gcm_negative"), ids=known.name_of)
def test_decrypt_refuses(vector):
    given = vector["inputs"]
    with pytest.raises(BadSignature):
        codec.decrypt(given["api_v3_key"].encode(), given["nonce"], given["associated_data"], given["ciphertext"])


@pytest.mark.parametrize("vector", known.vectors("v3_notify"), ids=known.name_of)
def test_notification(vector):
    given, expected = vector["inputs"], vector["expected"]
    envelope = codec.read_notification(
        given["headers"], given["body"].encode(), known.VERIFICATION, given["now"], given["api_v3_key"].encode()
    )
    assert envelope.event_type == expected["event_type"]
    assert envelope.resource == expected["resource"]
    notification = reports.notified(envelope)
    assert notification.dedupe_key == f"v3:{envelope.id}"
    assert notification.report is not None
    assert notification.report.out_trade_no == expected["resource"]["out_trade_no"]


@pytest.mark.parametrize("vector", known.vectors("v3_certificates"), ids=known.name_of)
def test_first_download(vector):
    given, expected = vector["inputs"], vector["expected"]
    found = codec.read_certificates(
        given["headers"], given["body"].encode(), {}, given["now"], given["api_v3_key"].encode()
    )
    assert [each.serial_no for each in found] == expected["serials"]
    pem = found[0].key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert pem == known.KEYS["platform_cert"]["public_key_pem"]


@pytest.mark.parametrize("vector", known.vectors("v3_pay_sign"), ids=known.name_of)
def test_pay_sign(vector):
    given, expected = vector["inputs"], vector["expected"]
    prepay_id = given["package"].removeprefix("prepay_id=")
    assert codec.pay_sign(given["appId"], prepay_id, int(given["timeStamp"]), given["nonceStr"], known.MERCHANT) == {
        "timeStamp": given["timeStamp"],
        "nonceStr": given["nonceStr"],
        "package": given["package"],
        "signType": expected["signType"],
        "paySign": expected["paySign"],
    }
