"""What services need from outside, as plain callables, so that a test can hand in its own clock and dice."""

from __future__ import annotations

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


def number(prefix: str, now: float, token: Token) -> str:
    """A number nobody can guess: prefix, yymmdd (UTC), 80 random bits; 24 of the 32 characters WeChat allows."""
    day = time.strftime("%y%m%d", time.gmtime(now))
    bits = int.from_bytes(token(10), "big")
    return prefix + day + "".join(BASE32[(bits >> shift) & 31] for shift in range(0, 80, 5))
