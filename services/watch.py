"""The statements about money that must always hold (money.md part 2), looked at in production, over our own tables.

It changes nothing: a statement that does not hold is a bug, or a hand in the database, and a matter for a person. The
tables are walked in parts, however large they are: each is a unit of work of a moment, and others come in between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from models import invariants
from models.database import Database, rows
from services.console.chain import Chain
from services.metrics import BROKEN
from services.ports import Clock

logger = logging.getLogger("pay.money")
T = TypeVar("T")

EVERY = 60  # seconds
CHAINED = "23 the audit log is an unbroken chain"
PART = 2000  # rows that one unit of work looks at
AT_ONCE = 0.1  # seconds of work that nobody notices
SHARE = 20  # at most this fraction of the time goes into looking, beyond that


@dataclass(frozen=True, slots=True)
class Look:
    at: int  # epoch seconds: when it began
    broken: Mapping[str, int]  # how many rows break each statement that does not hold


class Watch:
    """One look at a time, which goes on whoever waits for it; what it finds is told at once."""

    def __init__(
        self, database: Database, chain: Chain, now: Clock, rest: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._database = database
        self._chain = chain
        self._now = now
        self._rest = rest
        self._task: asyncio.Task[None] | None = None
        self._to_ask: list[str] = []  # statements that this look has not come to yet
        self._began = 0.0
        self._next = 0.0
        self._worked = 0.0  # seconds, in this look
        self._looked_at = 0
        self._broken: dict[str, int] = {}

    @property
    def last(self) -> Look:
        """The newest whole look of this process, however old; ``at`` is 0 if there was none. ``broken`` is of now."""
        return Look(self._looked_at, dict(self._broken))

    async def look(self, within: float) -> Look:
        """``last``, after waiting so many seconds for a look under way; one is begun if the last is a minute old.

        Raises DatabaseUnavailable if a look was broken off: the next one goes on from there.
        """
        if self._task and self._task.done():
            self._ended(self._task)
        if self._task is None and self._now() >= self._next:
            self._task = asyncio.create_task(self._walk())
        if task := self._task:
            await asyncio.wait({task}, timeout=within)
            if task.done():
                self._ended(task)
        return self.last

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Raises what it ended with."""
        if self._task is task:
            self._task = None
        task.result()

    async def close(self) -> None:
        """A look changes nothing, and may be cut short at any time."""
        if task := self._task:
            task.cancel()
            await asyncio.wait({task})

    async def _walk(self) -> None:
        self._worked = 0.0
        if not self._to_ask:
            self._began, self._to_ask = self._now(), [*invariants.PARTS, CHAINED]
        while self._to_ask:
            name = self._to_ask[0]
            self._tell(name, await self._count(name))
            del self._to_ask[0]
        self._looked_at, self._next = int(self._began), self._began + EVERY

    async def _count(self, name: str) -> int:
        """How many rows break one statement."""
        if name == CHAINED:
            return int((await self._chain.look()).broken is not None)
        count = 0
        for sql in invariants.PARTS[name]:
            last = await self._read(_last_id, invariants.table_of(sql))
            for after in range(0, last, PART):
                count += len(await self._read(rows, *invariants.within(sql, after, after + PART)))
        return count

    async def _read(self, fn: Callable[..., T], *args: object) -> T:
        """One part, and a rest after it, so that the load is even: a large table is looked at less often."""
        timed: tuple[T, float] = await self._database.read(_timed, fn, *args)
        found, took = timed
        self._worked += took
        if self._worked > AT_ONCE:
            await self._rest(took * (SHARE - 1))
        return found

    def _tell(self, name: str, count: int) -> None:
        BROKEN.labels(name.split()[0]).set(count)
        if not count:
            self._broken.pop(name, None)
            return
        if name not in self._broken:
            logger.error("money does not add up: not so of %d rows: %s", count, name)
        self._broken[name] = count


def _timed(fn: Callable[..., T], *args: object) -> tuple[T, float]:
    """With the seconds that it took, without those that it waited for its turn."""
    began = time.monotonic()
    return fn(*args), time.monotonic() - began


def _last_id(table: str) -> int:
    ((last,),) = rows(f"SELECT COALESCE(MAX(id), 0) FROM {table}")  # noqa: S608 - a name of ours
    return int(str(last))
