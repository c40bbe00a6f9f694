"""A page in a browser of its own, and a record of what no page may do: complain, or ask a foreign host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Request, Response

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
WIDTHS = (360, 768, 1280, 1920)
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"  # a new size, a new scheme
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SERIOUS = {"serious", "critical"}
CONTRAST, OVERFLOW = ((Path(__file__).parent / name).read_text("utf-8") for name in ("contrast.js", "overflow.js"))


class WatchedPage:
    """Less motion, so that nothing waits for the eye, and no test for the drawing of it."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        locale: str = "en-US",
        width: int = 390,
        height: int = 844,
        dark: bool = False,
    ) -> None:
        self._scheme = SCHEMES[dark]
        self._context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme=self._scheme,
            reduced_motion="reduce",
        )
        self.url = url
        self._context.set_default_timeout(90_000)  # ms, as in ``conftest``
        self.page = self._context.new_page()
        self.loaded_bytes = 0
        self.expected: list[str] = []
        self._console: list[str] = []
        self._foreign: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._console.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def open(self, address: str) -> None:
        self.answer = self.page.goto(self.url + address)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._console.append(f"{message.text} {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).scheme != "data" and urlsplit(request.url).hostname not in LOOPBACK:
            self._foreign.append(request.url)

    def _answered(self, response: Response) -> None:
        self.loaded_bytes += int(response.headers.get("content-length", 0))

    def stands_well(self) -> None:
        """What is shown now: not wider than any screen, not faint in light or dark, not hard to use for some."""
        size = self.page.viewport_size
        assert size
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": size["height"]})
            self.page.evaluate(DRAWN)
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width, (self.page.url, width)
            assert (self.page.url, width, self.page.evaluate(OVERFLOW)) == (self.page.url, width, [])
        self.page.set_viewport_size(size)
        self.page.evaluate(DRAWN)
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(DRAWN)
            assert (self.page.url, scheme, self.page.evaluate(CONTRAST)) == (self.page.url, scheme, [])
        self.page.emulate_media(color_scheme=self._scheme)
        found = Axe().run(self.page).response["violations"]
        serious = [f"{one['id']}: {one['help']} {one['nodes'][0]['html']}" for one in found if one["impact"] in SERIOUS]
        assert serious == [], self.page.url

    def complaints(self) -> list[str]:
        unexpected = [line for line in self._console if not any(re.search(known, line) for known in self.expected)]
        return unexpected + [f"asked a foreign host: {url}" for url in self._foreign]

    def close(self) -> None:
        self._context.close()
