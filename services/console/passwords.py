"""Passwords at rest: scrypt (RFC 7914) with N = 2^15, r = 8, p = 3: to OWASP as strong as its setting of 128 MB, in 32.

Pure; takes a quarter of a second of a core, so callers keep it off the loop.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

MOST_MEMORY = 2**26  # bytes


class Passwords:
    """A hash is kept with its parameters and salt, so that they may change. ``n``: a test's may be cheap."""

    def __init__(self, n: int = 2**15, r: int = 8, p: int = 3) -> None:
        self._work = (n, r, p)
        self.nobodys = f"scrypt${n}${r}${p}${_text(bytes(16))}${_text(bytes(32))}"  # the same work, and none fits it

    def hashed(self, password: str, salt: bytes) -> str:
        n, r, p = self._work
        return f"scrypt${n}${r}${p}${_text(salt)}${_text(_derived(password, salt, n, r, p))}"

    def fits(self, password: str, stored: str) -> bool:
        _, n, r, p, salt, hash_ = stored.split("$")
        return hmac.compare_digest(_derived(password, _bytes(salt), int(n), int(r), int(p)), _bytes(hash_))


def _derived(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY, dklen=32)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
