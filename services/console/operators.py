"""The console's operators: made, given a new password and phone, disabled. Passwords are drawn here and shown once, so
that none is weak or used elsewhere; they are stored as scrypt hashes, phones' secrets sealed."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from models import Operator, OperatorSession, SignInTries
from models.database import Database
from services.console import totp
from services.console.audit import Act, By, note
from services.console.passwords import hashed
from services.console.tries import subject_of
from services.errors import Conflicting, Invalid, NotFound
from services.orders import rfc3339
from services.ports import Clock, Token

ROLES = ("viewer", "operator", "approver", "admin")  # each may do what those before it may
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,19}")
RESERVED = {"terminal"}  # what the audit log calls cli.py
ISSUER = "WeChat Pay console"


class Vault(Protocol):
    """Seals a secret for one owner. ``open`` raises ValueError for what it did not seal."""

    def seal(self, secret: str, owner: str) -> str: ...
    def open(self, sealed: str, owner: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an operator signs in with. Shown once, to whoever made it."""

    name: str
    password: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def phone(self) -> str:
        return totp.address(self.secret, self.name, ISSUER)


@dataclass(frozen=True, slots=True)
class Account:
    """One operator, as a list shows it."""

    name: str
    role: str
    disabled: bool
    readable: bool  # False: AppSecret was changed, the phone must be set up again
    created_at: str


class Operators:
    def __init__(self, database: Database, vault: Vault, now: Clock, token: Token) -> None:
        self._database = database
        self._vault = vault
        self._now = now
        self._token = token

    async def add(self, name: str, role: str, by: By) -> Credentials:
        """Raises Invalid("operator_name_invalid"), Invalid("role_unknown"), Conflicting("operator_exists")."""
        if not NAME.fullmatch(name) or name in RESERVED:
            raise Invalid("operator_name_invalid")
        if role not in ROLES:
            raise Invalid("role_unknown")
        return await self._given(name, by, "operator added", lambda new: _add(name, role, new, int(self._now())), role)

    async def reset(self, name: str, by: By) -> Credentials:
        """A new password and a new phone; signed out everywhere, and not locked any more. Raises NotFound."""
        return await self._given(name, by, "operator reset", lambda new: _reset(name, new))

    async def disable(self, name: str, by: By, *, disabled: bool = True) -> None:
        """Signed out everywhere at once; or back again. Raises NotFound, Conflicting("operator_yourself")."""
        _not_oneself(name, by)
        act = Act(by, "operator disabled" if disabled else "operator enabled", name)
        await self._database.run(_changed, act, int(self._now()), {"disabled": int(disabled)})

    async def promote(self, name: str, role: str, by: By) -> None:
        """Give another role. Raises NotFound, Invalid("role_unknown"), Conflicting("operator_yourself")."""
        _not_oneself(name, by)
        if role not in ROLES:
            raise Invalid("role_unknown")
        await self._database.run(_changed, Act(by, "operator role", name, role), int(self._now()), {"role": role})

    async def list(self) -> list[Account]:
        return await self._database.read(_accounts, self._vault)

    async def code(self, name: str) -> str:
        """What the operator's phone shows now: for whoever has no phone at hand in front of the simulator.

        Raises NotFound("operator_not_found"), ValueError if AppSecret was changed.
        """
        sealed = await self._database.read(lambda: _found(name).totp)
        return totp.code(self._vault.open(sealed, name), int(self._now()) // totp.STEP)

    async def _given(
        self, name: str, by: By, action: str, write: Callable[[dict[str, str]], None], words: str = ""
    ) -> Credentials:
        """Fresh credentials, once ``write`` has stored them."""
        password = base64.b32encode(self._token(10)).decode().lower()  # 80 bits, and readable over a telephone
        made = Credentials(name, password, totp.drawn(self._token(20)))
        stored = await asyncio.to_thread(hashed, password, self._token(16))
        new = {"password": stored, "totp": self._vault.seal(made.secret, name)}

        def unit() -> None:
            write(new)
            note(Act(by, action, name, words), "done", int(self._now()))

        await self._database.run(unit)
        return made


def _not_oneself(name: str, by: By) -> None:
    """Nobody locks themselves out, or is the last one to go: another admin, or the terminal, does that."""
    if name == by.operator:
        raise Conflicting("operator_yourself")


def _found(name: str) -> Operator:
    row: Operator | None = Operator.get_or_none(Operator.name == name)
    if row is None:
        raise NotFound("operator_not_found")
    return row


def _add(name: str, role: str, new: dict[str, str], now: int) -> None:
    if Operator.get_or_none(Operator.name == name):
        raise Conflicting("operator_exists")
    Operator.create(name=name, role=role, disabled=0, totp_used=0, created_at=now, **new)


def _reset(name: str, new: dict[str, str]) -> None:
    row = _found(name)
    Operator.update(totp_used=0, **new).where(Operator.id == row.id).execute()
    _sign_out(row)
    SignInTries.delete().where(SignInTries.subject == subject_of(name)).execute()


def _changed(act: Act, now: int, columns: dict[str, object]) -> None:
    row = _found(act.subject)
    Operator.update(**columns).where(Operator.id == row.id).execute()
    _sign_out(row)
    note(act, "done", now)


def _sign_out(row: Operator) -> None:
    OperatorSession.delete().where(OperatorSession.operator == row.id).execute()


def _accounts(vault: Vault) -> list[Account]:
    rows = Operator.select().order_by(Operator.name)
    return [Account(r.name, r.role, bool(r.disabled), _readable(vault, r), rfc3339(r.created_at)) for r in rows]


def _readable(vault: Vault, row: Operator) -> bool:
    try:
        vault.open(row.totp, row.name)
    except ValueError:
        return False
    return True
