"""What a newcomer sees: the demo shop, in simulator mode only; and the product pictures, in any mode."""

from __future__ import annotations

from typing import Any

import tornado.web

from handlers.base import Door

PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # an SVG opened by itself runs nothing


class ShopHandler(Door):
    """The phone with the demo shop. It talks to ``/api`` as a mini-program would, and to the simulator as WeChat."""

    def initialize(self, simulator_url: str, scheme: str) -> None:  # type: ignore[override]  # the route's arguments
        super().initialize()
        self._simulator_url = simulator_url
        self._scheme = scheme

    def get(self) -> None:
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
            f"connect-src 'self' {self._simulator_url}; form-action 'none'; frame-ancestors 'none'"
        )
        self.set_header("Content-Security-Policy", policy)
        self.set_header("Referrer-Policy", "no-referrer")
        language = "zh" if self.request.headers.get("Accept-Language", "").lower().startswith("zh") else "en"
        self.render(
            "demo.html",
            simulator_url=self._simulator_url,
            scheme=self._scheme,
            lang=self.get_query_argument("lang", language),
            version=self.application.settings["version"],
        )


class Pictures(tornado.web.StaticFileHandler):
    """Files of the catalogue's ``pictures`` folder and of the demo page: nothing in them is executed as a page."""

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", PICTURE_POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")  # asked for again each time: an upgrade never mixes old and new
        self.clear_header("Server")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A client that asks for what is not there is no news, and its path may hold anything."""
        if not isinstance(value, tornado.web.HTTPError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_status(status_code)
        self.finish("")
