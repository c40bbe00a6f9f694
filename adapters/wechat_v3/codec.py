"""The wire format of API v3, pure: RSA signatures, AES-256-GCM resources, strict JSON (v3.md 3, 4, 5, 6, 8, 10, 15).

It must not know a socket, a clock or a dice. What comes from outside is handed back only after its signature held:
``read_answer``, ``read_notification`` and ``read_certificates`` are the ways in, and none returns a flag.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.errors import BadSignature, Malformed, SignatureProbe
from adapters.wechat_words import word

SCHEME = "WECHATPAY2-SHA256-RSA2048"
CIPHER = "AEAD_AES_256_GCM"
PROBE = "WECHATPAY/SIGNTEST/"
WINDOW = 300  # seconds either side; at exactly 300 the SDKs differ, and we accept

Object = Mapping[str, Any]  # a JSON object
Keys = Mapping[str, RSAPublicKey]  # by certificate serial or PUB_KEY_ID_...

_TIMESTAMP = re.compile(r"[1-9][0-9]{9}")
_SHA1 = re.compile(r"[0-9A-Fa-f]{40}")
_NONCE = re.compile(r"[!-+\--~]{1,128}")  # visible ASCII without the comma, which would mean a header sent twice
_RFC3339 = re.compile(r"(2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A notification whose signature held and whose resource opened under our own key."""

    id: str
    event_type: str
    original_type: str
    resource: Object


@dataclass(frozen=True, slots=True)
class Certificate:
    """One platform certificate; ``expires_at`` in epoch seconds."""

    serial_no: str
    key: RSAPublicKey
    expires_at: int


# --- what we sign (v3.md 3, 10) ---


