"""The buyer's orders: make, read, pay, sync, close. Every one of them is the token's user's own, or does not exist."""

from __future__ import annotations

import re

from adapters.base import PaymentAdapter
from handlers.base import Api
from handlers.shapes import OrderBody
from services.errors import Invalid
from services.placing import Line

KEY = re.compile(r"[\x21-\x7e]{1,64}")


class OrdersHandler(Api):
    async def get(self) -> None:
        person = await self.person()
        self.limit("read", person.openid)
        self.reply({"orders": await self.services.orders.latest(person)})

    async def post(self) -> None:
        person = await self.person()
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not KEY.fullmatch(key):
            raise Invalid("invalid_field", field="Idempotency-Key", reason="key")
        self.limit("order", person.openid)
        lines = [Line(item.product_id, item.quantity) for item in self.json(OrderBody).items]
        order, new = await self.services.orders.create(person, lines, key)
        self.reply(order, 201 if new else 200)


class OrderHandler(Api):
    async def get(self, order_no: str) -> None:
        person = await self.person()
        self.limit("read", person.openid)
        self.reply(await self.services.orders.read(person, order_no))


class PayHandler(Api):
    async def post(self, order_no: str) -> None:
        person = await self.person()
        self.no_body()
        self.limit("pay", person.openid)
        self.reply(await self.services.checkout.pay(person, order_no, self.address(), self.composer()))

    def composer(self) -> PaymentAdapter | None:
        """Which API makes a new attempt: the configured one."""
        return None


class SyncHandler(Api):
    async def post(self, order_no: str) -> None:
        person = await self.person()
        self.no_body()
        self.limit("sync", person.openid)
        self.reply(await self.services.asking.sync(person, order_no))


class CloseHandler(Api):
    async def post(self, order_no: str) -> None:
        person = await self.person()
        self.no_body()
        self.limit("pay", person.openid)
        self.reply(await self.services.closing.close(person, order_no))
