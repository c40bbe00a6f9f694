"""What a message holds beneath its bytes, for people to read: the exact string that was signed, the signature, the
decrypted resource, and whose payment it is about.

Pure. It shows no key: in v2's string it reads ``key=***``. It must not judge a signature (``v2wire`` and ``v3auth``
did), and what it cannot read it leaves out: any message may be broken on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator import v2wire, v3wire
from simulator.merchant import Merchant
from simulator.primitives import Forged, ecb_decrypt, gcm_decrypt, md5_upper

_MASK = "***"
_RSA = "SHA256 with RSA"
_PAY_NAMES = ("appId", "nonceStr", "package", "signType", "timeStamp")
_ABOUT = re.compile(r"/out-trade-no/([^/?]+)|out_trade_no(?:\":\s*\"|>(?:<!\[CDATA\[)?)([^\"<\]]+)")
_PREPAID = re.compile(r"\"package\":\s*\"prepay_id=([^\"]+)\"")
_OPENID = re.compile(r"\"openid\":\s*\"([^\"]+)\"")


@dataclass(frozen=True)
class Part:
    """A request or, without method and URL, an answer."""

    headers: Mapping[str, str]
    body: bytes
    method: str = ""
    url: str = ""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "backslashreplace")

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers.items() if known.lower() == name), "")


def unfold(part: Part, merchant: Merchant) -> dict[str, Any]:
    """``{"signed": {"scheme", "string", "signature", "by"?}, "decrypted"}``, each if there is one."""
    found: dict[str, Any] = {"signed": _signed(part, merchant), "decrypted": _decrypted(part, merchant)}
    return {name: value for name, value in found.items() if value}


def numbers_in(text: str) -> tuple[str, str, str]:
    """The out_trade_no, the prepay_id and the openid that a text names first; empty where it names none."""
    about, prepaid, openid = _ABOUT.search(text), _PREPAID.search(text), _OPENID.search(text)
    number = (about[1] or about[2]) if about else ""
    return number, prepaid[1] if prepaid else "", openid[1] if openid else ""


def _signed(part: Part, merchant: Merchant) -> dict[str, str] | None:
    try:
        if part.header("authorization").startswith(v3wire.SCHEME):
            return _v3_request(part)
        if part.header("wechatpay-signature"):
            return _v3_answer(part)
        if part.body.startswith(b"<xml>"):
            return _v2(v2wire.parse_xml(part.body))
        return _pay_sign(v3wire.load_json(part.body), merchant.appid)
    except (v2wire.XmlRefused, v3wire.HeaderRefused, v3wire.JsonRefused, KeyError, TypeError, ValueError):
        return None


def _v3_request(part: Part) -> dict[str, str]:
    items = v3wire.parse_authorization(part.header("authorization"))
    text = v3wire.request_string(part.method, part.url, items["timestamp"], items["nonce_str"], part.body)
    return _proof(_RSA, text.decode("utf-8", "backslashreplace"), items["signature"], items["serial_no"])


def _v3_answer(part: Part) -> dict[str, str]:
    text = v3wire.response_string(part.header("wechatpay-timestamp"), part.header("wechatpay-nonce"), part.body)
    shown = text.decode("utf-8", "backslashreplace")
    return _proof(_RSA, shown, part.header("wechatpay-signature"), part.header("wechatpay-serial"))


def _v2(fields: Mapping[str, str]) -> dict[str, str]:
    """The sign type is named in few messages; its length gives it away."""
    scheme = fields.get("sign_type") or ("MD5" if len(fields["sign"]) == 32 else "HMAC-SHA256")
    return _proof(scheme, v2wire.sign_string(fields, _MASK), fields["sign"])


def _pay_sign(given: Mapping[str, str], appid: str) -> dict[str, str]:
    """paySign, whichever generation's (v2.md 5, v3.md 10)."""
    fields = {"appId": appid, **given}
    if fields["signType"] == "RSA":
        text = v3wire.pay_string(*(fields[name] for name in ("appId", "timeStamp", "nonceStr", "package"))).decode()
        return _proof(_RSA, text, fields["paySign"])
    text = v2wire.sign_string({name: fields[name] for name in _PAY_NAMES}, _MASK)
    return _proof(fields["signType"], text, fields["paySign"])


def _proof(scheme: str, text: str, signature: str, by: str = "") -> dict[str, str]:
    return {"scheme": scheme, "string": text, "signature": signature} | ({"by": by} if by else {})


def _decrypted(part: Part, merchant: Merchant) -> str | None:
    """What a notification encrypts: v3's resource, v2's req_info (v3.md 8, v2.md 12.2)."""
    try:
        if part.body.startswith(b"<xml>"):
            key = md5_upper(merchant.v2_api_key.encode()).lower().encode()
            plain = ecb_decrypt(key, v2wire.parse_xml(part.body)["req_info"])
        else:
            sealed = v3wire.load_json(part.body)["resource"]
            aad, nonce = sealed["associated_data"].encode(), sealed["nonce"].encode()
            plain = gcm_decrypt(merchant.v3_api_key.encode(), nonce, aad, sealed["ciphertext"])
    except (Forged, v2wire.XmlRefused, v3wire.JsonRefused, KeyError, TypeError, AttributeError):
        return None
    return plain.decode("utf-8", "backslashreplace")
