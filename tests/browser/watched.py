"""A page in a browser of its own, and a record of what no page may do: complain, or ask a foreign host."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Request, Response

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class WatchedPage:
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
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, color_scheme="dark" if dark else "light"
        )
        self.url = url
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

    def complaints(self) -> list[str]:
        unexpected = [line for line in self._console if not any(re.search(known, line) for known in self.expected)]
        return unexpected + [f"asked a foreign host: {url}" for url in self._foreign]

    def close(self) -> None:
        self._context.close()
