"""The wire format of API v2, pure: XML, MD5 / HMAC-SHA256 signatures, the refund notice's cipher (v2.md 2, 3, 5, 12).

It must not know a socket, a clock or a dice. What comes from outside is handed back only after its signature held:
``read_answer``, ``read_notification`` and ``read_refund_notice`` are the only ways in, and none returns a flag.

The XML is read with expat itself. xmltodict sits on the same parser, but hides what must be refused here: it joins the
digits around a comment, keeps attributes beside values, turns repeats into lists and accepts a DOCTYPE.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NoReturn
from xml.parsers import expat

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from adapters.errors import BadSignature, Malformed, OutcomeUnknown
from adapters.text import tidy

MD5, HMAC_SHA256 = "MD5", "HMAC-SHA256"
MAX_XML = 65_536  # bytes; the largest documented answer is a tenth of it
BEIJING = timezone(timedelta(hours=8))  # fixed, whatever zone this machine is in

Fields = Mapping[str, str]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FEN = re.compile(r"[1-9][0-9]{0,9}")
_COMPACT_TIME = re.compile(r"2[0-9]{13}")
_SPACED_TIME = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_DIGEST = re.compile(r"SHA=([0-9A-Fa-f]{40})")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")  # no XML, or (CR) changed by every reader


@dataclass(frozen=True, slots=True)
class Signed:
    """The fields of a notification whose signature held, and the scheme that it was made with."""

    fields: Fields
    scheme: str


# --- signatures (v2.md 2) ---


def sign_string(fields: Fields, api_key: str) -> str:
    """The text that is hashed: all non-empty values but ``sign``, raw, by name in byte order, then the key."""
    pairs = [f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != ""]
    return "&".join([*pairs, f"key={api_key}"])


def sign(fields: Fields, api_key: str, scheme: str) -> str:
    """Upper-case hex: 32 characters for MD5, 64 for HMAC-SHA256. ValueError for any other scheme."""
    message = sign_string(fields, api_key).encode()
    if scheme == MD5:
        return hashlib.md5(message).hexdigest().upper()
    if scheme == HMAC_SHA256:
        return hmac.new(api_key.encode(), message, hashlib.sha256).hexdigest().upper()
    raise ValueError(f"not a v2 sign type: {scheme}")


def verify(fields: Fields, api_key: str, scheme: str) -> None:
    """Raises BadSignature unless ``sign`` is there and right under ``scheme``."""
    given = fields.get("sign", "")
    if not given:
        raise BadSignature("no sign")
    if fields.get("sign_type", "") not in ("", scheme):
        raise BadSignature("signed in another way than agreed")
    if not hmac.compare_digest(given.encode(), sign(fields, api_key, scheme).encode()):
        raise BadSignature("sign does not match")


def pay_sign(appid: str, prepay_id: str, timestamp: int, nonce: str, api_key: str, scheme: str) -> dict[str, str]:
    """The five values for ``wx.requestPayment``; ``timestamp`` in epoch seconds. The appid is signed, not passed."""
    values = {
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": f"prepay_id={prepay_id}",
        "signType": scheme,
    }
    return {**values, "paySign": sign({"appId": appid, **values}, api_key, scheme)}


# --- messages ---


def build(fields: Fields) -> bytes:
    """``<xml>`` with every value in CDATA, UTF-8. ValueError for a name or a character that XML cannot carry."""
    for name, value in fields.items():
        if not _NAME.fullmatch(name) or _UNWRITABLE.search(value):
            raise ValueError(f"not to be written as XML: {name[:40]!r}")
    return "".join(["<xml>", *(f"<{name}>{_cdata(fields[name])}</{name}>" for name in fields), "</xml>"]).encode()


def _cdata(value: str) -> str:
    return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def read_answer(body: bytes, api_key: str, scheme: str) -> Fields:
    """The verified fields of a response to a request that was signed with ``scheme``, ``result_code`` still unjudged.

    OutcomeUnknown for the unsigned failures of v2.md 1 and 2.3, which prove nothing; else BadSignature or Malformed.
    """
    fields = _parse_flat(body, "xml")
    if fields.get("return_code") == "FAIL":
        raise OutcomeUnknown(tidy(fields.get("return_msg")), code="FAIL")
    if not fields.get("sign") and fields.get("err_code") == "SYSTEMERROR":
        raise OutcomeUnknown(tidy(fields.get("err_code_des")), code="SYSTEMERROR")
    verify(fields, api_key, scheme)
    if fields.get("return_code") != "SUCCESS":
        raise Malformed("signed, but without return_code SUCCESS")
    return fields


def read_notification(body: bytes, api_key: str) -> Signed:
    """A payment notification. The scheme is what it claims or, without a claim, what its length tells (v2.md 2.3).

    Whether that scheme is the order's own is for the caller to compare. Raises BadSignature, Malformed.
    """
    fields = _parse_flat(body, "xml")
    scheme = fields.get("sign_type") or {32: MD5, 64: HMAC_SHA256}.get(len(fields.get("sign", "")), "")
    if scheme not in (MD5, HMAC_SHA256):
        raise BadSignature("unknown sign type")
    verify(fields, api_key, scheme)
    if fields.get("return_code") != "SUCCESS":
        raise Malformed("signed, but without return_code SUCCESS")
    return Signed(fields, scheme)


def read_bill_failure(head: bytes) -> Fields | None:
    """What an answer says if it begins like XML, after an optional BOM; None if it is a bill (v2.md 10, 11).

    A failure is unsigned; downloadbill's has no ``result_code``, and calls its number ``error_code``. Raises
    BadSignature.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return _parse_flat(text, "xml") if text.startswith(b"<") else None


