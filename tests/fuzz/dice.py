"""Requests from dice: a true one of any route, of which some things are then spoilt. The same seed, the same requests.

HTTP itself stays whole, so that every request has an answer; tests/integration/test_bad_http.py is for the rest.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from tests.faults.crowd import LATTE
from tests.fuzz.people import People
from tests.integration.test_bad_input import BODIES, TOKENS
from tests.shipper import EXPRESS
from tests.wire import Header, request

BODY = {
    "LoginBody": {"code": "0a1B2c"},
    "OrderBody": LATTE,
    "RefundBody": {"amount_fen": 1, "reason": "不要了", "refund_no": "R-1"},
    "ShipmentBody": EXPRESS,
}
PAGES = (
    "/", "/healthz", "/healthz/money", "/readyz", "/metrics", "/openapi.json", "/pictures/latte.svg",
    "/static/shop.js", "/miniprogram/pay.js", "/nowhere", "/notify/wechat_v9/payment",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.0, 1.5, 1e308, 999, 1000, 2**31, 2**63, 10**40, "", " ", "1", "１", "latte",
    "x" * 65, "x" * 5000, "\x00", "\u202e", "\ud800", "茶", "😀" * 30, "'; DROP TABLE orders; --", "%00%ff", "{{7*7}}",
    "<script>", "../../etc/passwd", [], {}, [[]], [None] * 60, {"$ne": 1}, {"__proto__": {}},
)  # fmt: skip
BYTES = (
    b"\x00",
    b"\xff",
    b"\xf0\x9f",
    b'"',
    b"{",
    b"]",
    b",",
    b"\\u0000",
    b"<!DOCTYPE a>",
    b"&a;",
    b"]]>",
    b"-",
    b"9" * 400,
)
TAILS = ("?", "?token=1&a[]=%00", "%00", "%ff%fe", "/", "//", "/..", ";a=b", "?" + "a" * 3000, "%0d%0aX-Evil: 1", "%25")
HEADERS: tuple[Header, ...] = (
    ("Content-Type", "text/xml"), ("Content-Type", b"application/json; charset=\xff"), ("Content-Type", ""),
    ("Idempotency-Key", "k"), ("Idempotency-Key", "k" * 65), ("Idempotency-Key", b"\xff"), ("Idempotency-Key", ""),
    ("Accept-Language", "zh"), ("Accept-Language", b"\xff\xfe"), ("Accept", "text/html"), ("Accept-Encoding", "gzip"),
    ("X-Real-Ip", "::ffff:1.2.3.4%eth0"), ("X-Forwarded-For", b"\xff, 1.2.3.4"), ("X-Forwarded-Proto", "gopher"),
    ("Cookie", b"a=\x80; =;;"), ("Range", "bytes=5-1"), ("If-Modified-Since", "yesterday"), ("Origin", "null"),
    ("If-None-Match", '"*'), ("Wechatpay-Timestamp", "9" * 30), ("Wechatpay-Serial", b"\xe8\x8c\xb6"),
    ("Content-Encoding", "gzip"),
)  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """``route`` is how it is counted, whatever became of the path."""

    who: str
    route: str
    method: str
    path: str
    headers: tuple[Header, ...]
    body: bytes

    @property
    def raw(self) -> bytes:
        return request(self.method, self.path, self.headers, self.body)


class Dice:
    """``document``: openapi.json, which says which routes there are besides pages and notifications."""

    def __init__(self, seed: int, document: dict[str, Any], people: People) -> None:
        self._dice = random.Random(seed)
        self._bearers = people.bearers
        self._orders = people.orders
        self._notices = [sale.notice() for sale in people.sales]
        documented = sorted(_documented(document), key=str)
        self._routes = [
            *documented,
            *(route for route in documented if route[2]),
            *(("GET", page, None) for page in PAGES),
        ]

    @property
    def routes(self) -> list[str]:
        """How they are counted."""
        return [f"{method} {path}" for method, path, _ in self._routes]

    def asks(self, count: int) -> Iterator[Ask]:
        for _ in range(count):
            ask = self._notified() if self._dice.random() < 0.2 else self._asked()
            for spoil in self._dice.choices((self._method, self._path, self._header, self._token, self._bytes), k=2):
                if self._dice.random() < 0.3:
                    ask = spoil(ask)
            yield ask

    # --- true ones ---

    def _asked(self) -> Ask:
        method, path, body = self._dice.choice(self._routes)
        who = "merchant" if "/merchant/" in path else self._dice.choice(("alice", "mallory"))
        who = self._dice.choice((who, who, *self._bearers))
        number = self._dice.choice([*self._orders, "MP991231AAAAAAAAAAAAAAAA"])
        filled = path.format(order_no=number, refund_no="R-1")
        token = (("Authorization", self._bearers[who]),) if self._bearers[who] else ()
        return Ask(who, f"{method} {path}", method, filled, token, b"" if body is None else self._json(body))

    def _notified(self) -> Ask:
        notice = self._dice.choice(self._notices)
        path = self._dice.choice(
            (notice.path, notice.path.replace("payment", "refund"), notice.path.replace("v2", "v3"))
        )
        return Ask("nobody", f"POST {path}", "POST", path, tuple(notice.headers.items()), notice.body)

    def _json(self, body: Any) -> bytes:
        """As it should be, or spoilt in up to three places."""
        spoilt = copy.deepcopy(body)
        for _ in range(self._dice.choice((0, 0, 1, 1, 2, 3))):
            spoilt = self._spoilt(spoilt)
        return json.dumps(spoilt).encode()

    def _spoilt(self, value: Any) -> Any:
        if not isinstance(value, (dict, list)) or not value or self._dice.random() < 0.1:
            return copy.deepcopy(self._dice.choice(VALUES))
        key = self._dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
        turn = self._dice.random()
        if turn < 0.15:
            del value[key]
        elif turn < 0.3 and isinstance(value, dict):
            value[self._dice.choice(("amount_fen", "openid", "é", "", "x" * 200))] = self._dice.choice(VALUES)
        else:
            value[key] = self._spoilt(value[key])
        return value

    # --- what may be spoilt in any ---

    def _method(self, ask: Ask) -> Ask:
        return replace(ask, method=self._dice.choice(METHODS))

    def _path(self, ask: Ask) -> Ask:
        at = self._dice.randrange(1, len(ask.path) + 1)
        odd = quote(chr(self._dice.randrange(0x20, 0x3000)))
        spoilt = (
            ask.path + self._dice.choice(TAILS),
            ask.path[:at] + odd + ask.path[at:],
            ask.path[:at],
            "/" + ask.path,
        )
        return replace(ask, path=self._dice.choice(spoilt))

    def _header(self, ask: Ask) -> Ask:
        """One more; one that stands there already stands twice then."""
        return replace(ask, headers=(*ask.headers, self._dice.choice((*HEADERS, *ask.headers))))

    def _token(self, ask: Ask) -> Ask:
        """Whoever asks with a broken token asks as nobody."""
        whole = self._bearers["alice"].removeprefix("Bearer ")
        token = self._dice.choice([token for token in TOKENS.values() if token is not None])
        broken = token.format(token=whole) if isinstance(token, str) else token
        others = tuple(header for header in ask.headers if header[0] != "Authorization")
        return replace(ask, who="nobody", headers=(*others, ("Authorization", broken)))

    def _bytes(self, ask: Ask) -> Ask:
        at, odd = self._dice.randrange(len(ask.body) + 1), self._dice.choice(BYTES)
        body = ask.body
        spoilt = (body[:at], body[:at] + odd + body[at:], body[:at] + odd + body[at + 1 :], body * 2, *BODIES.values())
        return replace(ask, body=self._dice.choice(spoilt))


def _documented(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Method, path and a good body of every operation that openapi.json describes."""
    for path, operations in document["paths"].items():
        for method in operations.keys() - {"parameters"}:
            described = operations[method].get("requestBody")
            name = described["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] if described else ""
            yield method.upper(), path, BODY[name] if name else None
