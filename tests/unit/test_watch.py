"""The look at what must hold about money: it takes its time, and nobody has to wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from models import Order, User
from models.base import proxy
from models.database import Database
from models.engine import DatabaseUnavailable
from services.console.chain import Chain
from services.ports import Clock
from services.watch import AT_ONCE, EVERY, SHARE, Watch


class Held(Database):
    """A database that answers no look until ``let_go`` is set."""

    def __init__(self, url: str) -> None:
        super().__init__(url, threads=2)
        self.let_go = asyncio.Event()
        self.let_go.set()

        self.on_read: Callable[[str], object] = lambda _: None

    async def read(self, fn: Callable[..., Any], *args: object) -> Any:
        self.on_read(str(args))
        await self.let_go.wait()
        return await super().read(fn, *args)


@pytest.fixture
def held(database: Database, tmp_path: Any) -> Any:
    held = Held(f"sqlite:///{tmp_path / 'unit.db'}")
    yield held
    held.close()


def watching(database: Database, now: Clock = time.time) -> Watch:
    return Watch(database, Chain(database, now), now)


def test_a_look_goes_on_by_itself_and_the_one_before_is_told_meanwhile(held: Held) -> None:
    now = [1_800_000_000.0]
    watch = watching(held, lambda: now[0])

    async def play() -> None:
        held.let_go.clear()
        assert (await watch.look(0.01)).at == 0
        held.let_go.set()
        first = await watch.look(5)
        assert first.at == now[0]
        now[0] += EVERY
        held.let_go.clear()
        assert await watch.look(0.01) == await watch.look(0.01) == first
        held.let_go.set()
        assert (await watch.look(5)).at == first.at + EVERY

    asyncio.run(play())


def test_a_look_that_nobody_waited_for_is_followed_by_the_next(held: Held) -> None:
    now = [1_800_000_000.0]
    watch = watching(held, lambda: now[0])

    async def play() -> None:
        held.let_go.clear()
        assert (await watch.look(0)).at == 0
        held.let_go.set()
        while not watch.last.at:
            await asyncio.sleep(0.01)
        now[0] += EVERY
        assert (await watch.look(5)).at == now[0]

    asyncio.run(play())


def test_a_look_that_failed_goes_on_where_it_was(held: Held) -> None:
    watch = watching(held)
    asked: list[str] = []

    def ask(answers: int) -> None:
        def refuse(sql: str) -> None:
            asked.append(sql)
            if len(asked) > answers:
                raise DatabaseUnavailable("away")

        held.on_read = refuse

    async def play() -> None:
        ask(answers=7)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await watch.look(5)
        assert watch.last.at == 0
        assert asked[-1] == asked[-2], "the second look began with what the first one could not ask"
        held.on_read = lambda _: None
        assert (await watch.look(5)).at > 0

    asyncio.run(play())


def test_a_stop_cuts_a_look_short(held: Held) -> None:
    watch = watching(held)

    async def play() -> None:
        held.let_go.clear()
        await watch.look(0.01)
        async with asyncio.timeout(5):
            await watch.close()

    asyncio.run(play())


def test_what_is_broken_is_told_before_the_look_is_over(held: Held) -> None:
    watch = watching(held)
    sql = "INSERT INTO outbox (order_id, kind, created_at) VALUES (1, 'FULFIL', 0)"

    def plant() -> None:
        user = User.create(openid="o", created_at=0)
        told = {"amount_fen": 1, "currency": "CNY", "version": 1, "paid_fen": 0, "refunded_fen": 0, "request_hash": ""}
        Order.create(order_no="MP1", user=user, state="CREATED", created_at=0, expires_at=1, **told)
        proxy.execute_sql(sql)

    async def play() -> None:
        await held.run(plant)
        held.on_read = lambda asked: held.let_go.clear() if "refunds" in asked else None
        found = await watch.look(0.5)
        assert (found.at, [name.split()[0] for name in found.broken]) == (0, ["5"])
        await watch.close()

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
            await watch._read(slow, "SELECT 1")

    asyncio.run(play())
    assert len(rests) in (2, 3), "one or two parts are still a tenth of a second"
    assert all(seconds >= AT_ONCE / 2 * (SHARE - 1) for seconds in rests)
