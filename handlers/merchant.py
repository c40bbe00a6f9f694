"""The merchant's own systems, server to server, with one key: refunds, and what was shipped."""

from __future__ import annotations

import hmac

from adapters.delivery import Parcel
from handlers.base import Api
from handlers.shapes import RefundBody, ShipmentBody
from services.errors import Unauthorized
from services.refunds import Wanted
from services.shipments import Wanted as Reported


class MerchantApi(Api):
    def initialize(self, key: str) -> None:  # type: ignore[override]  # the route's arguments
        super().initialize()
        self._key = key

    def authorize(self) -> None:
        """Raises Unauthorized unless the request bears the merchant's key. Compared in constant time."""
        if not self._key:
            raise Unauthorized("merchant_api_closed")
        given = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._key.encode()):
            raise Unauthorized("merchant_key_wrong")


class RefundsHandler(MerchantApi):
    async def get(self, order_no: str) -> None:
        self.authorize()
        self.reply({"refunds": await self.services.refunds.list(order_no)})

    async def post(self, order_no: str) -> None:
        self.authorize()
        body = self.json(RefundBody)
        wanted = Wanted(order_no, body.amount_fen, body.reason, body.refund_no, "merchant")
        refund, new = await self.services.refunds.request(wanted)
        self.reply(refund, 201 if new else 200)


class RefundHandler(MerchantApi):
    async def get(self, order_no: str, refund_no: str) -> None:
        self.authorize()
        self.reply(await self.services.refunds.read(order_no, refund_no))


class ResolveHandler(MerchantApi):
    async def post(self, order_no: str, refund_no: str) -> None:
        self.authorize()
        self.no_body()
        self.reply(await self.services.refunds.resolve_abnormal(order_no, refund_no, "merchant"))


class ShipmentHandler(MerchantApi):
    async def get(self, order_no: str) -> None:
        self.authorize()
        self.reply(await self.services.shipping.read(order_no))

    async def post(self, order_no: str) -> None:
        self.authorize()
        body = self.json(ShipmentBody)
        parcels = tuple(Parcel(**parcel.model_dump()) for parcel in body.parcels)
        reported = Reported(order_no, body.logistics_type, parcels, body.all_delivered)
        shipment, new = await self.services.shipping.request(reported)
        self.reply(shipment, 201 if new else 200)
