"""Who asks: ``wx.login`` code to openid, and an opaque token of our own. Neither openid nor session_key leaves."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Protocol

from adapters.errors import NotSent, OutcomeUnknown, PaymentError, Rejected, Throttled
from models import Session, User
from models.database import Database
from models.statements import Prepared
from services.errors import ProviderRefused, TryLater, Unauthorized
from services.ports import Clock, Token

IDLE_SECONDS = 2 * 3600
ABSOLUTE_SECONDS = 24 * 3600
SEEN_EVERY = 300  # a session's last use is written down at most this often
SESSIONS_PER_USER = 5
CODE_SECONDS = 600  # a code is remembered twice as long as WeChat keeps it
MOST_CODES = 100_000  # the one remembered longest is forgotten first
PREFIX = "mp1_"

SESSIONS = Prepared[Session](
    lambda hashes: (
        Session.select(Session.token_hash, Session.id, Session.created_at, Session.seen_at, User.id, User.openid)
        .join(User)
        .where(Session.token_hash.in_(hashes))
    )
)


class Identity(Protocol):
    """What ``code2session`` learns about a user. The session_key was dropped by the adapter."""

    @property
    def openid(self) -> str: ...
    @property
    def unionid(self) -> str | None: ...


class IdentityProvider(Protocol):
    async def code2session(self, code: str) -> Identity: ...


@dataclass(frozen=True, slots=True)
class Ticket:
    token: str
    expires_in: int  # seconds of silence after which the token dies; 24 h at the most

    def __repr__(self) -> str:
        return f"Ticket(expires_in={self.expires_in})"


@dataclass(frozen=True, slots=True)
class Person:
    """The logged-in user, as every other service knows them."""

    user_id: int
    openid: str


@dataclass(frozen=True, slots=True)
class Found:
    """A session; times in epoch seconds."""

    id: int
    created_at: int
    seen_at: int
    person: Person


class UsedCodes:
    """Codes that WeChat was asked about, by their hash: one that comes again is refused here, and costs no call.

    Each process has its own. WeChat takes a code once, whoever asks: this only keeps a flood of one code from it.
    """

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._until: dict[bytes, float] = {}

    def take(self, code: str) -> bool:
        """Whether it is new. From now on it is not."""
        now, digest = self._now(), _digest(code)
        while self._until and (len(self._until) >= MOST_CODES or next(iter(self._until.values())) <= now):
            self._until.pop(next(iter(self._until)))
        if digest in self._until:
            return False
        self._until[digest] = now + CODE_SECONDS
        return True

    def give_back(self, code: str) -> None:
        """It may be good still."""
        self._until.pop(_digest(code), None)


class Login:
    def __init__(self, database: Database, provider: IdentityProvider, now: Clock, token: Token) -> None:
        self._database = database
        self._provider = provider
        self._now = now
        self._token = token
        self._codes = UsedCodes(now)
        self._finding = database.batched(find_sessions, looks=True)

    async def login(self, code: str) -> Ticket:
        """Raises Unauthorized("code_refused"), TryLater, ProviderRefused (our appid or secret is wrong)."""
        identity = await self._ask(code)
        token = PREFIX + base64.urlsafe_b64encode(self._token(32)).decode().rstrip("=")
        await self._database.run(_open_session, identity.openid, identity.unionid, _hash(token), int(self._now()))
        return Ticket(token, IDLE_SECONDS)

    async def _ask(self, code: str) -> Identity:
        if not self._codes.take(code):
            raise Unauthorized("code_refused")
        try:
            return await self._provider.code2session(code)
        except Rejected as error:
            raise Unauthorized("code_refused") from error
        except PaymentError as error:
            self._codes.give_back(code)
            if isinstance(error, (NotSent, OutcomeUnknown, Throttled)):
                raise TryLater("login_unreachable") from error
            raise ProviderRefused("login_not_configured", provider_code=error.code) from error

    async def person(self, token: str) -> Person:
        """Who holds this token. Raises Unauthorized if it is unknown or has expired."""
        now = int(self._now())
        if not token.startswith(PREFIX) or len(token) > 100 or not token.isascii():
            raise Unauthorized("token_invalid")
        found = await self._finding.submit(_hash(token))
        if found is None:
            raise Unauthorized("token_invalid")
        if now - found.seen_at > IDLE_SECONDS or now - found.created_at > ABSOLUTE_SECONDS:
            raise Unauthorized("token_expired")
        if now - found.seen_at > SEEN_EVERY:
            await self._database.run(_seen, found.id, now)
        return found.person


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _open_session(openid: str, unionid: str | None, token_hash: str, now: int) -> None:
    user = User.get_or_none(User.openid == openid) or User.create(openid=openid, unionid=unionid, created_at=now)
    if unionid and user.unionid != unionid:
        User.update(unionid=unionid).where(User.id == user.id).execute()
    Session.insert(token_hash=token_hash, user=user.id, created_at=now, seen_at=now).execute()
    mine = Session.select(Session.id).where(Session.user == user.id).order_by(Session.id.desc())
    if surplus := [row.id for row in mine.offset(SESSIONS_PER_USER).limit(100)]:
        Session.delete().where(Session.id.in_(surplus)).execute()


def find_sessions(hashes: list[str]) -> list[Found | None]:
    """Whose each token is, for all who ask at the moment."""
    found = {
        token_hash: Found(session_id, created_at, seen_at, Person(user_id, openid))
        for token_hash, session_id, created_at, seen_at, user_id, openid in SESSIONS.tuples(hashes)
    }
    return [found.get(token_hash) for token_hash in hashes]


def _seen(session_id: int, now: int) -> None:
    Session.update(seen_at=now).where(Session.id == session_id).execute()