def bill_digest(headers: Mapping[str, str]) -> str:
    """The hex SHA-1 of a fund-flow bill, ``Digest: SHA=...`` (v2.md 11). Malformed if there is none."""
    found = _DIGEST.fullmatch(headers.get("Digest", ""))
    if found is None:
        raise Malformed("a fund-flow bill without a SHA-1 digest")
    return found[1]


def is_refund_notice(body: bytes) -> bool:
    """Refund notices carry no ``sign`` but ``req_info``: which of the two readers to use. Says nothing of truth."""
    fields = _parse_flat(body, "xml")
    return "req_info" in fields and "sign" not in fields


def read_refund_notice(body: bytes, api_key: str) -> Fields:
    """The decrypted fields of a refund notice (v2.md 12.2). ECB protects nothing: a hint to ask, never evidence."""
    outer = _parse_flat(body, "xml")
    plain = decrypt(outer.get("req_info", ""), refund_key(api_key))
    return _parse_flat(plain, "root")


def refund_key(api_key: str) -> bytes:
    """The 32 ASCII characters of the lower-case hex MD5 of the key, not its 16 bytes."""
    return hashlib.md5(api_key.encode()).hexdigest().encode()


def decrypt(text: str, key: bytes) -> bytes:
    """AES-256-ECB with PKCS#7 over canonical base64. Raises BadSignature."""
    try:
        sealed = base64.b64decode(text.encode(), validate=True)
        if base64.b64encode(sealed).decode() != text:
            raise BadSignature("req_info is not canonical base64")
        decryptor = Cipher(AES(key), ECB()).decryptor()  # noqa: S305  (WeChat's protocol)
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
    except (ValueError, binascii.Error):
        raise BadSignature("req_info does not decrypt") from None


# --- values ---


def fen(fields: Fields, name: str) -> int:
    """An amount of at least 1 fen. Malformed for anything but plain ASCII digits: int() alone takes much more."""
    if not _FEN.fullmatch(fields.get(name, "")):
        raise Malformed(f"{name} is not an amount")
    return int(fields[name])


def epoch(text: str) -> int:
    """Epoch seconds of ``yyyyMMddHHmmss`` or ``yyyy-MM-dd HH:mm:ss``, both Beijing time (v2.md 13)."""
    shape = "%Y%m%d%H%M%S" if _COMPACT_TIME.fullmatch(text) else "%Y-%m-%d %H:%M:%S"
    try:
        if not (_COMPACT_TIME.fullmatch(text) or _SPACED_TIME.fullmatch(text)):
            raise ValueError
        return int(datetime.strptime(text, shape).replace(tzinfo=BEIJING).timestamp())
    except ValueError:
        raise Malformed("not a time of the documented form") from None


def beijing(seconds: int) -> str:
    """``yyyyMMddHHmmss`` of an epoch second."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y%m%d%H%M%S")


# --- XML, flat and strict (v2.md 3, money.md F25) ---


def _parse_flat(body: bytes, root: str) -> dict[str, str]:
    """The exact text of every child of ``root``. Raises BadSignature: what has no such form has no signature either."""
    reader = _FlatReader(root)
    try:
        text = body.decode("utf-8")
        if len(body) > MAX_XML or "\x00" in text or text.startswith("\ufeff"):
            raise BadSignature("not a small XML text in UTF-8")
        reader.parser.Parse(body, True)
    except (UnicodeDecodeError, expat.ExpatError):
        raise BadSignature("not XML in UTF-8") from None
    return reader.fields


class _FlatReader:
    """Takes ``<root>`` with unique, attribute-free, childless elements, and refuses every other construct."""

    def __init__(self, root: str) -> None:
        self.fields: dict[str, str] = {}
        self._root = root
        self._open: list[str] = []
        self._text: list[str] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        for refused in ("StartDoctypeDecl", "EntityDecl", "Comment", "ProcessingInstruction"):
            setattr(self.parser, f"{refused}Handler", self._refuse)

    def _refuse(self, *_: object) -> NoReturn:
        raise BadSignature("XML with more than flat elements")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            self._refuse()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        misplaced = name != self._root if not self._open else len(self._open) > 1
        if attributes or misplaced or (self._open and name in self.fields):
            self._refuse()
        self._open.append(name)
        self._text.clear()

    def _characters(self, text: str) -> None:
        if len(self._open) == 2:
            self._text.append(text)
        elif text.strip(" \t\r\n"):
            self._refuse()

    def _end(self, name: str) -> None:
        self._open.pop()
        if self._open:
            self.fields[name] = "".join(self._text)
