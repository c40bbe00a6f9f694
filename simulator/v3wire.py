"""API v3 on the wire: the strings that are signed, the Authorization header, strict JSON, the sealed resource.

Pure: bytes, keys, times and nonces come in (v3.md 3, 4, 8, 10). It must not know routes, orders or the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from Crypto.PublicKey import RSA

from simulator import primitives
from simulator.wire import GENUINE, Seal

SCHEME = "WECHATPAY2-SHA256-RSA2048"
ITEMS = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})
PROBE = "WECHATPAY/SIGNTEST/"
_ITEM = re.compile(r'([a-z_]+)="([^"]*)"')
_MAX_DEPTH = 32


class HeaderRefused(Exception):
    """The Authorization header is not one."""


class JsonRefused(Exception):
    """The body is not strict JSON."""


def request_string(method: str, url: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """Five lines, each ended, the last too (v3.md 3). ``url`` is the raw path and query."""
    return f"{method}\n{url}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def response_string(timestamp: str, nonce: str, body: bytes) -> bytes:
    """Three lines (v3.md 4); an empty body leaves the third empty."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def pay_string(appid: str, timestamp: str, nonce: str, package: str) -> bytes:
    """Four lines of paySign (v3.md 10); ``package`` is the whole ``prepay_id=...``."""
    return f"{appid}\n{timestamp}\n{nonce}\n{package}\n".encode()


def parse_authorization(header: str) -> dict[str, str]:
    """The five items in any order; raises ``HeaderRefused`` on a missing, repeated or unknown one."""
    scheme, _, rest = header.partition(" ")
    if scheme != SCHEME:
        raise HeaderRefused(f"scheme is not {SCHEME}")
    items: dict[str, str] = {}
    for part in rest.strip().split(","):
        match = _ITEM.fullmatch(part.strip())
        if match is None:
            raise HeaderRefused('items must be name="value", separated by commas')
        if match[1] in items:
            raise HeaderRefused(f"{match[1]} appears twice")
        items[match[1]] = match[2]
    if items.keys() != ITEMS:
        odd = ", ".join(sorted(items.keys() ^ ITEMS))
        raise HeaderRefused(f"missing or unknown items: {odd}")
    return items


def load_json(body: bytes) -> Any:
    """JSON without repeated keys, NaN, infinities, BOM or absurd depth. Raises ``JsonRefused``."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if _depth(value) > _MAX_DEPTH:
            raise ValueError("nested too deeply")
    except (ValueError, RecursionError) as error:
        raise JsonRefused(str(error)[:200]) from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has a repeated key")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def dump_json(value: object) -> bytes:
    """Compact UTF-8, as WeChat writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def signature_headers(
    key: RSA.RsaKey, serial: str, timestamp: int, nonce: str, body: bytes, seal: Seal = GENUINE
) -> dict[str, str]:
    """The five ``Wechatpay-*`` headers over ``body`` (v3.md 4), or what ``seal`` wants instead."""
    if seal.kind == "missing":
        return {}
    stamp = str(timestamp + seal.offset)
    signature = primitives.rsa_sign(key, response_string(stamp, nonce, body))
    return {
        "Wechatpay-Serial": seal.serial or serial,
        "Wechatpay-Timestamp": stamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": _misuse(signature, seal),
        "Wechatpay-Signature-Type": SCHEME,
    }


def _misuse(signature: str, seal: Seal) -> str:
    if seal.kind == "signtest":
        return PROBE + signature[len(PROBE) :]
    if seal.kind == "broken":
        return ("A" if signature[0] != "A" else "B") + signature[1:]
    return signature


def verify_headers(headers: Mapping[str, str], body: bytes, keys: Mapping[str, RSA.RsaKey], now: int) -> None:
    """What a merchant must do with a response or notification; raises ``primitives.Forged``.

    The simulator uses it on its own messages and on the common vectors; 300 s exactly still pass.
    """
    key = keys.get(headers.get("Wechatpay-Serial", ""))
    stamp = headers.get("Wechatpay-Timestamp", "")
    if key is None or not re.fullmatch(r"[0-9]{1,12}", stamp) or abs(now - int(stamp)) > 300:
        raise primitives.Forged("unknown serial, or no fresh timestamp")
    text = response_string(stamp, headers.get("Wechatpay-Nonce", ""), body)
    primitives.rsa_verify(key, text, headers.get("Wechatpay-Signature", ""))


def resource(api_v3_key: str, original_type: str, nonce: str, plaintext: bytes) -> dict[str, str]:
    """The encrypted resource of a notification (v3.md 15.1); ``associated_data`` is the original type."""
    return {
        "original_type": original_type,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": primitives.gcm_encrypt(api_v3_key.encode(), nonce.encode(), original_type.encode(), plaintext),
        "associated_data": original_type,
        "nonce": nonce,
    }
