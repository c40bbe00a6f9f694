"""Money that does not fit: what waits for a person, and the form to close one, with a note that stays in the log."""

from __future__ import annotations

from handlers.console.base import Page
from handlers.console.said import meaning
from services.console.approvals import BY
from services.console.flags import PAGE

MOST = 200  # characters of a note


class DiscrepanciesPage(Page):
    async def show(self, *_: str) -> None:
        state = "RESOLVED" if self.get_query_argument("state", "") == "resolved" else "OPEN"
        flags = await self.services.flags.page(state, self.before())
        self.show_page("discrepancies.html", flags=flags, state=state, more=len(flags) == PAGE)


class DiscrepancyPage(Page):
    """Whoever may not resolve it may look at it."""

    does = "resolve"

    @property
    def back(self) -> str:
        return f"/ops/discrepancies/{self.path_args[0]}"

    async def show(self, *path: str) -> None:
        flag = await self.services.flags.one(int(path[0]))
        self.show_page("discrepancy.html", flag=flag, meaning=meaning(flag.kind))


class ResolvePage(DiscrepancyPage):
    needs = "operator"

    async def act(self, *path: str) -> None:
        note, resolve = self.field("note", MOST), self.services.resolving.resolve
        act = self.doing(path[0], note)
        payment = await self.witnessed(act, lambda: resolve(int(path[0]), note, BY + self.by.operator))
        self.go(self.back, "booked" if payment in ("APPLIED", "DUPLICATE") else "resolved")
