"""The demo page as a person uses it: looks, taps, types. Keeps a record of what a page must not do."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, Response, expect

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ShopPage:
    def __init__(
        self,
        browser: Browser,
        url: str,
        address: str = "/",
        locale: str = "en-US",
        width: int = 390,
        height: int = 844,
        dark: bool = False,
    ) -> None:
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, color_scheme="dark" if dark else "light"
        )
        self.page = self._context.new_page()
        self.loaded_bytes = 0
        self.expected: list[str] = []
        self._console: list[str] = []
        self._foreign: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._console.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.answer = self.page.goto(url + address)
        expect(self.page.locator("#nav h1")).to_be_visible()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._console.append(f"{message.text} {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).scheme != "data" and urlsplit(request.url).hostname not in LOOPBACK:
            self._foreign.append(request.url)

    def _answered(self, response: Response) -> None:
        self.loaded_bytes += int(response.headers.get("content-length", 0))

    def complaints(self) -> list[str]:
        unexpected = [line for line in self._console if not any(re.search(known, line) for known in self.expected)]
        return unexpected + [f"asked a foreign host: {url}" for url in self._foreign]

    def close(self) -> None:
        self._context.close()

    # --- looking -------------------------------------------------------------------------------------------------

    def at(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def is_status(self, status: str) -> None:
        expect(self.at("order-status")).to_have_attribute("data-status", status)

    def is_step(self, name: str, state: str) -> None:
        expect(self.at(f"step-{name}")).to_have_attribute("data-state", state)

    @property
    def order_no(self) -> str:
        return str(self.evaluate("location.hash.split('/').pop()"))

    # --- doing ---------------------------------------------------------------------------------------------------

    def order(self, *products: str) -> str:
        """Puts the products into the basket and checks out; the order number."""
        for product in products:
            self.at(f"add-{product}").click()
        self.at("checkout").click()
        self.is_status("pending")
        return self.order_no

    def open_cashier(self) -> None:
        self.at("pay").click()
        expect(self.at("cashier")).to_be_visible()

    def type_password(self) -> None:
        for digit in "135790":
            self.at(f"key-{digit}").click()

    def pay(self) -> None:
        self.open_cashier()
        self.type_password()
        self.is_status("paid")
