"""Who a mini-program user is: code2session (mini-program.md 1). Identity, not payment.

The session_key that comes along is dropped here: it is not returned, stored or logged. AppSecret and code travel in
the query, so no error of this module may hold a URL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlencode

from pydantic import SecretStr

from adapters.errors import OutcomeUnknown, PaymentError, Rejected, Throttled
from adapters.text import tidy
from adapters.transport import Transport


class LoginRefused(Rejected):
    """The code is wrong, expired, used, or its user is blocked: the client calls ``wx.login`` again."""


class LoginMisconfigured(PaymentError):
    """WeChat does not know our appid or AppSecret: the operator mends the settings."""


# errcode: what the caller may do (mini-program.md 1.1). Unknown ones are an unknown outcome.
ERRCODES: dict[int, type[PaymentError]] = {
    -1: OutcomeUnknown,  # busy
    40029: LoginRefused,  # invalid or expired code
    40163: LoginRefused,  # used code
    40226: LoginRefused,  # high-risk user
    41008: LoginRefused,  # no code
    45011: Throttled,
    40013: LoginMisconfigured,  # appid
    40125: LoginMisconfigured,  # AppSecret
    41002: LoginMisconfigured,  # appid missing
    41004: LoginMisconfigured,  # AppSecret missing
}


@dataclass(frozen=True, slots=True)
class MiniProgramConfig:
    appid: str
    app_secret: SecretStr
    base_url: str = "https://api.weixin.qq.com"


@dataclass(frozen=True, slots=True)
class Identity:
    """``openid`` is the user for this appid alone; ``unionid`` only comes with an Open Platform account."""

    openid: str = field(repr=False)
    unionid: str | None = field(default=None, repr=False)


class MiniProgram:
    def __init__(self, config: MiniProgramConfig, transport: Transport) -> None:
        self._config = config
        self._transport = transport

    async def code2session(self, code: str) -> Identity:
        """Redeem a code of ``wx.login``; it works once, for five minutes.

        Raises LoginRefused, LoginMisconfigured, Throttled, OutcomeUnknown, NotSent.
        """
        query = urlencode(
            {
                "appid": self._config.appid,
                "secret": self._config.app_secret.get_secret_value(),
                "js_code": code,
                "grant_type": "authorization_code",
            },
            errors="replace",
        )
        url = f"{self._config.base_url.rstrip('/')}/sns/jscode2session?{query}"
        response = await self._transport.request("GET", url, headers={"Accept": "application/json"})
        if response.status != 200:
            raise OutcomeUnknown(f"code2session: HTTP {response.status}")
        return _identity(_object(response.body), (self._config.app_secret.get_secret_value(), code))


def _object(body: bytes) -> dict[str, Any]:
    """By content, not by Content-Type, which has been text/plain. The text of a parse error may quote the body."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise OutcomeUnknown("code2session: not JSON") from None
    if not isinstance(told, dict):
        raise OutcomeUnknown("code2session: not an object")
    return told


def _identity(told: dict[str, Any], secrets: tuple[str, str]) -> Identity:
    errcode = told.get("errcode", 0)
    if errcode != 0:
        kind = ERRCODES.get(errcode, OutcomeUnknown) if type(errcode) is int else OutcomeUnknown
        message = tidy(told.get("errmsg"))
        quoted = any(secret and secret in message for secret in secrets)
        raise kind("" if quoted else message, code=tidy(str(errcode), 16))
    openid, unionid = told.get("openid"), told.get("unionid")
    if not _is_id(openid):
        raise OutcomeUnknown("code2session: no openid")
    return Identity(openid, unionid if _is_id(unionid) else None)


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value) <= 128 and value.isascii() and value.isprintable()
