"""GET /api/products: the catalogue, for everybody."""

from handlers.base import Api


class ProductsHandler(Api):
    async def get(self) -> None:
        self.reply({"products": await self.services.catalogue.products()})
