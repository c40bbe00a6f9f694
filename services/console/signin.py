"""Signing in to the console, staying signed in, and signing out. A refusal never tells whether the name exists: it says
the same, after the same work, and a name that nobody has is locked like any other."""

from __future__ import annotations

import base64
import hashlib
import logging
from dataclasses import dataclass

from models import Operator, OperatorSession
from models.database import Database
from services.console import totp, tries
from services.console.audit import Act, By, note
from services.console.operators import ROLES, Vault
from services.console.passwords import Passwords
from services.errors import Forbidden, TooMany, Unauthorized
from services.ports import Clock, Token

logger = logging.getLogger("pay.console")

IDLE_SECONDS = 15 * 60
ABSOLUTE_SECONDS = 8 * 3600
SEEN_EVERY = 60  # a session's last use is written down at most this often
PREFIX = "ops1_"
NO_SECRET = base64.b32encode(bytes(20)).decode()  # its codes are compared, and never good


@dataclass(frozen=True, slots=True)
class Signed:
    """Who is signed in."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Whether this operator may do what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is compared."""

    id: int
    name: str
    password: str
    totp: str


NOBODY = _Known(0, "", "", "")  # for a name that nobody has, or whose operator is disabled


class SignIn:
    def __init__(self, database: Database, vault: Vault, passwords: Passwords, now: Clock, token: Token) -> None:
        self._database = database
        self._vault = vault
        self._passwords = passwords
        self._now = now
        self._token = token

    async def sign_in(self, name: str, password: str, code: str, by: By) -> str:
        """The token of a new session. Raises Unauthorized("sign_in_refused"), TooMany("sign_in_locked"), TryLater."""
        await self._take(name, by)
        known = await self._database.read(_known, name)
        right = await self._passwords.fits(password, known.password or self._passwords.nobodys)
        step = self._step(known, code)
        token = PREFIX + base64.urlsafe_b64encode(self._token(32)).decode().rstrip("=")
        by = By(known.name, by.address, by.request_id)
        if not await self._database.run(_open, known, step if right else 0, _hash(token), by, int(self._now())):
            raise Unauthorized("sign_in_refused")
        await self._renew(known, password)
        return token

    async def confirm(self, name: str, code: str, by: By) -> None:
        """The phone is still at hand. Raises Forbidden("phone_code_refused"), TooMany("sign_in_locked")."""
        await self._take(name, by)
        known = await self._database.read(_known, name)
        if not await self._database.run(_confirmed, known, self._step(known, code), by):
            raise Forbidden("phone_code_refused")

    async def signed(self, token: str) -> Signed:
        """Who holds this token. Raises Unauthorized("signed_out")."""
        now = int(self._now())
        found = await self._database.read(_session, _hash(token)) if token.startswith(PREFIX) else None
        if found is None or now - found.seen_at > IDLE_SECONDS or now - found.created_at > ABSOLUTE_SECONDS:
            raise Unauthorized("signed_out")
        if now - found.seen_at > SEEN_EVERY:
            await self._database.run(_seen, found.id, now)
        return Signed(found.operator.name, found.operator.role)

    async def end_others(self, token: str) -> None:
        """Every other session of whoever holds this token."""
        await self._database.run(_end_others, _hash(token))

    async def sign_out(self, token: str, by: By, *, everywhere: bool = False) -> None:
        await self._database.run(_sign_out, _hash(token), everywhere, by, int(self._now()))

    async def _take(self, name: str, by: By) -> None:
        """Count one try."""
        if wait := await self._database.run(tries.take, name, by.address, int(self._now())):
            raise TooMany("sign_in_locked", minutes=str((wait + 59) // 60), seconds=str(wait))

    async def _renew(self, known: _Known, password: str) -> None:
        """A hash from before its parameters were changed is replaced while the password is at hand."""
        if self._passwords.outdated(known.password):
            stored = await self._passwords.hashed(password, self._token(16))
            await self._database.run(_rehashed, known, stored)

    def _step(self, known: _Known, code: str) -> int:
        """The half minute of this code, 0 if it is not the phone's."""
        try:
            return totp.step_of(self._vault.open(known.totp, known.name), code, self._now())
        except ValueError:
            if known.id:
                logger.warning("AppSecret was changed: run python cli.py operator reset %s", known.name)
            return 0 * totp.step_of(NO_SECRET, code, self._now())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _known(name: str) -> _Known:
    row = Operator.get_or_none(Operator.name == name, Operator.disabled == 0)
    return _Known(row.id, row.name, row.password, row.totp) if row else NOBODY


def _open(known: _Known, step: int, token_hash: str, by: By, now: int) -> bool:
    """The session, if password and code were right (then there is a ``step``), this code was not used before, and the
    operator was neither reset nor disabled meanwhile. A line in the log either way."""
    if not _confirmed(known, step, by):
        note(Act(by, "sign-in", by.operator), "sign_in_refused", now)
        return False
    OperatorSession.delete().where(OperatorSession.created_at < now - ABSOLUTE_SECONDS).execute()
    OperatorSession.create(token_hash=token_hash, operator=known.id, created_at=now, seen_at=now)
    note(Act(by, "sign-in", by.operator), "done", now)
    return True


def _confirmed(known: _Known, step: int, by: By) -> bool:
    """Uses up the code of this half minute, 0 if of none, of an operator who is still the one that was looked at."""
    same = (Operator.id == known.id) & (Operator.password == known.password) & (Operator.disabled == 0)
    if not Operator.update(totp_used=step).where(same, Operator.totp_used < step).execute():
        return False
    tries.forgive(known.name, by.address)
    return True


def _rehashed(known: _Known, stored: str) -> None:
    """Unless it was changed meanwhile."""
    Operator.update(password=stored).where(Operator.id == known.id, Operator.password == known.password).execute()


def _session(token_hash: str) -> OperatorSession | None:
    joined = OperatorSession.select(OperatorSession, Operator).join(Operator)
    row: OperatorSession | None = joined.where(OperatorSession.token_hash == token_hash, Operator.disabled == 0).first()
    return row


def _seen(session_id: int, now: int) -> None:
    OperatorSession.update(seen_at=now).where(OperatorSession.id == session_id).execute()


def _end_others(token_hash: str) -> None:
    row = OperatorSession.get_or_none(OperatorSession.token_hash == token_hash)
    if row:
        others = (OperatorSession.operator == row.operator_id) & (OperatorSession.id != row.id)
        OperatorSession.delete().where(others).execute()


def _sign_out(token_hash: str, everywhere: bool, by: By, now: int) -> None:
    row = OperatorSession.get_or_none(OperatorSession.token_hash == token_hash)
    if row is None:
        return
    which = OperatorSession.operator == row.operator_id if everywhere else OperatorSession.id == row.id
    OperatorSession.delete().where(which).execute()
    note(Act(by, "sign-out everywhere" if everywhere else "sign-out", by.operator), "done", now)
