"""Every address of this server, in one list to be read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tornado.web
from tornado.httputil import HTTPServerRequest

from adapters.base import Adapters
from handlers import demo as demos
from handlers import login, merchant, notify, ops, orders, pages, products
from handlers.base import NotFoundHandler
from handlers.console.routes import CONSOLE
from handlers.limits import Limits, Network
from handlers.observe import log_request
from services.bundle import Services

HERE = Path(__file__).parent
ORDER = r"/api/orders/([0-9A-Z]{8,32})"
ALWAYS: list[Any] = [  # for whoever watches the process
    (r"/healthz", ops.HealthHandler),
    (r"/readyz", ops.ReadyHandler),
    (r"/healthz/money", ops.MoneyHandler),
    (r"/metrics", ops.MetricsHandler),
]
OPS: list[Any] = [(r"/openapi.json", ops.OpenApiHandler)]
MERCHANT_ORDER = r"/merchant/orders/([0-9A-Z]{8,32})"
MERCHANT_REFUND = MERCHANT_ORDER + r"/refunds/([0-9A-Za-z_-]{1,64})"


@dataclass(frozen=True, slots=True)
class Demo:
    """Present in simulator mode alone: what the demo page needs to know."""

    simulator_url: str
    scheme: str  # of new payments by the configuration: a name in ``schemes``
    schemes: Adapters  # what may make a payment there
    miniprogram: Path


class Doors(tornado.web.Application):
    """Looks for a notification's address first: no other request comes as often, or is to cost as little."""

    def find_handler(self, request: HTTPServerRequest, **more: Any) -> Any:
        if adapter := self.settings["notices"].get(request.path):
            return notify.Notice(self.settings["services"], adapter, request)
        return super().find_handler(request, **more)


def make_app(
    services: Services,
    *,
    public_url: str,
    pictures: Path,
    version: str,
    merchant_api_key: str,
    demo: Demo | None,
    limits: Limits,
    trusted_proxies: tuple[Network, ...] = (),
    plays: Callable[[str], bool] = lambda _: True,
) -> tornado.web.Application:
    """The application: no socket is opened, no file is read. ``plays`` says which roles this process has.

    Routes are tried one by one, so what is asked for most stands first.
    """
    routes: list[Any] = []
    if plays("api"):
        routes += (_demo_routes(demo) if demo else []) + _api_routes(pictures, merchant_api_key)
    routes += ALWAYS
    if plays("ops"):
        routes += OPS + CONSOLE
    return Doors(
        routes,
        notices=_notices(services) if plays("notify") else {},
        services=services,
        public_url=public_url,
        version=version,
        limits=limits,
        trusted_proxies=trusted_proxies,
        default_handler_class=NotFoundHandler,
        template_path=str(HERE / "templates"),
        log_function=log_request,
        debug=False,
        serve_traceback=False,
    )


def _api_routes(pictures: Path, merchant_api_key: str) -> list[Any]:
    key = {"key": merchant_api_key}
    return [
        # mini-program
        (r"/api/orders", orders.OrdersHandler),
        (ORDER, orders.OrderHandler),
        (ORDER + "/pay", orders.PayHandler),
        (r"/api/login", login.LoginHandler),
        (r"/api/products", products.ProductsHandler),
        (ORDER + "/sync", orders.SyncHandler),
        (ORDER + "/close", orders.CloseHandler),
        (r"/pictures/([a-z0-9-]+\.(?:svg|png|jpg|webp))", pages.Pictures, {"path": str(pictures)}),
        # the merchant's own systems, server to server
        (MERCHANT_ORDER + "/refunds", merchant.RefundsHandler, key),
        (MERCHANT_REFUND, merchant.RefundHandler, key),
        (MERCHANT_REFUND + "/resolve", merchant.ResolveHandler, key),
        (MERCHANT_ORDER + "/shipment", merchant.ShipmentHandler, key),
    ]


def _notices(services: Services) -> dict[str, str]:
    """Addresses of notifications, and whose they are: live for every configured generation, whatever is the default for
    new payments."""
    return {f"/notify/{name}/{kind}": name for name in services.adapters for kind in ("payment", "refund")}


def _demo_routes(demo: Demo) -> list[Any]:
    """Before all others: its door for paying takes the other one's place."""
    shop = {"simulator_url": demo.simulator_url, "scheme": demo.scheme}
    return [
        (ORDER + "/pay", demos.PayHandler, {"schemes": demo.schemes}),
        (ORDER.replace("/api", "/demo") + "/refunds", demos.RefundsHandler),
        (r"/", pages.ShopHandler, shop),
        (r"/static/([a-z0-9-]+\.(?:js|css|svg))", pages.Pictures, {"path": str(HERE / "static")}),
        (r"/miniprogram/(pay\.js)", pages.Pictures, {"path": str(demo.miniprogram)}),
    ]
