"""SQLite's one writer: what waits for it shares a commit, and is none the worse for what it shares it with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.servers import commits
from models import User
from models.database import Database, Raced
from services.errors import NotFound
from tests.databases import Tables

NAMES = ["o1", "o2", "o3", "o4", "o5"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'pay.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def tables(tmp_path: Path, database: Database) -> Tables:
    return Tables(f"sqlite:///{tmp_path / 'pay.db'}")


def user(name: str) -> int:
    return int(User.create(openid=name, created_at=7).id)


def slow() -> None:
    """What everybody else comes too late for."""
    user("slow")
    time.sleep(0.1)


async def together(database: Database, *units: Callable[[], object]) -> list[object]:
    """What each answered, or raised, having waited for the same commit."""
    first = asyncio.create_task(database.run(slow))
    await asyncio.sleep(0.05)
    answers = await asyncio.gather(*(database.run(unit) for unit in units), return_exceptions=True)
    await first
    return answers


def users(tables: Tables) -> set[object]:
    return {row[0] for row in tables.rows("SELECT openid FROM users")}


def test_what_waits_shares_a_commit(database: Database, tables: Tables) -> None:
    before = commits(tables.url)
    found = asyncio.run(together(database, *(lambda name=name: (name, user(name)) for name in NAMES)))  # type: ignore[misc]
    assert [name for name, _ in found] == NAMES  # type: ignore[misc]
    assert users(tables) == {"slow", *NAMES}
    assert commits(tables.url) - before == 2


def test_who_is_refused_undoes_its_own_work_alone(database: Database, tables: Tables) -> None:
    def refused() -> None:
        user("refused")
        raise NotFound("order_not_found")

    one, error, two = asyncio.run(together(database, lambda: user("one"), refused, lambda: user("two")))
    assert isinstance(error, NotFound)
    assert isinstance(one, int)
    assert isinstance(two, int)
    assert users(tables) == {"slow", "one", "two"}


def test_who_loses_a_race_runs_again_and_nothing_is_done_twice(database: Database, tables: Tables) -> None:
    tries: list[int] = []

    def raced() -> str:
        user("raced")
        tries.append(1)
        if len(tries) < 3:
            raise Raced("again")
        return "won"

    assert asyncio.run(together(database, lambda: bool(user("one")), raced)) == [True, "won"]
    assert users(tables) == {"slow", "one", "raced"}


def test_a_mistake_in_one_is_nobody_elses(database: Database, tables: Tables) -> None:
    """A unit that breaks a key, or is a bug, gets its own error."""
    answers = asyncio.run(together(database, lambda: user("one"), lambda: user("slow"), lambda: 1 // 0))
    assert [type(answer).__name__ for answer in answers] == ["int", "IntegrityError", "ZeroDivisionError"]
    assert users(tables) == {"slow", "one"}


def test_what_was_accepted_is_written_before_the_end(database: Database, tables: Tables) -> None:
    async def leave() -> None:
        tasks = [asyncio.create_task(database.run(user, name)) for name in NAMES]
        await asyncio.sleep(0)
        await database.drain()
        assert users(tables) == set(NAMES)
        await asyncio.gather(*tasks)

    asyncio.run(leave())
