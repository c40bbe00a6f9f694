"""Operators as they use the console: a password, a phone, forms that carry what their page gave them."""

from __future__ import annotations

import base64
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.harness import NO_TLS, Server, Simulator
from tests.live import command

IDLE_SECONDS = 900  # after which a session ends
ROLES = ("viewer", "operator", "approver", "admin")
TOKEN = re.compile(r'name="_xsrf" value="([^"]+)"')


HALF_MINUTE = 30  # seconds: a code is of one, and accepted in the one before and after, too


class Hurried(Server):
    """A server in whose console nobody waits: see ``hurried.py``."""

    def __init__(self, folder: Path, simulator: Simulator, database_url: str, **environ: str) -> None:
        super().__init__(folder, simulator, database_url, **environ)
        self._file = folder / f"ahead-{self.port}"
        self.process.command = [sys.executable, "-m", "tests.console.hurried", str(self._file)]
        self.people: list[Person] = []
        self._ahead = self._seen = 0
        self.move(0)

    def now(self) -> float:
        return time.time() + self._ahead

    def move(self, seconds: int) -> None:
        """On by so much. Who is signed in does something now and then: the console ends what is left open."""
        self._ahead += seconds
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(self._ahead), "ascii")
        fresh.replace(self._file)
        if self._ahead - self._seen > IDLE_SECONDS / 3:
            self._seen = self._ahead
            for person in self.people:
                person.get("/ops/account")


@dataclass
class Phone:
    """Someone else's TOTP. Does not show again what was used."""

    secret: str
    now: Callable[[], float] = time.time
    used: int = 0

    @property
    def step(self) -> int:
        return max(self.used + 1, int(self.now()) // HALF_MINUTE)

    def code(self) -> str:
        return TOTP(base64.b32decode(self.secret), 6, SHA1(), HALF_MINUTE).generate(self.step * HALF_MINUTE).decode()


@dataclass
class Person:
    """``address``: what a trusted proxy says about where they sit."""

    server: Server
    name: str
    password: str
    phone: Phone
    address: str = "10.1.1.1"
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers, lone = {"X-Real-Ip": self.address}, httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=self.server.url, timeout=15, verify=NO_TLS, headers=headers, limits=lone)
        self.server.tokens += [self.password, self.phone.secret]
        if isinstance(self.server, Hurried):
            self.phone.now = self.server.now
            self.server.people.append(self)

    @classmethod
    def first(cls, server: Server, name: str = "alice") -> Person:
        """An admin, made in the terminal and signed in."""
        made = command(server.environ, "operator", "add", name, "admin")
        assert made.returncode == 0, made.stderr
        return cls.of(server, made.stdout).signed_in()

    @classmethod
    def of(cls, server: Server, said: str) -> Person:
        """With the credentials that a command or a page shows."""
        text = re.sub(r"<[^>]+>", " ", said)
        found = re.search(r"(?i)\bname\s+(\S+)\s+password\s+([a-z2-7]{16})\s.*secret=([A-Z2-7]{32})", text, re.DOTALL)
        assert found, text
        return cls(server, found[1], found[2], Phone(found[3]))

    def code(self) -> str:
        """The next one of the phone. Nobody waits half a minute for it: the console's clock goes on by as much."""
        if isinstance(self.server, Hurried) and (early := self.phone.step - int(self.server.now()) // HALF_MINUTE) > 0:
            self.server.move(early * HALF_MINUTE)
        code = self.phone.code()
        self.phone.used = self.phone.step
        return code

    def confirm(self, path: str, **fields: Any) -> httpx.Response:
        """``post``, with a new code of the phone."""
        return self.post(path, code=self.code(), **fields)

    def add(self, name: str, role: str) -> Person:
        reply = self.confirm("/ops/operators", name=name, role=role)
        assert reply.status_code == 200, reply.text
        return Person.of(self.server, reply.text)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def token(self) -> str:
        """What a form of a page carries."""
        found = TOKEN.search(self.get("/ops/sign-in").text)
        assert found
        return found[1]

    def post(self, path: str, *, token: str | None = None, headers: Any = None, **fields: Any) -> httpx.Response:
        given = {**fields, "_xsrf": self.token() if token is None else token}
        return self.http.post(path, data=given, headers=headers)

    def try_to_sign_in(self, **instead: str) -> httpx.Response:
        fields = {"name": self.name, "password": self.password, **instead}
        step, code = self.phone.step, self.phone.code()
        reply = self.post("/ops/sign-in", **{"code": code, **fields})
        if reply.status_code == 303:
            self.phone.used = step
        return reply

    def signed_in(self) -> Person:
        reply = self.try_to_sign_in()
        assert reply.status_code == 303, reply.text
        self.server.tokens.append(self.http.cookies["ops"])
        return self


def crowd(server: Server) -> dict[str, Person]:
    """One of each role, signed in; and somebody who is nobody."""
    nobody, admin = Person(server, "nobody", "nobodys-password", Phone("A" * 32)), Person.first(server)
    others = {role: admin.add(f"{role}-1", role).signed_in() for role in ROLES[:-1]}
    return {"nobody": nobody, **others, "admin": admin}
