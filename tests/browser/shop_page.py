"""The demo page as a person uses it: looks, taps, types."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Locator, expect

from tests.browser.watched import WatchedPage


class ShopPage(WatchedPage):
    def __init__(self, browser: Browser, url: str, address: str = "/", **look: Any) -> None:
        super().__init__(browser, url, **look)
        self.open(address)
        expect(self.page.locator("#nav h1")).to_be_visible()

    # --- looking -------------------------------------------------------------------------------------------------

    def at(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def is_status(self, status: str) -> None:
        expect(self.at("order-status")).to_have_attribute("data-status", status)

    def message(self, name: str) -> Locator:
        """The newest message of this kind on the wire: see ``messages.js``."""
        return self.page.locator(f"li.message[data-name='{name}']").last

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
