"""Takes the pictures of ``docs/images`` from the running program: ``make screenshots``.

Starts the real simulator and the real server on a database of its own, and uses the pages as the browser tests do. One
more picture is one more line of ``PICTURES``: its name, what is done before it is taken, and how it is looked at.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a file, Python looks for modules in tools/ alone

from tests.browser.console_page import ConsolePage  # noqa: E402
from tests.browser.shop_page import ShopPage  # noqa: E402
from tests.browser.watched import WatchedPage  # noqa: E402
from tests.console.people import Person  # noqa: E402
from tests.databases import Tables  # noqa: E402
from tests.harness import V3, Server, Simulator  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST = 250_000  # bytes
WIDE = {"width": 1280, "height": 880}
STILL = 700  # ms until nothing moves any more

Look = dict[str, Any]
Scene = Callable[[Browser, Server, Look], WatchedPage]  # opens a page and leads it to what is to be seen


def demo(act: Callable[[ShopPage], None]) -> Scene:
    """The demo page, after this was done there."""

    def scene(browser: Browser, server: Server, look: Look) -> ShopPage:
        shop = ShopPage(browser, server.url, **look)
        expect(shop.at("product-latte")).to_be_visible()
        act(shop)
        return shop

    return scene


def console(name: str, address: str) -> Scene:
    """The operations console, as this admin sees it who was made in the terminal; ``{order}``: the last one paid."""

    def scene(browser: Browser, server: Server, look: Look) -> ConsolePage:
        page = ConsolePage(browser, Person.first(server, name), **look)
        order = Tables(server.database_url).one("SELECT order_no FROM orders WHERE state = 'PAID' ORDER BY id DESC")
        page.open(address.format(order=order))
        return page

    return scene


def cashier(shop: ShopPage) -> None:
    shop.order("latte", "latte", "croissant")
    shop.open_cashier()
    for digit in "135":
        shop.at(f"key-{digit}").click()


def paid(shop: ShopPage) -> None:
    shop.order("latte", "latte", "croissant")
    shop.pay()


def forged(shop: ShopPage) -> None:
    """Played to its end, and the notification opened."""
    shop.at("play-forged").click()
    expect(shop.page.locator(".note.good")).to_be_visible(timeout=30_000)
    shop.message("x_notify").locator(".row").click()


PICTURES: list[tuple[str, Scene, Look]] = [
    ("cashier", demo(cashier), WIDE),
    ("paid", demo(paid), WIDE),
    ("paid-zh", demo(paid), WIDE | {"locale": "zh-CN"}),
    ("paid-dark", demo(paid), WIDE | {"dark": True}),
    ("forged", demo(forged), WIDE),
    ("console", console("alice", "/ops"), WIDE),
    ("console-order", console("bob", "/ops/orders/{order}"), WIDE),
    ("console-zh", console("li-na", "/ops"), WIDE | {"locale": "zh-CN"}),
]


def take(browser: Browser, server: Server, name: str, scene: Scene, look: Look) -> Path:
    shown = scene(browser, server, look)
    shown.page.evaluate("document.body.style.background = 'var(--page, var(--ground))'")  # a flat one makes small files
    shown.page.wait_for_timeout(STILL)
    path = IMAGES / f"{name}.png"
    shown.page.screenshot(path=path, animations="disabled")
    shown.close()
    return path


def main() -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("Chromium is not installed: apt-get install chromium fonts-noto-cjk\n")
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        simulator = Simulator(Path(folder))
        server = Server(Path(folder), simulator, f"sqlite:///{folder}/pay.db", **V3.environ).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        taken = [take(browser, server, *picture) for picture in PICTURES]
        browser.close()
        server.close()
        simulator.close()
    sizes = {path.name: path.stat().st_size for path in taken}
    sys.stdout.write("".join(f"{name}: {size} bytes\n" for name, size in sizes.items()))
    return int(max(sizes.values()) > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
