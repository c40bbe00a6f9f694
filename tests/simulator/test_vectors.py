"""The common judge: every vector about payments, on the simulator's own wire code."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import RSA

from simulator import v2wire, v3wire
from simulator.billfile import trade
from simulator.bills import Line
from simulator.clock import from_compact
from simulator.primitives import (
    Forged,
    ecb_encrypt,
    gcm_decrypt,
    gcm_encrypt,
    hmac_upper,
    md5_upper,
    oaep_decrypt,
    recover_digest,
    rsa_sign,
    rsa_verify,
)

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


@of_kind("v2_refund_req_info")
def test_v2_refund_req_info(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    if "api_key" in given:
        assert md5_upper(given["api_key"].encode()).lower() == expected["aes_key_ascii"]
    assert ecb_encrypt(expected["aes_key_ascii"].encode(), expected["plaintext"].encode()) == given["req_info"]


@of_kind("rsa_oaep_sha1_decrypt")
def test_oaep(vector: Any) -> None:
    given, expected = vector["inputs"], vector["expected"]
    key = private_key(given["private_key"])
    assert oaep_decrypt(key, given["ciphertext"]).decode() == expected["plaintext"]
    with pytest.raises(Forged):
        oaep_decrypt(key, given["ciphertext"][:-8] + "AAAAAA==")


@of_kind("bill_parse")
def test_bill(vector: Any) -> None:
    """The same two trades, written here, are the vector's bytes."""
    expected = base64.b64decode(vector["inputs"]["text_base64"])
    paid_at, refunded_at = from_compact("20240101100130"), from_compact("20240101180000")
    paid = Line(
        paid_at, "4200000000202401010000000001", "T20240101_000-1", "oTESTopenid0000000000000001", "CMB_CREDIT",
        100, 0, "测试小店-咖啡, 大杯", "a=1",
    )  # fmt: skip
    refund = paid._replace(
        at=refunded_at, refund_id="50300000002024010100000000001", out_refund_no="R20240101-1", refunded=40,
        refund_state="SUCCESS", channel="ORIGINAL",
    )  # fmt: skip
    bill = trade([paid, refund], "ALL", 27, "wx00000000000test1", "1900000001")
    written = b"".join(bill.pieces(packed=False))
    assert bill.sha1 == hashlib.sha1(written).hexdigest()
    assert loosened(written) == loosened(expected)


def loosened(bill: bytes) -> list[list[str]]:
    """Rows whose amounts are read as numbers: the summary loses zeros here; a fee of 0.24 fen is nothing."""
    rows = [line.lstrip("`").split(",`") for line in bill.decode("utf-8-sig").splitlines()]
    return [[str(float(value)) if re.fullmatch(r"-?\d+\.\d+", value) else value for value in row] for row in rows]
