"""The console's services on tables of their own, by a clock of the test's own."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from adapters.vault import PHONE, Vault
from models.database import Database
from services.console.audit import Audit, By
from services.console.operators import Credentials, Operators
from services.console.passwords import Passwords
from services.console.signin import SignIn
from services.errors import Refused
from services.ports import system_token
from tests.databases import Tables

START = 1_800_000_000
MINUTE = 60
CHEAP = Passwords(n=2)
HERE = By("", "10.2.2.2", "r")


@dataclass
class Console:
    database: Database
    tables: Tables
    secret: str = "an AppSecret"
    at: float = START
    operators: Operators = field(init=False)
    signin: SignIn = field(init=False)
    audit: Audit = field(init=False)

    def __post_init__(self) -> None:
        vault = Vault(self.secret, PHONE)
        self.operators = Operators(self.database, vault, CHEAP, self.now, system_token)
        self.signin = SignIn(self.database, vault, CHEAP, self.now, system_token)
        self.audit = Audit(self.database, self.now)

    def now(self) -> float:
        return self.at

    def add(self, name: str, role: str = "viewer") -> Credentials:
        return asyncio.run(self.operators.add(name, role))

    def code(self, made: Credentials, off: int = 0) -> str:
        return TOTP(base64.b32decode(made.secret), 6, SHA1(), 30).generate(int(self.at) + 30 * off).decode()

    def sign_in(self, made: Credentials, *, code: str | None = None, password: str | None = None) -> str:
        given = (password or made.password, self.code(made) if code is None else code)
        return asyncio.run(self.signin.sign_in(made.name, *given, HERE))

    def refused(self, call: Any) -> str:
        with pytest.raises(Refused) as refusal:
            asyncio.run(call) if asyncio.iscoroutine(call) else call()
        return refusal.value.code

    def whose(self, token: str) -> str:
        try:
            return asyncio.run(self.signin.signed(token)).name
        except Refused as error:
            return error.code