def request_message(method: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    """The five lines. ``target`` is path and query exactly as sent, ``body`` the very bytes that are sent."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """Base64 of RSASSA-PKCS1-v1_5 with SHA-256."""
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def authorization(
    mchid: str, serial_no: str, key: RSAPrivateKey, *, method: str, target: str, timestamp: int, nonce: str, body: bytes
) -> str:
    """The value of the Authorization header."""
    signature = sign(key, request_message(method, target, timestamp, nonce, body))
    return (
        f'{SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial_no}"'
    )


def pay_sign(appid: str, prepay_id: str, timestamp: int, nonce: str, key: RSAPrivateKey) -> dict[str, str]:
    """The five values for ``wx.requestPayment``; ``timestamp`` in epoch seconds. The appid is signed, not passed."""
    package = f"prepay_id={prepay_id}"
    message = f"{appid}\n{timestamp}\n{nonce}\n{package}\n".encode()
    return {
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": sign(key, message),
    }


# --- what they sign (v3.md 4, 5) ---


def verify(headers: Mapping[str, str], body: bytes, keys: Keys, now: int) -> None:
    """Raises BadSignature unless the five headers, the clock, the named key and the raw ``body`` agree.

    SignatureProbe is the same refusal for WeChat's own test of whether we verify.
    """
    told = _by_name(headers)
    stamp, nonce, serial = (_once(told, f"Wechatpay-{name}") for name in ("Timestamp", "Nonce", "Serial"))
    signature = _once(told, "Wechatpay-Signature")
    if signature.startswith(PROBE):
        raise SignatureProbe("a signature probe")
    if "wechatpay-signature-type" in told and _once(told, "Wechatpay-Signature-Type") != SCHEME:
        raise BadSignature("unknown signature type")
    if not _TIMESTAMP.fullmatch(stamp) or not _NONCE.fullmatch(nonce):
        raise BadSignature("timestamp or nonce not of its form")
    if abs(now - int(stamp)) > WINDOW:
        raise BadSignature("timestamp outside five minutes")
    if serial not in keys:
        raise BadSignature("unknown serial")
    message = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
    try:
        keys[serial].verify(_unbase64(signature), message, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise BadSignature("signature does not match") from None


def _by_name(headers: Mapping[str, str]) -> dict[str, str | None]:
    """In whatever case they came; None for one that came twice."""
    told: dict[str, str | None] = {}
    for given, value in headers.items():
        name = given.lower()
        told[name] = None if name in told else value
    return told


def _once(told: Mapping[str, str | None], name: str) -> str:
    """A header that must be there exactly once."""
    value = told.get(name.lower())
    if value is None:
        raise BadSignature(f"{name} missing or repeated")
    return value


def _unbase64(text: object) -> bytes:
    """Canonical base64 only: otherwise several texts would stand for one signature. Raises BadSignature."""
    try:
        raw = binascii.a2b_base64(str(text), strict_mode=True)
    except ValueError:  # binascii.Error, or not even ASCII
        raise BadSignature("not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise BadSignature("not canonical base64")
    return raw


# --- messages ---


def read_answer(headers: Mapping[str, str], body: bytes, keys: Keys, now: int) -> Object:
    """A verified response; ``{}`` for the empty body of a 204. Raises BadSignature, Malformed."""
    verify(headers, body, keys, now)
    return _object(loads(body)) if body else {}


def read_notification(headers: Mapping[str, str], body: bytes, keys: Keys, now: int, api_key: bytes) -> Envelope:
    """A verified, opened notification (v3.md 15). Raises BadSignature, Malformed.

    The platform signs for every merchant with one key: only a resource that opens under our key was meant for us.
    """
    verify(headers, body, keys, now)
    message = _object(loads(body))
    sealed = _object(message.get("resource"))
    return Envelope(
        id=word(message, "id", 64),
        event_type=word(message, "event_type", 64),
        original_type=word(sealed, "original_type", 64),
        resource=_object(loads(_open(sealed, api_key))),
    )


def read_certificates(
    headers: Mapping[str, str], body: bytes, keys: Keys, now: int, api_key: bytes
) -> list[Certificate]:
    """The platform certificates of ``GET /v3/certificates``. Raises BadSignature, Malformed.

    The first download has no key to verify with: each certificate opens under our APIv3 key, which WeChat alone shares,
    and then this very answer is verified with the one that its serial names (v3.md 6). A known key takes precedence.
    """
    listed = _object(loads(body)).get("data")
    if not isinstance(listed, list):
        raise Malformed("no list of certificates")
    found = [_certificate(_object(item), api_key) for item in listed]
    verify(headers, body, {**{each.serial_no: each.key for each in found}, **keys}, now)
    return found


def _certificate(item: Object, api_key: bytes) -> Certificate:
    pem = _open(_object(item.get("encrypt_certificate")), api_key)
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("not a certificate") from None
    serial = word(item, "serial_no", 64)
    if not isinstance(key, RSAPublicKey) or f"{certificate.serial_number:X}" != serial.upper().lstrip("0"):
        raise Malformed("a certificate that is not what its entry says")
    return Certificate(serial, key, int(certificate.not_valid_after_utc.timestamp()))


def _open(sealed: Object, api_key: bytes) -> bytes:
    if sealed.get("algorithm") != CIPHER:
        raise Malformed("sealed with an unknown algorithm")
    return decrypt(api_key, sealed.get("nonce"), sealed.get("associated_data") or "", sealed.get("ciphertext"))


def decrypt(api_key: bytes, nonce: object, associated_data: object, ciphertext: object) -> bytes:
    """AEAD_AES_256_GCM over base64 (v3.md 8). Raises BadSignature: what does not open was not sealed for us."""
    if not (isinstance(nonce, str) and isinstance(associated_data, str) and isinstance(ciphertext, str)):
        raise BadSignature("not a sealed resource")
    try:
        if len(nonce.encode()) != 12:
            raise BadSignature("a nonce that is not 12 bytes long")
        return _cipher(api_key).decrypt(nonce.encode(), _unbase64(ciphertext), associated_data.encode())
    except (InvalidTag, UnicodeEncodeError):
        raise BadSignature("the resource does not open") from None


@lru_cache(4)  # a merchant has one key, and a second while it is changed
def _cipher(api_key: bytes) -> AESGCM:
    return AESGCM(api_key)


# --- JSON, strict (money.md F26) ---


def loads(body: bytes) -> Any:
    """JSON in UTF-8 as the standard has it. Malformed for repeated keys, NaN, infinities, a BOM, bottomless nesting."""
    try:
        return _STRICT.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("not JSON of the strict kind") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError
    return values


def _refuse(_constant: str) -> NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError
    return value


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


# --- values ---


def _object(value: object) -> Object:
    if not isinstance(value, dict):
        raise Malformed("not an object where one is due")
    return value


def part(fields: Object, name: str) -> Object:
    """A nested object; empty if it is absent. Malformed if it is something else."""
    return _object(fields.get(name, {}))


def fen(fields: Object, name: str) -> int:
    """An amount of at least 1 fen. Malformed for a float, a bool or a string, however round."""
    value = fields.get(name)
    if type(value) is not int or not 1 <= value <= 9_999_999_999:
        raise Malformed(f"{name} is not an amount")
    return value


def sha1(answer: Object) -> str:
    """The hex digest that a bill answer gives for its file (v3.md 14). Malformed for any other kind of digest."""
    digest = answer.get("hash_value")
    if answer.get("hash_type") != "SHA1" or not isinstance(digest, str) or not _SHA1.fullmatch(digest):
        raise Malformed("a bill without a SHA-1 digest")
    return digest


def epoch(fields: Object, name: str) -> int:
    """Epoch seconds of an RFC 3339 time; fractions are dropped. Malformed otherwise."""
    value = fields.get(name)
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError
        return int(datetime.fromisoformat(match[1] + match[2]).timestamp())
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is not a time") from None
