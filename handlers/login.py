"""POST /api/login: the code of wx.login for an opaque token."""

from handlers.base import Api
from handlers.limits import EVERYBODY
from handlers.shapes import LoginBody


class LoginHandler(Api):
    async def post(self) -> None:
        code = self.json(LoginBody).code
        self.limit("login", self.address())
        self.limit("all logins", EVERYBODY)
        ticket = await self.services.login.login(code)
        self.reply({"token": ticket.token, "expires_in": ticket.expires_in})
