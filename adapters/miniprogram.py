"""Who a mini-program user is: code2session (mini-program.md 1). Identity, not payment.

The session_key that comes along is dropped here: it is not returned, stored or logged. AppSecret and code travel in
the query, so no error of this module may hold a URL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlencode

from pydantic import SecretStr

from adapters import errcodes
from adapters.errors import OutcomeUnknown, PaymentError, Rejected, Throttled
from adapters.transport import Transport


class LoginRefused(Rejected):
    """The code is wrong, expired, used, or its user is blocked: the client calls ``wx.login`` again."""


class LoginMisconfigured(PaymentError):
    """WeChat does not know our appid or AppSecret: the operator mends the settings."""


# errcode: what the caller may do (mini-program.md 1.1). Unknown ones are an unknown outcome.
ERRCODES: errcodes.Table = {
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
        secrets = (self._config.app_secret.get_secret_value(), code)
        return _identity(errcodes.read("code2session", response, ERRCODES, secrets))


def _identity(told: dict[str, Any]) -> Identity:
    openid, unionid = told.get("openid"), told.get("unionid")
    if not _is_id(openid):
        raise OutcomeUnknown("code2session: no openid")
    return Identity(openid, unionid if _is_id(unionid) else None)


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value) <= 128 and value.isascii() and value.isprintable()
