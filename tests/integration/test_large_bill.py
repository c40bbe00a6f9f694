"""A day of LINES, a hundred thousand, with five hundred planted errors, in the memory of a day of ten thousand.

Everything is real: the simulator writes the bills, ``cli.py reconcile`` reads them in a process of its own, and the
rows that match them were put into the tables beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.databases import Tables
from tests.generated import LEADS_TO, expected, found, migrated, reconcile, stock, yesterday
from tests.harness import V2_HMAC, Simulator

PLANTED = 500
FEW, MANY = 10_000, int(os.environ.get("LINES", "100000"))  # lines, of which every tenth is a refund
# What ninety thousand lines more may cost, in kB. To hold them would take 54,000, some 600 bytes each; thirty thousand,
# as CI has them, 18,000. Eight days of either size, on a busy machine, had their peaks between 82,300 and 85,400 kB:
# they differ by less than the sizes do.
ROOM = 8_000


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """One of this test's own: its clock is moved."""
    simulator = Simulator(tmp_path)
    yield simulator
    simulator.close()


def errors() -> list[dict[str, object]]:
    """Five hundred, of every kind."""
    kinds = sorted(LEADS_TO)
    return [{"kind": kind, "n": PLANTED // len(kinds) + (i < PLANTED % len(kinds))} for i, kind in enumerate(kinds)]


def compared(url: str, simulator: Simulator, midnight: datetime, lines: int) -> int:
    """A day of so many lines: every planted error is found, none is invented. The most memory that it took, in kB."""
    tables, day, refunds = Tables(url), midnight.date().isoformat(), lines // 10
    stock(tables, midnight, lines - refunds, refunds)
    plan = {"day": day, "extra_lines": lines - refunds, "extra_refunds": refunds, "errors": errors()}
    simulator.put("bill", plan)
    code, said, peak = reconcile(url, simulator, V2_HMAC, day)
    planted = expected(simulator, day)
    assert len(simulator.get(f"bill?day={day}")["planted"]) == PLANTED
    assert found(tables) == planted
    assert (code, said.split(", ")[-1]) == (3, f"{len(planted)} differences")
    return peak


def test_every_planted_error_of_a_large_day_in_the_memory_of_a_small_one(simulator: Simulator, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pay.db'}"
    migrated(url)
    midnight = yesterday(simulator)
    small = compared(url, simulator, midnight, FEW)
    large = compared(url, simulator, midnight, MANY)
    print(f"peak memory: {small:,} kB for {FEW:,} lines, {large:,} for {MANY:,}")
    assert large - small < ROOM
