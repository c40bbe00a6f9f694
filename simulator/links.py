"""The download addresses of v3's bills: a token, what it stands for, how long (v3.md 14). It must not know HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from simulator import numbers
from simulator.billfile import BillFile
from simulator.clock import Clock

LIFE = 300  # virtual seconds
_MOST = 16  # the oldest go first: each holds a file on disk


@dataclass(frozen=True)
class Link:
    """``query`` is the whole query string of the address that was handed out."""

    query: str
    file: BillFile
    packed: bool
    expires_at: float


class Links:
    """Addresses by their query string, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: dict[str, Link] = {}

    def new(self, file: BillFile, packed: bool) -> Link:
        """A fresh address for this file."""
        while len(self._links) >= _MOST:
            del self._links[next(iter(self._links))]
        query = f"token=SIM{numbers.text(60)}" + ("&tartype=gzip" if packed else "")
        self._links[query] = Link(query, file, packed, self._clock.now() + LIFE)
        return self._links[query]

    def find(self, query: str) -> Link | None:
        """What this very query string was handed out for; None if it never was, or if it is too old."""
        link = self._links.get(query)
        return link if link is not None and self._clock.now() <= link.expires_at else None
