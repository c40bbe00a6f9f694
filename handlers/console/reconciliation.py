"""Reconciliation, day by day, and one day with what does not agree."""

from __future__ import annotations

from handlers.console.base import Page
from services.bills import day_of


class DaysPage(Page):
    async def show(self, *_: str) -> None:
        before = self.get_query_argument("before", "")
        days, further = await self.services.reading.reconciled(day_of(before, "before").name if before else None)
        self.show_page("days.html", days=days, further=further)


class DayPage(Page):
    @property
    def back(self) -> str:
        return "/ops/reconciliation"

    async def show(self, *path: str) -> None:
        self.show_page("day.html", name=path[0], day=await self.services.reading.one_day(path[0], self.before()))
