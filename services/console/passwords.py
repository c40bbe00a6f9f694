"""Passwords at rest: scrypt (RFC 7914) with N = 2^17, r = 8, p = 1, as OWASP has it.

Each hash takes 128 MB and half a second of a core. So they take turns in one thread of their own: a process never holds
the memory twice, the loop goes on meanwhile, and the memory is given back after each.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

from services.errors import TryLater

MOST_MEMORY = 2**28  # bytes: more than any hash of ours takes
MOST_WAITING = 16  # for their turn; whoever comes then may come again


class Passwords:
    """A hash is kept with its parameters and salt, so that they may change. ``n``: a test's may be cheap."""

    def __init__(self, n: int = 2**17, r: int = 8, p: int = 1) -> None:
        self._form = f"scrypt${n}${r}${p}$"
        self._turns = ThreadPoolExecutor(1, "password")
        self._waiting = 0
        self.nobodys = _stored(self._form, bytes(16), bytes(32))  # the same work, and nothing fits it

    async def hashed(self, password: str, salt: bytes) -> str:
        """Raises TryLater("busy")."""
        return _stored(self._form, salt, await self._derived(password, self._form, salt))

    async def fits(self, password: str, stored: str) -> bool:
        """Raises TryLater("busy")."""
        form, salt, hash_ = stored.rsplit("$", 2)
        return hmac.compare_digest(await self._derived(password, form, _bytes(salt)), _bytes(hash_))

    def outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than a new one."""
        return not stored.startswith(self._form)

    async def _derived(self, password: str, form: str, salt: bytes) -> bytes:
        if self._waiting >= MOST_WAITING:
            raise TryLater("busy")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._turns, _derive, password, form, salt)
        finally:
            self._waiting -= 1


def _derive(password: str, form: str, salt: bytes) -> bytes:
    n, r, p = (int(each) for each in form.split("$")[1:4])
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY, dklen=32)


def _stored(form: str, salt: bytes, hash_: bytes) -> str:
    return f"{form}{_text(salt)}${_text(hash_)}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
