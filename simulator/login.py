"""wx.login and code2Session (mini-program.md 1): codes, openids, session keys.

It must not know payments. The secret travels in the query string, as WeChat has it; ``records`` masks it.
"""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict, deque
from dataclasses import dataclass
from urllib.parse import parse_qs

from simulator import miniprogram, numbers
from simulator.clock import Clock
from simulator.entities import User
from simulator.ledger import Ledger
from simulator.merchant import Merchant
from simulator.miniprogram import ApiRefused
from simulator.primitives import same
from simulator.wire import Message, Reply

_CODE_LIFE = 300
_MOST_PER_MINUTE = 100
_MISSING = (("appid", 41002), ("secret", 41004), ("js_code", 41008))


@dataclass
class _Code:
    openid: str
    issued_at: float
    used: bool = False


class Logins:
    """Codes live five minutes and once; every redemption makes a new session key."""

    def __init__(self, merchant: Merchant, ledger: Ledger, clock: Clock) -> None:
        self._merchant = merchant
        self._ledger = ledger
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def new_code(self, openid: str | None) -> str:
        """Stands for wx.login on the phone of ``openid``, or of somebody new."""
        user = self._ledger.users.get(openid or "") or User(openid or numbers.openid())
        if user.openid not in self._ledger.users:
            self._ledger.keep(user)
        self._forget_old()
        code = "0" + numbers.text(31)
        self._codes[code] = _Code(user.openid, self._clock.now())
        return code

    def redeem(self, parameters: dict[str, str]) -> dict[str, str]:
        """openid and session_key for a code; raises ``ApiRefused``."""
        for name, errcode in _MISSING:
            if not parameters.get(name):
                raise ApiRefused(errcode)
        if parameters["appid"] != self._merchant.appid:
            raise ApiRefused(40013)
        if not same(parameters["secret"], self._merchant.app_secret):
            raise ApiRefused(40125)
        if parameters.get("grant_type") != "authorization_code":
            raise ApiRefused(40002)
        return self._session(self._take(parameters["js_code"]))

    def _take(self, js_code: str) -> str:
        code = self._codes.get(js_code)
        if code is None or self._clock.now() - code.issued_at > _CODE_LIFE:
            raise ApiRefused(40029)
        if code.used:
            raise ApiRefused(40163)
        self._count(code.openid)
        code.used = True
        return code.openid

    def _count(self, openid: str) -> None:
        recent, now = self._recent[openid], self._clock.now()
        while recent and now - recent[0] >= 60:
            recent.popleft()
        if len(recent) >= _MOST_PER_MINUTE:
            raise ApiRefused(45011)
        recent.append(now)

    def _session(self, openid: str) -> dict[str, str]:
        user = self._ledger.users[openid]
        user.session_key = base64.b64encode(secrets.token_bytes(16)).decode("ascii")
        self._ledger.keep(user)
        return {"session_key": user.session_key, "openid": openid}

    def _forget_old(self) -> None:
        if len(self._codes) > 10_000:
            now = self._clock.now()
            self._codes = {k: c for k, c in self._codes.items() if now - c.issued_at <= _CODE_LIFE}
            self._recent = defaultdict(deque, {k: r for k, r in self._recent.items() if r and now - r[-1] < 60})


def jscode2session(logins: Logins, message: Message) -> Reply:
    """GET /sns/jscode2session. The status is 200 whatever happens, the type text/plain (mini-program.md 1.1)."""
    given = parse_qs(message.query, keep_blank_values=True, errors="replace")
    parameters = {name: values[0] for name, values in given.items() if len(values) == 1}
    try:
        return _as_text(miniprogram.answer(logins.redeem(parameters)))
    except ApiRefused as refused:
        return refusal(refused.errcode)


def refusal(errcode: int) -> Reply:
    return _as_text(miniprogram.refusal(errcode))


def _as_text(reply: Reply) -> Reply:
    reply.headers["Content-Type"] = "text/plain"
    return reply
