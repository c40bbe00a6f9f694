"""The look at what must hold about money: it takes its time, and nobody has to wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jobs import money
from jobs.runner import Runner
from models.database import Database
from services.console.chain import Chain
from services.heartbeat import Heartbeat
from services.watch import AT_ONCE, EVERY, SHARE, Watch


class Held(Database):
    """A database that answers no look until ``let_go`` is set."""

    def __init__(self, url: str) -> None:
        super().__init__(url, threads=2)
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def read(self, fn: Callable[..., Any], *args: object) -> Any:
        await self.let_go.wait()
        return await super().read(fn, *args)


@pytest.fixture
def held(database: Database, tmp_path: Any) -> Any:
    held = Held(f"sqlite:///{tmp_path / 'unit.db'}")
    yield held
    held.close()


def test_while_a_look_is_under_way_the_one_before_is_told(held: Held) -> None:
    now = [1_800_000_000.0]
    watch = Watch(held, Chain(held, lambda: now[0]), lambda: now[0])

    async def play() -> None:
        first = await watch.look()
        now[0] += EVERY + 1
        held.let_go.clear()
        second = asyncio.create_task(watch.look())
        await asyncio.sleep(0.01)
        assert await watch.look() is first
        held.let_go.set()
        assert (await second).at == first.at + EVERY + 1
        assert watch.last is await watch.look()

    asyncio.run(play())


def test_a_stop_does_not_wait_for_a_look(held: Held) -> None:
    watch = Watch(held, Chain(held, time.time), time.time)
    services: Any = SimpleNamespace(watch=watch, heartbeat=Heartbeat(held, time.time), now=time.time)

    async def play() -> None:
        held.let_go.clear()
        runner = Runner(services, shared=False)
        runner._tasks = [asyncio.create_task(runner._repeat("money", money.run_once, 60, 0), name="money")]
        await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            assert await runner.stop(within=60) == []

    asyncio.run(play())


def test_a_long_look_rests_most_of_the_time(database: Database) -> None:
    """Its load is even: after a tenth of a second of work each part is followed by a rest of many times its length."""
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    def slow(_: str) -> list[Any]:
        time.sleep(AT_ONCE / 2)
        return []

    async def play() -> None:
        watch = Watch(database, Chain(database, time.time), time.time, rest)
        for _ in range(4):
            await watch._read(slow, "")

    asyncio.run(play())
    assert len(rests) in (2, 3), "the first two parts, or but one of them, are still a tenth of a second"
    assert all(seconds >= AT_ONCE / 2 * (SHARE - 1) for seconds in rests)
