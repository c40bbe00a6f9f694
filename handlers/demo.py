"""The demo page's own doors, in simulator mode alone: the API of one payment, a refund without the merchant's key.

They spare the page what a merchant has, two configurations and a key, and go the same way inside.
"""

from __future__ import annotations

from adapters.base import Adapters, PaymentAdapter
from handlers import orders
from handlers.base import Api
from services.errors import Invalid
from services.refunds import Wanted

SCHEME = "X-Demo-Scheme"


class PayHandler(orders.PayHandler):
    """In the place of the other one. The header names a scheme; without it, the configured one."""

    def initialize(self, schemes: Adapters) -> None:  # type: ignore[override]  # the route's arguments
        super().initialize()
        self._schemes = schemes

    def composer(self) -> PaymentAdapter | None:
        name = self.request.headers.get(SCHEME)
        if name is not None and name not in self._schemes:
            raise Invalid("invalid_field", field=SCHEME, reason="unknown")
        return self._schemes[name] if name else None


class RefundsHandler(Api):
    """The whole of a paid order back to its buyer, who asks for it as the merchant would."""

    async def post(self, order_no: str) -> None:
        person = await self.person()
        self.no_body()
        self.limit("pay", person.openid)
        order = await self.services.orders.read(person, order_no)
        wanted = Wanted(order_no, order["amount_fen"], "Demo", None, "demo")
        refund, new = await self.services.refunds.request(wanted)
        self.reply(refund, 201 if new else 200)
