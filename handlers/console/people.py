"""For everybody: their password. For admins: the operators. For approvers too: the audit log."""

from __future__ import annotations

from handlers.console.base import Page
from services.console.audit import PAGE
from services.console.operators import ROLES, Credentials


class Showing(Page):
    """Something that is shown once."""

    fresh = True

    def show_once(self, credentials: Credentials) -> None:
        """On the answer itself: a redirect would have to keep the password somewhere."""
        self.show_page("credentials.html", credentials=credentials)


class PasswordPage(Showing):
    """One's own, drawn anew. Every other session of this operator ends."""

    does = "password"

    @property
    def back(self) -> str:
        return "/ops/account"

    async def act(self, *_: str) -> None:
        self.show_once(await self.witnessed(self.doing(self.by.operator), self._renew))

    async def _renew(self) -> Credentials:
        made = await self.services.operators.renew(self.by.operator)
        await self.services.signin.end_others(self.kept("ops"))
        return made


class Admin(Showing):
    needs = "admin"

    @property
    def back(self) -> str:
        return "/ops/operators"


class OperatorsPage(Admin):
    does = "operator add"

    async def show(self, *_: str) -> None:
        self.show_page("operators.html", accounts=await self.services.operators.list(), roles=ROLES)

    async def act(self, *_: str) -> None:
        name, role = self.field("name", 20), self.field("role", 20)
        add = self.services.operators.add
        self.show_once(await self.witnessed(self.doing(name, role), lambda: add(name, role)))


class OperatorPage(Admin):
    async def show(self, *path: str) -> None:
        self.show_page("operator.html", account=await self.services.operators.one(path[0]), roles=ROLES)


class ResetPage(Admin):
    does = "operator reset"

    async def act(self, *path: str) -> None:
        reset = self.services.operators.reset
        self.show_once(await self.witnessed(self.doing(path[0]), lambda: reset(path[0])))


class DisablePage(Admin):
    does = "operator disable"

    async def act(self, *path: str) -> None:
        disable = self.services.operators.disable
        await self.witnessed(self.doing(path[0]), lambda: disable(path[0], self.by.operator))
        self.go(f"{self.back}/{path[0]}", "disabled")


class EnablePage(Admin):
    does = "operator enable"

    async def act(self, *path: str) -> None:
        disable = self.services.operators.disable
        await self.witnessed(self.doing(path[0]), lambda: disable(path[0], self.by.operator, disabled=False))
        self.go(f"{self.back}/{path[0]}", "enabled")


class RolePage(Admin):
    does = "operator role"

    async def act(self, *path: str) -> None:
        role, promote = self.field("role", 20), self.services.operators.promote
        await self.witnessed(self.doing(path[0], role), lambda: promote(path[0], role, self.by.operator))
        self.go(f"{self.back}/{path[0]}", "promoted")


class AuditPage(Page):
    needs = "approver"

    async def show(self, *_: str) -> None:
        lines = await self.services.audit.page(self.before())
        walk = await self.services.chain.look()
        self.show_page("audit.html", lines=lines, more=len(lines) == PAGE, walk=walk)
