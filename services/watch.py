"""The statements about money that must always hold (money.md part 2), looked at in production, over our own tables.

It changes nothing: a statement that does not hold is a bug, or a hand in the database, and a matter for a person. The
tables are walked in parts, however large they are: each is a unit of work of a moment, and others come in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import invariants
from models.database import Database, rows
from services.console.chain import Chain
from services.metrics import BROKEN
from services.ports import Clock

logger = logging.getLogger("pay.money")

EVERY = 60  # seconds
CHAINED = "23 the audit log is an unbroken chain"
PART = 2000  # rows that one unit of work looks at
SHARE = 20  # a look that takes long is taken rarely: at most this fraction of the time goes into looking


@dataclass(frozen=True, slots=True)
class Look:
    at: int  # epoch seconds
    broken: Mapping[str, int]  # how many rows break each statement that does not hold


class Watch:
    def __init__(self, database: Database, chain: Chain, now: Clock) -> None:
        self._database = database
        self._chain = chain
        self._now = now
        self._next = 0.0
        self._last = Look(0, {})
        self._looking = asyncio.Lock()

    @property
    def last(self) -> Look:
        """The newest look of this process, however old; ``at`` is 0 if it never looked."""
        return self._last

    async def look(self) -> Look:
        """The newest look, a new one if it is a minute old. Raises DatabaseUnavailable."""
        async with self._looking:
            if (began := self._now()) >= self._next:
                found = {name: await self._broken(parts) for name, parts in invariants.PARTS.items()}
                found[CHAINED] = int((await self._chain.look()).broken is not None)
                self._remember(Look(int(began), {name: count for name, count in found.items() if count}))
                self._next = began + max(EVERY, SHARE * (self._now() - began))
        return self._last

    async def _broken(self, parts: Sequence[str]) -> int:
        """How many rows break one statement."""
        count = 0
        for sql in parts:
            last = await self._database.read(_last_id, invariants.table_of(sql))
            for after in range(0, last, PART):
                count += len(await self._database.read(rows, invariants.within(sql, after, after + PART)))
        return count

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
