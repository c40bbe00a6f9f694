"""A day is read by one at a time: by a lease that lasts as long as the reading, and that whoever slept has lost. And by
whichever API generation gives the bill.

The reader is the true program in this process, on a clock that the test holds; the other one is ``cli.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.transport import Transport
from bootstrap import build
from services.bills import Progress
from services.errors import Conflicting
from services.reconciliation import LEASE, STEP, Reconciliation, Result
from services.refunds import Refunds
from settings import Settings
from settings.merchant import simulated_merchant
from tests.generated import migrated, reconcile, yesterday
from tests.harness import V2_HMAC, Simulator

LINES = 1_000  # two chunks


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("lease"))
    yield simulator
    simulator.close()


@pytest.fixture
def day(simulator: Simulator) -> str:
    day = yesterday(simulator).date().isoformat()
    simulator.put("bill", {"day": day, "extra_lines": LINES, "errors": [{"kind": "missing", "n": 5}]})
    return day


@pytest.fixture
def refunds(simulator: Simulator) -> str:
    """A day with refunds that we never heard of: a step of questions, and some."""
    day = yesterday(simulator).date().isoformat()
    simulator.put("bill", {"day": day, "extra_lines": STEP + 5, "extra_refunds": STEP + 5})
    return day


@dataclass(frozen=True)
class Told:
    """The true service, and whoever wants to know when it is about to ask WeChat."""

    refunds: Refunds
    asking: Callable[[], None]

    async def look_up(self, adapter: str, out_refund_no: str) -> bool:
        self.asking()
        return await self.refunds.look_up(adapter, out_refund_no)


async def read(
    simulator: Simulator,
    url: str,
    day: str,
    now: Callable[[], float] = time.time,
    progress: Progress | None = None,
    *without: str,
    asking: Callable[[], None] = lambda: None,
) -> Result:
    """``without`` these files of the merchant's v2 keys. ``asking`` is called before each question about a refund."""
    settings = Settings(_env_file=None, database_url=url, simulator_url=simulator.url, wechat_pay_api="v2")
    merchant, transport = simulated_merchant(settings, simulator.merchant), Transport()
    assert merchant.v2
    fewer = replace(merchant, v2=replace(merchant.v2, **dict.fromkeys(without)))
    program = build(settings, fewer, transport, now=now)
    try:
        parts = program.services
        told: Any = Told(parts.refunds, asking)
        return await Reconciliation(parts.database, parts.bills, parts.asking, told, now).reconcile(day, progress)
    finally:
        await program.close()
        if merchant.v2.folder:
            merchant.v2.folder.cleanup()


def test_a_reader_that_slept_for_too_long_writes_nothing_more(simulator: Simulator, day: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pay.db'}"
    tables, left = migrated(url), []

    def asleep(done: int, total: int) -> None:
        """After the first chunk; meanwhile somebody else reads the day whole."""
        assert (done, total) == (500, LINES - 5)
        assert reconcile(url, simulator, V2_HMAC, day)[0] == 3
        left.append(tables.snapshot())

    with pytest.raises(Conflicting):
        asyncio.run(read(simulator, url, day, lambda: time.time() - LEASE - 1, asleep))
    assert tables.snapshot() == left[0]
    assert tables.one("SELECT COUNT(*) FROM bill_lines") == LINES - 5


def test_a_lease_lasts_as_long_as_the_reading(simulator: Simulator, day: str, tmp_path: Path) -> None:
    url, late = f"sqlite:///{tmp_path / 'pay.db'}", [LEASE + 60.0]
    migrated(url)
    refused = []

    def goes_on(done: int, total: int) -> None:
        if late[0]:
            late[0] = 0.0  # the lease that it began with is over
        elif not refused:
            refused.append(reconcile(url, simulator, V2_HMAC, day)[1])

    result = asyncio.run(read(simulator, url, day, lambda: time.time() - late[0], goes_on))
    assert refused == ["reconcile: The bill of that day is being read"]
    assert result.lines == LINES - 5


def test_a_lease_lasts_as_long_as_the_questions(simulator: Simulator, refunds: str, tmp_path: Path) -> None:
    """Two runners: one asks about what the bill names and we never heard of, and began so long ago that another could
    have the day, had it not been claimed for longer before each step."""
    url, late = f"sqlite:///{tmp_path / 'pay.db'}", [LEASE + 60.0]
    tables = migrated(url)
    asked, refused = [0], []

    def goes_on() -> None:
        asked[0] += 1
        if asked[0] == STEP:
            late[0] = 0.0
        elif asked[0] == STEP + 1:
            refused.append(reconcile(url, simulator, V2_HMAC, refunds)[1])

    asyncio.run(read(simulator, url, refunds, lambda: time.time() - late[0], asking=goes_on))
    assert refused == ["reconcile: The bill of that day is being read"]
    assert (asked[0], tables.rows("SELECT state FROM bills")) == (STEP + 5, [("DONE",)])


def test_who_slept_for_too_long_asks_no_more(simulator: Simulator, refunds: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pay.db'}"
    tables, asked, left = migrated(url), [0], []

    def asleep() -> None:
        """Over the first question; meanwhile somebody else reads the day whole, and asks all of it."""
        asked[0] += 1
        if asked[0] == 1:
            assert reconcile(url, simulator, V2_HMAC, refunds)[0] == 3
            left.append(tables.snapshot())

    with pytest.raises(Conflicting):
        asyncio.run(read(simulator, url, refunds, lambda: time.time() - LEASE - 1, asking=asleep))
    assert asked[0] == STEP
    assert tables.snapshot() == left[0]


def test_a_shop_on_v2_without_certificate_has_its_fund_flow_through_v3(
    simulator: Simulator, day: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'pay.db'}"
    migrated(url)
    result = asyncio.run(read(simulator, url, day, time.time, None, "cert_file", "key_file"))
    assert (result.lines, result.moves and result.moves > LINES) == (LINES - 5, True)
