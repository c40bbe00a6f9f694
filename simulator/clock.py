"""The simulator's time. One virtual clock: real time x scale + what was advanced.

Everything that lasts runs on ``now``: login codes, prepay ids, expiries, payment times, the retry schedule.
Only the timestamps of v3 signatures, theirs and ours, run on ``wire``, the wall clock (plus a set skew): they compare
two machines' clocks, and the server under test cannot be moved along when a test advances ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))  # WeChat's clock has no summer time (v2.md 13)


class Clock:
    """Epoch seconds as float. ``wall`` is an argument so that tests can hold time still."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0, wall: Callable[[], float] = time.time) -> None:
        self.scale = scale
        self.skew = 0.0
        self._wall = wall
        self._start = wall()
        self._advanced = offset

    def now(self) -> float:
        """Virtual time."""
        return self._start + (self._wall() - self._start) * self.scale + self._advanced

    def wire(self) -> int:
        """Time as written into, and expected in, v3 signatures."""
        return int(self._wall() + self.skew)

    def advance(self, seconds: float) -> None:
        self._advanced += seconds

    @property
    def offset(self) -> float:
        """How far virtual time is ahead of the wall: what a restart must be given to go on from here."""
        return self.now() - self._wall()

    def real_seconds_until(self, moment: float) -> float:
        """How long to wait, really, until virtual time reaches ``moment``; never negative."""
        return max(0.0, (moment - self.now()) / self.scale)


def rfc3339(moment: float) -> str:
    """``2018-06-08T10:34:56+08:00`` (v3.md 1)."""
    return datetime.fromtimestamp(int(moment), BEIJING).isoformat()


def compact(moment: float) -> str:
    """``yyyyMMddHHmmss`` in Beijing (v2.md 13)."""
    return datetime.fromtimestamp(int(moment), BEIJING).strftime("%Y%m%d%H%M%S")


def spaced(moment: float) -> str:
    """``yyyy-MM-dd HH:mm:ss`` in Beijing (v2.md 9, 10)."""
    return datetime.fromtimestamp(int(moment), BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def from_compact(text: str) -> float:
    """Epoch seconds of ``yyyyMMddHHmmss`` in Beijing; ValueError if there is no such moment."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError("not yyyyMMddHHmmss")
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
