"""The demo page in a real, headless Chromium, over the real server and the real simulator.

Every page is watched: an error in the console, a refused policy or a request to any host but loopback fails the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.shop_page import ShopPage
from tests.conftest import lacking
from tests.harness import Server

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=90_000)  # ms: a busy machine is slow, and that is no fault of the page

OpenShop = Callable[..., ShopPage]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough here: what differs between them is not seen from a page."""
    return f"sqlite:///{tmp_path / 'pay.db'}"


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        lacking("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, "--no-first-run"])
        yield browser
        browser.close()


@pytest.fixture
def open_shop(chromium: Browser) -> Iterator[OpenShop]:
    """Opens the shop of a server: ``open_shop(server, locale="zh-CN", width=390, height=844, address="/")``."""
    opened: list[ShopPage] = []

    def open_(server: Server, address: str = "/", **look: object) -> ShopPage:
        page = ShopPage(chromium, server.url, address, **look)
        opened.append(page)
        return page

    yield open_
    complaints = [complaint for page in opened for complaint in page.complaints()]
    for page in opened:
        page.close()
    assert complaints == []
