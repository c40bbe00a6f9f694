"""Signing in and out."""

from __future__ import annotations

from handlers.console.base import Bare, Page
from services.console.audit import By
from services.errors import Refused, TooMany, TryLater, Unauthorized

HOME = "/ops"


class SignInPage(Bare):
    """A new session, and the end of the one that this browser had."""

    async def show(self, *_: str) -> None:
        self.show_page("sign_in.html", message="")

    async def act(self, *_: str) -> None:
        limits = self.application.settings["limits"]
        limits.take("login", f"ops {self.address()}")
        name, password, code = (self.get_body_argument(each, "") for each in ("name", "password", "code"))
        token = await self.services.signin.sign_in(name, password, code.replace(" ", ""), self.by)
        await self.services.signin.sign_out(self.kept("ops"), By(name, self.by.address, self.request_id))
        self.drop("xsrf")
        self.keep("ops", token)
        self.go(HOME)

    def refuse(self, error: Refused) -> None:
        """On the form itself, where it can be mended."""
        if isinstance(error, (Unauthorized, TooMany, TryLater)):
            self.refuse_on("sign_in.html", error)
        else:
            super().refuse(error)


class SignOutPage(Page):
    async def act(self, *_: str) -> None:
        everywhere = self.get_body_argument("everywhere", "") == "yes"
        await self.services.signin.sign_out(self.kept("ops"), self.by, everywhere=everywhere)
        self.drop("ops")
        self.go("/ops/sign-in", "everywhere" if everywhere else "signed_out")


class AccountPage(Page):
    """Who is signed in, and the way out."""

    async def show(self, *_: str) -> None:
        self.show_page("account.html")
