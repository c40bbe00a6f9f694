"""The six digits on an operator's phone (RFC 6238: HMAC-SHA1, half a minute, six digits). Pure."""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote

STEP = 30  # seconds
WINDOW = 1  # steps that a phone's clock may be off


def drawn(random: bytes) -> str:
    """A secret as apps take it: base32. 20 bytes, as RFC 4226 recommends, need no padding."""
    return base64.b32encode(random).decode()


def code(secret: str, step: int) -> str:
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def step_of(secret: str, given: str, now: float) -> int:
    """The half minute whose code this is, of those that a clock may be in; 0 if of none. Always compares all."""
    here = int(now) // STEP
    fits = [
        step
        for step in range(here - WINDOW, here + WINDOW + 1)
        if hmac.compare_digest(code(secret, step).encode(), given.encode())
    ]
    return fits[0] if fits else 0


def address(secret: str, name: str, issuer: str) -> str:
    """``otpauth://``: what an app scans or is told."""
    label = quote(f"{issuer}:{name}")
    return f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer)}&algorithm=SHA1&digits=6&period={STEP}"
