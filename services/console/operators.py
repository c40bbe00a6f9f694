"""The console's operators: made, given a new password and phone, disabled. Passwords are drawn here and shown once, so
that none is weak or used elsewhere; they are stored as scrypt hashes, phones' secrets sealed."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from models import Operator, OperatorSession, SignInTries
from models.database import Database
from services.console import totp
from services.console.passwords import Passwords
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
    """What an operator signs in with. Shown once, to whoever made it. No ``secret``: the phone stays as it is."""

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
    def __init__(self, database: Database, vault: Vault, passwords: Passwords, now: Clock, token: Token) -> None:
        self._database = database
        self._vault = vault
        self._passwords = passwords
        self._now = now
        self._token = token

    async def add(self, name: str, role: str) -> Credentials:
        """Raises Invalid("operator_name_invalid"), Invalid("role_unknown"), Conflicting("operator_exists")."""
        if not NAME.fullmatch(name) or name in RESERVED:
            raise Invalid("operator_name_invalid")
        _known(role)
        return await self._given(name, lambda new: _add(name, role, new, int(self._now())))

    async def reset(self, name: str) -> Credentials:
        """A new password and a new phone; signed out everywhere, and not locked any more. Raises NotFound."""
        return await self._given(name, lambda new: _reset(name, new))

    async def renew(self, name: str) -> Credentials:
        """A new password beside the same phone; no session ends. Raises NotFound."""
        password, stored = await self._drawn()
        await self._database.run(_renew, name, stored)
        return Credentials(name, password, "")

    async def disable(self, name: str, by: str, *, disabled: bool = True) -> None:
        """Signed out everywhere at once; or back again. Raises NotFound, Conflicting("operator_yourself")."""
        await self._database.run(_change, name, by, {"disabled": int(disabled)})

    async def promote(self, name: str, role: str, by: str) -> None:
        """Give another role. Raises NotFound, Invalid("role_unknown"), Conflicting("operator_yourself")."""
        _known(role)
        await self._database.run(_change, name, by, {"role": role})

    async def one(self, name: str) -> Account:
        """Raises NotFound("operator_not_found")."""
        return await self._database.read(lambda: _account(self._vault, _found(name)))

    async def list(self) -> list[Account]:
        return await self._database.read(_accounts, self._vault)

    async def code(self, name: str) -> str:
        """What the operator's phone shows now: for whoever has no phone at hand in front of the simulator.

        Raises NotFound("operator_not_found"), ValueError if AppSecret was changed.
        """
        sealed = await self._database.read(lambda: _found(name).totp)
        return totp.code(self._vault.open(sealed, name), int(self._now()) // totp.STEP)

    async def _given(self, name: str, write: Callable[[dict[str, str]], None]) -> Credentials:
        """Fresh credentials, once ``write`` has stored them."""
        password, stored = await self._drawn()
        made = Credentials(name, password, totp.drawn(self._token(20)))
        await self._database.run(write, {"password": stored, "totp": self._vault.seal(made.secret, name)})
        return made

    async def _drawn(self) -> tuple[str, str]:
        """A password, and its hash."""
        password = base64.b32encode(self._token(10)).decode().lower()  # 80 bits, and readable over a telephone
        return password, await self._passwords.hashed(password, self._token(16))


def _known(role: str) -> None:
    if role not in ROLES:
        raise Invalid("role_unknown")


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


def _renew(name: str, password: str) -> None:
    Operator.update(password=password).where(Operator.id == _found(name).id).execute()


def _change(name: str, by: str, columns: dict[str, object]) -> None:
    """Nobody does it to themselves: an admin who did could be the last one."""
    if name == by:
        raise Conflicting("operator_yourself")
    row = _found(name)
    Operator.update(**columns).where(Operator.id == row.id).execute()
    _sign_out(row)


def _sign_out(row: Operator) -> None:
    OperatorSession.delete().where(OperatorSession.operator == row.id).execute()


def _accounts(vault: Vault) -> list[Account]:
    rows = Operator.select().order_by(Operator.name)
    return [_account(vault, row) for row in rows]


def _account(vault: Vault, row: Operator) -> Account:
    try:
        readable = bool(vault.open(row.totp, row.name))
    except ValueError:
        readable = False
    return Account(row.name, row.role, bool(row.disabled), readable, rfc3339(row.created_at))
