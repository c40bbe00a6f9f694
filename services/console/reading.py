"""What the console shows: each page's facts, read in one unit of work. Rows stay here; nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.base import Adapters
from models.database import Database
from services.bills import Day, day_of
from services.console import days, glance, machinery, search
from services.console.story import Story, story
from services.orders import BEIJING
from services.ports import Clock
from services.watch import Look, Watch

PAGE = 50
MONTH = 31  # days of reconciliation on a page
CHUNK = 500  # orders of an export that one unit of work reads


@dataclass(frozen=True, slots=True)
class Today:
    day: Day
    now: int
    glance: glance.Glance
    jobs: Sequence[machinery.Job]
    keys: Sequence[machinery.Key]
    look: Look  # what must always hold about money, when this process last looked


@dataclass(frozen=True, slots=True)
class Hits:
    page: search.Page
    strays: Sequence[str]  # payments under that number that belong to no order


class Reading:
    def __init__(self, database: Database, adapters: Adapters, watch: Watch, now: Clock) -> None:
        self._database = database
        self._adapters = adapters
        self._watch = watch
        self._now = now

    def day(self, text: str) -> Day:
        """That day, or today. Raises Invalid("day_invalid")."""
        return day_of(text or datetime.fromtimestamp(self._now(), BEIJING).date().isoformat())

    async def today(self, text: str) -> Today:
        """Raises Invalid("day_invalid")."""
        day, now = self.day(text), int(self._now())

        def read() -> Today:
            seen, jobs, keys = glance.glance(day), machinery.jobs(now), machinery.keys(self._adapters)
            return Today(day, now, seen, jobs, keys, self._watch.last)

        return await self._database.read(read)

    async def orders(self, wanted: search.Search, after: search.Key | None) -> Hits:
        def read() -> Hits:
            found = search.page(wanted, after, PAGE)
            return Hits(found, [] if found.orders else search.strays(wanted.words))

        return await self._database.read(read)

    async def all_orders(self, wanted: search.Search) -> AsyncIterator[Sequence[search.Found]]:
        """All of them, in parts: no unit of work is open in between, however slowly they are taken."""
        after = None
        while True:
            found = await self._database.read(search.page, wanted, after, CHUNK)
            yield found.orders
            if (after := found.after) is None:
                return

    async def order(self, order_no: str) -> Story:
        """Raises NotFound("order_not_found")."""
        return await self._database.read(story, order_no)

    async def reconciled(self, before: str | None) -> tuple[list[days.DayLine], str | None]:
        return await self._database.read(days.days, before, MONTH)

    async def one_day(self, text: str, before: int | None) -> days.OneDay:
        """Raises Invalid("day_invalid")."""
        return await self._database.read(days.one_day, text, before, PAGE)
