"""The statements about money that must always hold (money.md part 2), looked at in production, over our own tables.

It changes nothing: a statement that does not hold is a bug, or a hand in the database, and a matter for a person. The
tables are walked in parts, however large they are: each is a unit of work of a moment, and others come in between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    at: int  # epoch seconds
    broken: Mapping[str, int]  # how many rows break each statement that does not hold


class Watch:
    def __init__(
        self, database: Database, chain: Chain, now: Clock, rest: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._database = database
        self._chain = chain
        self._now = now
        self._rest = rest
        self._next = 0.0
        self._worked = 0.0  # seconds, in this look
        self._last = Look(0, {})
        self._looking = asyncio.Lock()

    @property
    def last(self) -> Look:
        """The newest look of this process, however old; ``at`` is 0 if it never looked."""
        return self._last

    async def look(self) -> Look:
        """The newest look, a new one if it is a minute old; while one is under way, the one before.

        Raises DatabaseUnavailable.
        """
        if self._looking.locked() and self._last.at:
            return self._last
        async with self._looking:
            if (began := self._now()) >= self._next:
                self._worked = 0.0
                found = {name: await self._broken(parts) for name, parts in invariants.PARTS.items()}
                found[CHAINED] = int((await self._chain.look()).broken is not None)
                self._remember(Look(int(began), {name: count for name, count in found.items() if count}))
                self._next = began + EVERY
        return self._last

    async def _broken(self, parts: Sequence[str]) -> int:
        """How many rows break one statement."""
        count = 0
        for sql in parts:
            last = await self._read(_last_id, invariants.table_of(sql))
            for after in range(0, last, PART):
                count += len(await self._read(rows, invariants.within(sql, after, after + PART)))
        return count

    async def _read(self, fn: Callable[[str], T], sql: str) -> T:
        """One part, and a rest after it, so that the load is even: a large table is looked at less often."""
        began = time.monotonic()
        found = await self._database.read(fn, sql)
        took = time.monotonic() - began
        self._worked += took
        if self._worked > AT_ONCE:
            await self._rest(took * (SHARE - 1))
        return found

    def _remember(self, look: Look) -> None:
        for name in (*invariants.LOCAL, CHAINED):
            BROKEN.labels(name.split()[0]).set(look.broken.get(name, 0))
        for name, count in look.broken.items():
            if name not in self._last.broken:
                logger.error("money does not add up: not so of %d rows: %s", count, name)
        self._last = look


def _last_id(table: str) -> int:
    ((last,),) = rows(f"SELECT COALESCE(MAX(id), 0) FROM {table}")  # noqa: S608 - a name of ours
    return int(str(last))
