"""The access token of the mini-program, kept centrally: one row that all processes read, and one of them renews.

A token that somebody else fetches is waited for by coming again later. Nothing here can read a token: it is sealed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters import delivery
from adapters.delivery import ShippingProvider
from adapters.errors import PaymentError, TokenRefused
from models import AccessToken
from models.database import Database
from models.statements import insert_new
from services.errors import Refused, TryLater
from services.gateway import refusal
from services.ports import Clock

logger = logging.getLogger("pay.tokens")
T = TypeVar("T")

RENEW_BEFORE = 240  # seconds: WeChat makes the next token in the last five minutes of this one, and both work then
LEASE = 30  # seconds: longer than a call takes; and after a failure, how soon WeChat is asked again
FORCE_APART = 86_400 // 20  # seconds: WeChat lets a token be forced 20 times a day


class AccessTokens:
    def __init__(self, database: Database, provider: ShippingProvider, now: Clock) -> None:
        self._database = database
        self._provider = provider
        self._now = now

    async def call(self, ask: Callable[[str], Awaitable[T]]) -> T:
        """``ask`` with the token; once more with another one if WeChat says that it is dead.

        Raises what ``ask`` raises, and as ``current``.
        """
        token = await self.current()
        try:
            return await ask(token)
        except TokenRefused:
            return await ask(await self._other_than(token))

    async def current(self) -> str:
        """The token, fetched if there is none that lasts. Raises TryLater, ProviderRefused (settings are wrong)."""
        sealed, expires_at = await self._database.read(_stored, self._provider.appid)
        left = expires_at - self._now()
        if left > RENEW_BEFORE:
            return sealed
        try:
            return await self._renew(sealed, refused=False)
        except Refused:
            if left > 0:
                return sealed
            raise

    async def _other_than(self, refused: str) -> str:
        sealed, _ = await self._database.read(_stored, self._provider.appid)
        return sealed if sealed != refused else await self._renew(refused, refused=True)

    async def _renew(self, old: str, *, refused: bool) -> str:
        """Fetch under the lease. One that fails keeps the lease: WeChat is not asked in a tight loop."""
        lease = int(self._now()) + LEASE
        if not await self._database.run(_lease, self._provider.appid, old, int(self._now()), lease):
            raise TryLater("token_being_fetched")
        try:
            token = await self._provider.fetch_token(force=False)
            if refused and token.sealed == old:  # WeChat itself takes it for alive
                token = await self._forced()
        except PaymentError as error:
            raise refusal("token", self._provider.appid, error) from error
        expires_at = int(self._now()) + token.expires_in
        await self._database.run(_store, self._provider.appid, token.sealed, expires_at, lease)
        return token.sealed

    async def _forced(self) -> delivery.AccessToken:
        """A new one, which kills the old. Not often, and never before somebody else's new one was looked for."""
        if not await self._database.run(_may_force, self._provider.appid, int(self._now())):
            raise TokenRefused("refused again soon after a new one was forced")
        logger.warning("access token refused while WeChat gives it out: forcing a new one")
        return await self._provider.fetch_token(force=True)


def _stored(appid: str) -> tuple[str, int]:
    row = AccessToken.get_or_none(AccessToken.appid == appid)
    return (row.sealed, row.expires_at) if row else ("", 0)


def _lease(appid: str, old: str, now: int, until: int) -> bool:
    """Whether it is ours to fetch: nobody else does, and nobody has since ``old`` was read."""
    empty: dict[str, object] = {"appid": appid, "sealed": "", "expires_at": 0, "leased_until": 0, "forced_at": 0}
    insert_new(AccessToken, [empty], "appid")
    mine = AccessToken.update(leased_until=until)
    free = (AccessToken.leased_until <= now, AccessToken.sealed == old)
    return bool(mine.where(AccessToken.appid == appid, *free).execute())


def _store(appid: str, sealed: str, expires_at: int, lease: int) -> None:
    """Nothing if the lease was lost meanwhile: whoever has it now knows a newer token."""
    done = AccessToken.update(sealed=sealed, expires_at=expires_at, leased_until=0)
    done.where(AccessToken.appid == appid, AccessToken.leased_until == lease).execute()


def _may_force(appid: str, now: int) -> bool:
    mine = AccessToken.update(forced_at=now).where(AccessToken.appid == appid)
    return bool(mine.where(AccessToken.forced_at <= now - FORCE_APART).execute())
