"""The common judge: every vector about payments, on the simulator's own wire code."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import RSA

from simulator import v2wire, v3wire
from simulator.primitives import Forged, gcm_decrypt, gcm_encrypt, hmac_upper, recover_digest, rsa_sign, rsa_verify

FILE = json.loads((Path(__file__).parents[1] / "vectors" / "wechat.json").read_text("utf-8"))
KEYS = FILE["keys"]


def of_kind(*kinds: str) -> Any:
    found = [v for v in FILE["vectors"] if v["kind"] in kinds]
    assert found, kinds
    return pytest.mark.parametrize("vector", found, ids=[v["name"] for v in found])


def private_key(name: str) -> RSA.RsaKey:
    return RSA.import_key(base64.b64decode(KEYS[name.removeprefix("keys.")]["private_key_der_base64"]))


def wechat_keys() -> dict[str, RSA.RsaKey]:
    owners = (KEYS["platform_cert"], KEYS["wechatpay_public_key"])
    return {owner["serial_no"]: RSA.import_key(owner["public_key_pem"]) for owner in owners}


@of_kind("v2_sign")
def test_v2_sign(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    assert v2wire.sign_string(given["params"], given["api_key"]) == expected["sign_string"]
    assert v2wire.sign(given["params"], given["api_key"], given["sign_type"]) == expected["sign"]


@of_kind("v2_sign_negative")
def test_v2_sign_negative(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    assert hmac_upper(given["api_key"].encode(), given["wrong_message"].encode()) == expected["wrong_sign"]
    signature = v2wire.sign(given["params"], given["api_key"], given["sign_type"])
    assert signature == expected["must_not_equal"] != expected["wrong_sign"]


@of_kind("v2_pay_sign")
def test_v2_pay_sign(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    assert v2wire.sign_string(given["params"], given["api_key"]) == expected["sign_string"]
    assert v2wire.sign(given["params"], given["api_key"], given["hash"]) == expected["paySign"]


def accepted(given: dict[str, Any]) -> dict[str, str] | None:
    """A v2 message as a careful receiver reads it: the fields, or None."""
    try:
        fields = v2wire.parse_xml(given["xml"].encode("utf-8"))
        v2wire.verify(fields, given["api_key"], fields.get("sign_type") or given["order_sign_type"])
    except (v2wire.XmlRefused, Forged):
        return None
    return fields


@of_kind("v2_verify_xml")
def test_v2_messages(vector: Any) -> None:
    fields = accepted(vector["inputs"])
    assert (fields is not None) == vector["expected"]["accept"]
    if fields is not None:
        assert fields == vector["expected"]["fields"]


@of_kind("v2_response_class")
def test_v2_unsigned_answers_are_read_and_never_hold(vector: Any) -> None:
    fields = v2wire.parse_xml(vector["inputs"]["xml"].encode("utf-8"))
    assert fields["return_code"] in ("SUCCESS", "FAIL")
    for sign_type in v2wire.SIGN_TYPES:
        with pytest.raises(Forged):
            v2wire.verify(fields, KEYS["api_v2_key"], sign_type)


@of_kind("v3_request_sign")
def test_v3_request_sign(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    text = v3wire.request_string(
        given["method"], given["url"], given["timestamp"], given["nonce"], given["body"].encode("utf-8")
    )
    assert text.decode("utf-8") == expected["sign_string"]
    assert hashlib.sha256(text).hexdigest() == expected["sign_string_sha256"]
    key = private_key(given["private_key"])
    assert rsa_sign(key, text) == expected["signature"]
    items = v3wire.parse_authorization(expected["authorization"])
    assert (items["mchid"], items["serial_no"]) == (given["mchid"], given["serial_no"])
    rsa_verify(key.public_key(), text, items["signature"])
    assert recover_digest(key.public_key(), items["signature"]).digest == hashlib.sha256(text).digest()


@of_kind("v3_authorization_parse")
def test_v3_authorization(vector: Any) -> None:
    assert v3wire.parse_authorization(vector["inputs"]["authorization"]) == vector["expected"]["items"]


@of_kind("v3_verify")
def test_v3_verify(vector: Any) -> None:
    given = vector["inputs"]
    try:
        v3wire.verify_headers(given["headers"], given["body"].encode("utf-8"), wechat_keys(), given["now"])
        held = True
    except Forged:
        held = False
    assert vector["expected"]["accept"] in (held, "either")


@of_kind("aead_aes_256_gcm")
def test_gcm(vector: Any) -> None:
    given, key = vector["inputs"], vector["inputs"]["api_v3_key"].encode()
    nonce, associated = given["nonce"].encode(), given["associated_data"].encode()
    plaintext = gcm_decrypt(key, nonce, associated, given["ciphertext"])
    if "plaintext" in vector["expected"]:
        assert plaintext.decode("utf-8") == vector["expected"]["plaintext"]
    assert gcm_encrypt(key, nonce, associated, plaintext) == given["ciphertext"]


@of_kind("aead_aes_256_gcm_negative")
def test_gcm_negative(vector: Any) -> None:
    given = vector["inputs"]
    with pytest.raises(Forged):
        gcm_decrypt(
            given["api_v3_key"].encode(),
            given["nonce"].encode(),
            given["associated_data"].encode(),
            given["ciphertext"],
        )


@of_kind("v3_notify")
def test_v3_notify(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    body = given["body"].encode("utf-8")
    v3wire.verify_headers(given["headers"], body, wechat_keys(), given["now"])
    envelope = v3wire.load_json(body)
    assert envelope["event_type"] == expected["event_type"]
    sealed = envelope["resource"]
    plaintext = gcm_decrypt(
        given["api_v3_key"].encode(), sealed["nonce"].encode(), sealed["associated_data"].encode(), sealed["ciphertext"]
    )
    assert v3wire.load_json(plaintext) == expected["resource"]


@of_kind("v3_certificates")
def test_v3_certificates(vector: Any) -> None:
    given, body = vector["inputs"], vector["inputs"]["body"].encode("utf-8")
    entries = v3wire.load_json(body)["data"]
    assert [entry["serial_no"] for entry in entries] == vector["expected"]["serials"]
    sealed = entries[0]["encrypt_certificate"]
    pem = gcm_decrypt(
        given["api_v3_key"].encode(), sealed["nonce"].encode(), sealed["associated_data"].encode(), sealed["ciphertext"]
    )
    assert pem.decode() == KEYS["platform_cert"]["certificate"]
    keys = {entries[0]["serial_no"]: RSA.import_key(pem)}
    v3wire.verify_headers(given["headers"], body, keys, given["now"])


@of_kind("v3_pay_sign")
def test_v3_pay_sign(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    text = v3wire.pay_string(given["appId"], given["timeStamp"], given["nonceStr"], given["package"])
    assert text.decode() == expected["sign_string"]
    assert rsa_sign(private_key(given["private_key"]), text) == expected["paySign"]
