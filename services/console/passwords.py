"""Passwords at rest: scrypt (RFC 7914) with N = 2^15, r = 8, p = 3: to OWASP as strong as its setting of 128 MB, in 32.

Pure; takes a quarter of a second of a core, so callers keep it off the loop.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

N, R, P = 2**15, 8, 3
MOST_MEMORY = 2**26  # bytes
NOBODYS = f"scrypt${N}${R}${P}${'A' * 22}==${'A' * 43}="  # takes the same work, and no password has it


def hashed(password: str, salt: bytes) -> str:
    """As it is stored: the parameters, the salt and the hash, so that the parameters may change."""
    return f"scrypt${N}${R}${P}${_text(salt)}${_text(_derived(password, salt, N, R, P))}"


def matches(password: str, stored: str) -> bool:
    _, n, r, p, salt, hash_ = stored.split("$")
    return hmac.compare_digest(_derived(password, _bytes(salt), int(n), int(r), int(p)), _bytes(hash_))


def _derived(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY, dklen=32)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
