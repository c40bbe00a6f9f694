"""Everything that somebody without WeChat's keys can make of a captured notification.

Seeded: the same seed makes the same forgeries. Nothing here knows a key of the merchant or of WeChat. A forgery always
says something that was not signed: what merely writes the same fields in another way (v2: in another order, with
other white space) is as genuine as before, and not made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import re
import time
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.sale import Notice
from tests.wire import Header

SIGNED_HEADERS = ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial")
# XOR masks. No flip by these turns the white space between two elements into other white space.
MASKS = (0x01, 0x20, 0x80)
ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def flips_of_body(notice: Notice) -> Iterator[bytes]:
    """Every byte of the body, changed in three ways."""
    for mask in MASKS:
        for at in range(len(notice.body)):
            yield notice.but(body=_flipped(notice.body, at, mask))


def flips_of_headers(notice: Notice) -> Iterator[bytes]:
    """Every byte of signature, timestamp, nonce and serial, changed in three ways."""
    for name in SIGNED_HEADERS:
        value = notice.headers[name].encode()
        for mask in MASKS:
            for at in range(len(value)):
                yield notice.but(headers=list({**notice.headers, name: _flipped(value, at, mask)}.items()))


def _flipped(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


class Forger:
    """Forgeries of one notification, from a seeded source."""

    def __init__(self, seed: int, notice: Notice, other: Notice) -> None:
        self._random = random.Random(seed)
        self._notice = notice
        self._other = other  # of the other generation
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._v3 = "Wechatpay-Signature" in notice.headers
        self._fields = dict(re.findall(rb"<(\w+)><!\[CDATA\[(.*?)\]\]></\1>", notice.body))

    def forgeries(self, count: int) -> Iterator[bytes]:
        ways = _ANY + (_V3 if self._v3 else _V2)
        for index in range(count):
            yield ways[index % len(ways)](self)

    # --- either generation ---

    def replaced(self) -> bytes:
        body = bytearray(self._notice.body)
        for at in self._random.sample(range(len(body)), self._random.randint(1, 4)):
            body[at] = self._random.choice(ALPHABET.replace(bytes([body[at]]), b""))
        return self._notice.but(body=bytes(body))

    def inserted(self) -> bytes:
        body, at = self._notice.body, self._random.randint(0, len(self._notice.body))
        return self._notice.but(body=body[:at] + bytes([self._random.choice(ALPHABET)]) + body[at:])

    def shortened(self) -> bytes:
        return self._notice.but(body=self._notice.body[: self._random.randrange(len(self._notice.body))])

    def without_a_slice(self) -> bytes:
        body = self._notice.body
        first, last = sorted(self._random.sample(range(len(body)), 2))
        cut = body[first:last]
        return self._notice.but(body=body[:first] + body[last:] if cut.strip() else b"")

    def repeated_slice(self) -> bytes:
        body = self._notice.body
        first, last = sorted(self._random.sample(range(len(body)), 2))
        return self._notice.but(body=body[:last] + body[first:last] + b"x" + body[last:])

    def noise(self) -> bytes:
        return self._notice.but(body=self._random.randbytes(self._random.randint(0, 2000)))

    def other_generation(self) -> bytes:
        """A genuine message of the one API to the route of the other."""
        return self._notice.but(body=self._other.body, headers=list(self._other.headers.items()))

    def prefixed(self) -> bytes:
        start = self._random.choice(
            [b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b"1", b"<!-- -->", b"<!DOCTYPE xml>", b"{}"]
        )
        return self._notice.but(body=start + self._notice.body)

    # --- v3 ---

    def own_key(self) -> bytes:
        """Rightly signed, by a key that is not WeChat's."""
        return self._signed(self._notice.headers["Wechatpay-Serial"], self._claim())

    def unknown_serial(self) -> bytes:
        return self._signed(self._random.randbytes(20).hex().upper(), self._claim())

    def _signed(self, serial: str, body: bytes) -> bytes:
        stamp, nonce = str(int(time.time())), self._random.randbytes(16).hex()
        message = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
        signature = base64.b64encode(self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()
        headers = {**self._notice.headers, "Wechatpay-Timestamp": stamp, "Wechatpay-Nonce": nonce}
        headers |= {"Wechatpay-Serial": serial, "Wechatpay-Signature": signature}
        return self._notice.but(headers=list(headers.items()), body=body)

    def _claim(self) -> bytes:
        """A body that says something else."""
        envelope = json.loads(self._notice.body)
        envelope["id"] = self._random.randbytes(16).hex()
        return json.dumps(envelope).encode()

    def header_value(self) -> bytes:
        """One signed header replaced by something that might slip through."""
        name = self._random.choice(SIGNED_HEADERS)
        odd = [
            "",
            "0",
            "-1",
            "1e9",
            "9" * 20,
            "null",
            "a" * 4000,
            "WECHATPAY/SIGNTEST/" + "A" * 320,
            self._plausible(name),
        ]
        value = self._random.choice(odd)
        if value == self._notice.headers[name]:
            value += "0"
        return self._notice.but(headers=list({**self._notice.headers, name: value}.items()))

    def _plausible(self, name: str) -> str:
        return {
            "Wechatpay-Timestamp": str(int(time.time()) + self._random.choice((-299, -1, 1, 299))),
            "Wechatpay-Nonce": self._random.randbytes(16).hex(),
            "Wechatpay-Signature": base64.b64encode(self._random.randbytes(256)).decode(),
            "Wechatpay-Serial": self._random.randbytes(20).hex().upper(),
        }[name]

    def header_missing(self) -> bytes:
        name = self._random.choice(SIGNED_HEADERS)
        return self._notice.but(headers=[pair for pair in self._notice.headers.items() if pair[0] != name])

    def header_doubled(self) -> bytes:
        """The genuine value and another one: whichever a server takes, the message was not signed with both."""
        name = self._random.choice(SIGNED_HEADERS)
        double: Header = (name, self._random.choice([self._notice.headers[name], self._plausible(name)]))
        headers: list[Header] = list(self._notice.headers.items())
        return self._notice.but(headers=self._random.choice([[double, *headers], [*headers, double]]))

    # --- v2 ---

    def field_changed(self) -> bytes:
        name = self._random.choice([name for name, value in self._fields.items() if value and name != b"sign"])
        value = self._random.choice([b"1", b"SUCCESS", self._fields[name] + b"0", b"0" + self._fields[name], b""])
        return self._with({name: value if value != self._fields[name] else b"x"})

    def field_added(self) -> bytes:
        name, value = self._random.choice([b"coupon_fee", b"total_fee_1", b"sub_mch_id", b"a", b"zz"]), b"1"
        return self._with({name: value})

    def field_dropped(self) -> bytes:
        name = self._random.choice([name for name, value in self._fields.items() if value])
        return self._with({name: None})

    def field_twice(self) -> bytes:
        name = self._random.choice(list(self._fields))
        double = b"<%s><![CDATA[1]]></%s>" % (name, name)
        where = self._random.choice([b"<xml>", b"</xml>"])
        swap = b"<xml>" + double if where == b"<xml>" else double + b"</xml>"
        return self._notice.but(body=self._notice.body.replace(where, swap))

    def other_sign(self) -> bytes:
        """Well-formed signatures made without the key, and what libraries have taken for one."""
        fields = {**self._fields, b"total_fee": b"1"}
        text = b"&".join(b"%s=%s" % pair for pair in sorted(fields.items()) if pair[1] and pair[0] != b"sign")
        key = self._random.choice([b"", self._fields[b"appid"], b"0" * 32, b"192006250b4c09247ec02edce69f6a2d"])
        message = text + b"&key=" + key
        made = [
            hashlib.md5(message).hexdigest().upper(),
            hmac.new(key, message, hashlib.sha256).hexdigest().upper(),
            hashlib.md5(text).hexdigest().upper(),
            self._fields[b"sign"].decode().lower(),
            "0" * 32,
            "0",
            "true",
            "",
        ]
        return self._with({b"total_fee": b"1", b"sign": self._random.choice(made).encode()})

    def other_sign_type(self) -> bytes:
        kind = self._random.choice([b"NONE", b"RSA", b"md5", b"SHA1", b"HMAC-SHA256", b"MD5", b"0"])
        return self._with({b"sign_type": kind})

    def refund_in_disguise(self) -> bytes:
        """Refund notices bear no sign: one that does not decrypt must not pass for that reason (v2.md 12.2)."""
        secret = base64.b64encode(self._random.randbytes(self._random.choice((16, 256, 255)))).decode()
        return self._with({b"sign": None, b"req_info": secret.encode()})

    def other_xml(self) -> bytes:
        body = self._notice.body
        amount = self._fields[b"total_fee"]
        return self._notice.but(
            body=self._random.choice(
                [
                    body.replace(b"<![CDATA[%s]]>" % amount, amount[:1] + b"<!-- -->" + amount[1:], 1),
                    body.replace(b"<total_fee>", b'<total_fee a="1">'),
                    body.replace(b"<xml>", b'<xml xmlns="urn:x">'),
                    body.replace(b"<xml>", b"<root>").replace(b"</xml>", b"</root>"),
                    body.replace(b"<xml>", b"<xml><xml>").replace(b"</xml>", b"</xml></xml>"),
                    b'<?xml version="1.0" encoding="GBK"?>' + body,
                    body.decode().encode("utf-16"),
                    b'<!DOCTYPE xml [<!ENTITY a "1">]>' + body.replace(b"<![CDATA[%s]]>" % amount, b"&a;", 1),
                    body.replace(b"]]></total_fee>", b"]]><b>1</b></total_fee>"),
                    body + body,
                    b"<a>" * 5000 + body,
                ]
            )
        )

    def _with(self, changes: dict[bytes, bytes | None]) -> bytes:
        fields = {name: value for name, value in {**self._fields, **changes}.items() if value is not None}
        inner = b"".join(b"<%s><![CDATA[%s]]></%s>" % (name, value, name) for name, value in fields.items())
        return self._notice.but(body=b"<xml>" + inner + b"</xml>")


Way = Callable[[Forger], bytes]
_ANY: tuple[Way, ...] = (
    Forger.replaced,
    Forger.inserted,
    Forger.shortened,
    Forger.without_a_slice,
    Forger.repeated_slice,
    Forger.noise,
    Forger.other_generation,
    Forger.prefixed,
)
_V3: tuple[Way, ...] = (
    Forger.own_key,
    Forger.unknown_serial,
    Forger.header_value,
    Forger.header_missing,
    Forger.header_doubled,
)
_V2: tuple[Way, ...] = (
    Forger.field_changed,
    Forger.field_added,
    Forger.field_dropped,
    Forger.field_twice,
    Forger.other_sign,
    Forger.other_sign_type,
    Forger.refund_in_disguise,
    Forger.other_xml,
)
