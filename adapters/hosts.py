"""What is learnt of a host by calling it: whether it can be reached at all, and how far our clock is from its own.

It sends nothing and decides nothing about money: a call that it stops is a NotSent, as if the host had refused it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import lru_cache

from prometheus_client import Counter, Gauge

from adapters.errors import NotSent

logger = logging.getLogger("pay.transport")

MISSES = 10  # calls in a row that did not reach the host; then it is left alone
REST = 2.0  # seconds that it is left alone for; after them one call finds out
ALARMING_SKEW = 60  # seconds (money.md F60); at 300 WeChat's signatures are too old or too new to be believed

FRESH = 300.0  # seconds that an answer's date is good for; what nobody contradicts by then is forgotten

LEFT_ALONE = Counter("pay_gateway_left_alone", "Calls not made, because their host could not be reached", ["host"])
SKEW = Gauge("pay_clock_skew_seconds", "Our clock minus the Date of the host's last answer", ["host"])


class Host:
    """One host. ``steady`` measures pauses, ``wall`` is what signatures are dated by; both in seconds."""

    def __init__(self, name: str, steady: Callable[[], float], wall: Callable[[], float]) -> None:
        self._name = name
        self._steady = steady
        self._wall = wall
        self._misses = 0
        self._rests_until = 0.0
        self._skewed = False
        self._skew, self._told_at = 0, 0.0

    def enter(self) -> None:
        """Before a call. Raises NotSent while the host is left alone."""
        if self._misses < MISSES:
            return
        now = self._steady()
        if now < self._rests_until:
            LEFT_ALONE.labels(self._name).inc()
            raise NotSent(f"{self._name}: left alone, {self._misses} calls in a row did not reach it")
        self._rests_until = now + REST  # this call finds out; the others wait for what it finds

    def missed(self) -> None:
        """The call did not reach the host."""
        self._misses += 1
        self._rests_until = self._steady() + REST

    def answered(self, date: str | None) -> None:
        """``date``: the header of the answer; one that is missing or no date says nothing."""
        self._misses = 0
        try:
            skew = round(self._wall() - _epoch(date or ""))
        except ValueError:
            return
        SKEW.labels(self._name).set(skew)
        if abs(skew) > ALARMING_SKEW and not self._skewed:
            logger.warning(
                "our clock is %+d s from that of %s: from 300 on nothing verifies; keep NTP", skew, self._name
            )
        self._skewed = abs(skew) > ALARMING_SKEW
        self._skew, self._told_at = skew, self._steady()

    @property
    def skew(self) -> int:
        """Our clock minus its own, in seconds, as of an answer of the last minutes; 0 if there was none."""
        return self._skew if self._steady() - self._told_at <= FRESH else 0


@lru_cache(8)  # a host says the same for a second
def _epoch(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()
