"""The operations console in a browser, as its operators use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.watched import WatchedPage
from tests.console.people import Person

CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8")
SERIOUS = {"serious", "critical"}


class ConsolePage(WatchedPage):
    """``person``, who was not signed in before, signs in at once; their language is that of the browser."""

    def __init__(self, browser: Browser, person: Person, **look: Any) -> None:
        super().__init__(browser, person.server.url, **look)
        self.person = person
        self.open("/ops")
        self.faults()
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

    def faults(self) -> None:
        """What the page that is open must not have: wider than the screen, faint, hard to use for some."""
        assert self.loaded_bytes < 150_000, self.page.url
        size = self.page.viewport_size
        assert size
        assert self.page.evaluate("document.documentElement.scrollWidth") <= size["width"], self.page.url
        assert self.page.evaluate(CONTRAST) == [], self.page.url
        found = Axe().run(self.page).response["violations"]
        serious = [
            f"{each['id']}: {each['help']} {each['nodes'][0]['html']}" for each in found if each["impact"] in SERIOUS
        ]
        assert serious == [], self.page.url
