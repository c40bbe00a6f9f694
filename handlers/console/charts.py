"""Charts as numbers for the templates, which draw them as SVG: whole units, no style, nothing of a request in them.

The drawings are stretched to the width of the page, so they hold shapes alone; every word stands beside them as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HALF = 100  # the height above and below the line of a chart of two sides
WIDTH = 1000  # of a bar in parts


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a day: what came in above the line, what went out below it."""

    hour: int
    came: int
    went: int
    up: int  # the height of its bar
    down: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar, or a bar of its own."""

    name: str
    count: int
    start: int
    width: int
    percent: int


def hours(came: Sequence[int], went: Sequence[int]) -> list[Hour]:
    """Both sides on one scale."""
    most = max(*came, *went, 1)

    def height(fen: int) -> int:
        return max(2, fen * HALF // most) if fen else 0

    pairs = enumerate(zip(came, went, strict=True))
    return [Hour(hour, fen, back, height(fen), height(back)) for hour, (fen, back) in pairs]


def parts(counts: Mapping[str, int]) -> list[Piece]:
    """One bar, cut into what it is made of; what is not there is left out."""
    whole, before, found = sum(counts.values()), 0, []
    for name, count in counts.items():
        if count:
            start, end = (before * WIDTH // whole, (before + count) * WIDTH // whole)
            found.append(Piece(name, count, start, max(1, end - start), percent(count, whole)))
        before += count
    return found


def rows(counts: Mapping[str, int]) -> list[Piece]:
    """A bar for each, the longest as wide as it can be."""
    most, whole = max([*counts.values(), 1]), sum(counts.values())
    return [Piece(name, n, 0, n * WIDTH // most, percent(n, whole)) for name, n in counts.items()]


def percent(part: int, whole: int) -> int:
    """Rounded down, so that 100 means all."""
    return part * 100 // whole if whole else 0
