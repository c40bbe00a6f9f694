"""The operations console in a browser, as its operators use it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, expect

from tests.browser.watched import WatchedPage
from tests.console.people import Person


class ConsolePage(WatchedPage):
    """``person``, who was not signed in before, signs in at once; their language is that of the browser."""

    def __init__(self, browser: Browser, person: Person, **look: Any) -> None:
        super().__init__(browser, person.server.url, **look)
        self.person = person
        self.open("/ops")
        self.is_fine()
        self.fill(name=person.name, password=person.password, code=person.code())
        self.press("Sign in", "登录")
        expect(self.page.locator(".who")).to_contain_text(person.name)

    def open(self, address: str) -> None:
        self.loaded_bytes = 0
        super().open(address)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.locator(f"[name={name}]").first.fill(value)

    def press(self, *words: str) -> None:
        """The button with these words, in whichever language it has them."""
        labels = [self.page.get_by_role("button", name=each, exact=True) for each in words]
        either = labels[0].or_(labels[1])
        expect(either.first).to_be_visible()
        either.first.click()

    def says(self, *words: str) -> None:
        expect(self.page.get_by_role("status")).to_have_text(
            words[self.page.locator("html").get_attribute("lang") == "zh-CN"]
        )

    def is_fine(self) -> None:
        """The page that is open, from its first byte."""
        assert self.loaded_bytes < 150_000, self.page.url
        self.stands_well()
