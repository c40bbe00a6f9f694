"""Refunds above the limit: who asked for what, and the word of a second person."""

from __future__ import annotations

from handlers.console.base import Page

MOST = 200  # characters of a note


class ApprovalsPage(Page):
    async def show(self, *_: str) -> None:
        requests = await self.services.approvals.list()
        self.show_page("approvals.html", requests=requests, limit_fen=self.services.approvals.limit_fen)


class Decision(Page):
    needs = "approver"
    fresh = True

    @property
    def back(self) -> str:
        return "/ops/approvals"


class ApprovePage(Decision):
    does = "refund approved"

    async def act(self, *path: str) -> None:
        request_id, note = int(path[0]), self.field("note", MOST)
        approve = self.services.approvals.approve
        await self.witnessed(self.doing(path[0], note), lambda: approve(self.by.operator, request_id, note))
        self.go(self.back, "approved")


class DeclinePage(Decision):
    does = "refund declined"

    async def act(self, *path: str) -> None:
        request_id, note = int(path[0]), self.field("note", MOST)
        decline = self.services.approvals.decline
        await self.witnessed(self.doing(path[0], note), lambda: decline(self.by.operator, request_id, note))
        self.go(self.back, "declined")
