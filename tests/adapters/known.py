"""The vectors of ``tests/vectors/wechat.json``, their keys, and WeChat's side of both protocols in a few lines.

For the tests of this folder. Nothing here is, or imports, code under test: it signs and seals by itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_public_key

FILE = Path(__file__).parents[1] / "vectors" / "wechat.json"
DATA: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
KEYS: dict[str, Any] = DATA["keys"]

APPID = "wx00000000000test1"
MCHID = "1900000001"
V2_KEY: str = KEYS["api_v2_key"]
V3_KEY: bytes = KEYS["api_v3_key"].encode()
PUBLIC_KEY_ID: str = KEYS["wechatpay_public_key"]["serial_no"]
PLATFORM_SERIAL: str = KEYS["platform_cert"]["serial_no"]


def private_key(name: str) -> RSAPrivateKey:
    key = load_der_private_key(base64.b64decode(KEYS[name]["private_key_der_base64"]), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def public_key(name: str) -> RSAPublicKey:
    key = load_pem_public_key(KEYS[name]["public_key_pem"].encode())
    assert isinstance(key, RSAPublicKey)
    return key


MERCHANT = private_key("merchant")
VERIFICATION = {
    PUBLIC_KEY_ID: public_key("wechatpay_public_key"),
    PLATFORM_SERIAL: public_key("platform_cert"),
}


def vectors(*kinds: str) -> list[dict[str, Any]]:
    """All vectors of these kinds; a kind without a single one would make a test that cannot fail."""
    found = [vector for vector in DATA["vectors"] if vector["kind"] in kinds]
    assert {vector["kind"] for vector in found} == set(kinds)
    return found


def named(name: str) -> dict[str, Any]:
    return next(vector for vector in DATA["vectors"] if vector["name"] == name)


def name_of(vector: dict[str, Any]) -> str:
    return vector["name"]


# --- WeChat's side, v2 ---


def v2_signed(fields: dict[str, str], scheme: str = "MD5", key: str = V2_KEY) -> dict[str, str]:
    text = "".join(f"{name}={value}&" for name, value in sorted(fields.items()) if value) + "key=" + key
    if scheme == "MD5":
        return {**fields, "sign": hashlib.md5(text.encode()).hexdigest().upper()}
    return {**fields, "sign": hmac.digest(key.encode(), text.encode(), "sha256").hex().upper()}


def v2_xml(fields: dict[str, str]) -> bytes:
    return b"<xml>" + b"".join(f"<{k}><![CDATA[{v}]]></{k}>".encode() for k, v in fields.items()) + b"</xml>"


V2_PAID = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "appid": APPID,
    "mch_id": MCHID,
    "nonce_str": "5d2b6c2a8db53831f7eda20af46e531c",
    "openid": "oTESTopenid0000000000000001",
    "total_fee": "100",
    "cash_fee": "90",
    "settlement_total_fee": "95",
    "fee_type": "CNY",
    "transaction_id": "4200000000202401010000000001",
    "out_trade_no": "T202401010001",
    "time_end": "20240101100130",
}

# --- WeChat's side, v3 ---

NOW = 1704074492
TRADE: dict[str, Any] = {
    "appid": APPID,
    "mchid": MCHID,
    "out_trade_no": "T202401010001",
    "transaction_id": "4200000000202401010000000001",
    "trade_state": "SUCCESS",
    "success_time": "2024-01-01T10:01:30+08:00",
    "payer": {"openid": "oTESTopenid0000000000000001"},
    "amount": {"total": 100, "payer_total": 90, "currency": "CNY", "payer_currency": "CNY"},
}
PAID_AT = 1704074490  # 2024-01-01T10:01:30+08:00

_SIGNERS = {PUBLIC_KEY_ID: private_key("wechatpay_public_key"), PLATFORM_SERIAL: private_key("platform_cert")}


def v3_headers(body: bytes, serial: str = PUBLIC_KEY_ID, stamp: object = NOW, nonce: str = "n0nce") -> dict[str, str]:
    """The headers of a message with this body, signed by the key that ``serial`` names."""
    message = b"\n".join([str(stamp).encode(), nonce.encode(), body, b""])
    signature = base64.b64encode(_SIGNERS[serial].sign(message, PKCS1v15(), SHA256())).decode()
    return {
        "Wechatpay-Serial": serial,
        "Wechatpay-Timestamp": str(stamp),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def seal(plain: bytes, associated_data: str = "transaction", nonce: str = "k9Xq2LmP7sVd") -> dict[str, str]:
    sealed = AESGCM(V3_KEY).encrypt(nonce.encode(), plain, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "original_type": "transaction",
        "nonce": nonce,
        "associated_data": associated_data,
        "ciphertext": base64.b64encode(sealed).decode(),
    }


def v3_notice(plain: object = TRADE, **envelope: Any) -> bytes:
    text = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return json.dumps(
        {
            "id": "EV-2018022511223320873",
            "event_type": "TRANSACTION.SUCCESS",
            "resource_type": "encrypt-resource",
            "resource": seal(text),
            **envelope,
        }
    ).encode()
