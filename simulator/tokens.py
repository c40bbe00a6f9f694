"""Access tokens of api.weixin.qq.com (mini-program.md 3): the stable kind, the plain kind, and whether one is good.

The two kinds are independent of each other. Tokens are forgotten at a restart, which a merchant sees as 40001. What no
source fixes: a forced refresh too soon is 45011, one too many 45009. It must not know what a token is used for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from simulator import miniprogram, numbers
from simulator.clock import BEIJING, Clock
from simulator.merchant import Merchant
from simulator.miniprogram import ApiRefused
from simulator.primitives import same
from simulator.v3fields import Bool, Object, Text
from simulator.wire import Message, Reply

LIFE = 7200
_OVERLAP = 300  # the last seconds of a token, in which the next one is given out and both are good
_FORCED_APART, _FORCED_A_DAY = 30, 20
_LENGTH = 512  # what a merchant must be able to store
_MISSING = (("appid", 41002), ("secret", 41004))
_STABLE = Object({"grant_type": Text(64), "appid": Text(64), "secret": Text(128), "force_refresh": Bool()})


@dataclass
class _Token:
    value: str
    expires_at: float


class Tokens:
    """All times are virtual."""

    def __init__(self, merchant: Merchant, clock: Clock) -> None:
        self._merchant = merchant
        self._clock = clock
        self._known: dict[str, _Token] = {}
        self._stable: _Token | None = None
        self._plain: _Token | None = None
        self._forced: list[float] = []

    def stable(self, given: dict[str, object]) -> dict[str, object]:
        """The token of POST /cgi-bin/stable_token and the rest of its life."""
        self._identify(given)
        if given.get("force_refresh"):
            self._count_forced()
            if self._stable:
                self._known.pop(self._stable.value, None)
            self._stable = None
        if self._stable is None or self._left(self._stable) <= _OVERLAP:
            self._stable = self._new()
        return self._told(self._stable)

    def plain(self, given: dict[str, object]) -> dict[str, object]:
        """A new token of GET /cgi-bin/token; the one before lives five minutes more."""
        self._identify(given)
        if self._plain:
            self._plain.expires_at = min(self._plain.expires_at, self._clock.now() + _OVERLAP)
        self._plain = self._new()
        return self._told(self._plain)

    def check(self, message: Message) -> None:
        """Refuse a call whose ``access_token`` is missing, unknown or expired."""
        value = parse_qs(message.query).get("access_token", [""])[0]
        if not value:
            raise ApiRefused(41001)
        token = self._known.get(value)
        if token is None:
            raise ApiRefused(40001)
        if self._left(token) <= 0:
            raise ApiRefused(42001)

    def _identify(self, given: dict[str, object]) -> None:
        for name, errcode in _MISSING:
            if not given.get(name):
                raise ApiRefused(errcode)
        if given["appid"] != self._merchant.appid:
            raise ApiRefused(40013)
        if not same(str(given["secret"]), self._merchant.app_secret):
            raise ApiRefused(40125)
        if given.get("grant_type") != "client_credential":
            raise ApiRefused(40002)

    def _count_forced(self) -> None:
        now = self._clock.now()
        today = [at for at in self._forced if _day(at) == _day(now)]
        if self._forced and now - self._forced[-1] < _FORCED_APART:
            raise ApiRefused(45011)
        if len(today) >= _FORCED_A_DAY:
            raise ApiRefused(45009)
        self._forced = [*today, now]

    def _new(self) -> _Token:
        now = self._clock.now()
        self._known = {value: token for value, token in self._known.items() if now - token.expires_at < 86400}
        token = _Token("SIM_" + numbers.text(_LENGTH - 4), now + LIFE)
        self._known[token.value] = token
        return token

    def _left(self, token: _Token) -> float:
        return token.expires_at - self._clock.now()

    def _told(self, token: _Token) -> dict[str, object]:
        return {"access_token": token.value, "expires_in": round(self._left(token))}


def _day(moment: float) -> object:
    return datetime.fromtimestamp(moment, BEIJING).date()


def stable_token(tokens: Tokens, message: Message) -> Reply:
    """POST /cgi-bin/stable_token."""
    try:
        return miniprogram.answer(tokens.stable(miniprogram.body_of(message, _STABLE)))
    except ApiRefused as refused:
        return miniprogram.refusal(refused.errcode, refused.hint)


def plain_token(tokens: Tokens, message: Message) -> Reply:
    """GET /cgi-bin/token."""
    given = parse_qs(message.query, errors="replace")
    try:
        return miniprogram.answer(tokens.plain({name: values[0] for name, values in given.items()}))
    except ApiRefused as refused:
        return miniprogram.refusal(refused.errcode)
