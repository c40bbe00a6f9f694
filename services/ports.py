"""What services need from outside, as plain callables, so that a test can hand in its own clock and dice."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

Clock = Callable[[], float]  # epoch seconds
Token = Callable[[int], bytes]  # that many unpredictable bytes

BASE32 = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no I, O, 0, 1: people read these numbers aloud


def system_clock() -> float:
    return time.time()


def system_token(size: int) -> bytes:
    return secrets.token_bytes(size)


def spread(seconds: int, token: Token) -> int:
    """Up to a fifth more than ``seconds``: what failed together does not come again together."""
    return seconds + seconds * token(1)[0] // (5 * 256)


def number(prefix: str, now: float, token: Token) -> str:
    """A number nobody can guess: prefix, yymmdd (UTC), 80 random bits; 24 of the 32 characters WeChat allows."""
    day = time.strftime("%y%m%d", time.gmtime(now))
    return prefix + day + _letters(token(10))


def derived(prefix: str, *parts: str) -> str:
    """A number that follows from its parts, to be found again by who has lost it: 120 bits, 24 characters."""
    return prefix + _letters(hashlib.sha256("\n".join(parts).encode()).digest()[:15])


def _letters(bits: bytes) -> str:
    whole = int.from_bytes(bits, "big")
    return "".join(BASE32[(whole >> shift) & 31] for shift in range(0, 8 * len(bits), 5))
