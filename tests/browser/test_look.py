"""How the page stands: on any width, by keyboard, for screen readers, in both languages, under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenShop
from tests.browser.shop_page import ShopPage
from tests.harness import V3, Server, Simulator

STATIC = Path(__file__).parents[2] / "handlers" / "static"
NAMELESS = """
() => [...document.querySelectorAll('button, a, [role=img], [role=dialog], img')].filter(element => {
  const labelled = element.getAttribute('aria-labelledby')
  const label = labelled ? document.getElementById(labelled).textContent : element.getAttribute('aria-label')
  return !(label || element.textContent.trim() || element.hasAttribute('alt'))
}).map(element => element.outerHTML)
"""


@pytest.fixture(scope="module")
def server(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: these tests look at the page, not at what it leaves behind."""
    folder = tmp_path_factory.mktemp("look")
    server = Server(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}", **V3.environ).start()
    yield server
    server.close()
    assert server.surprises() == []


def views(shop: ShopPage) -> Iterator[str]:
    """Walks through every view; yields its name when it is on the screen."""
    shop.at("add-latte").click()
    yield "home"
    shop.at("checkout").click()
    shop.is_status("pending")
    yield "order"
    shop.open_cashier()
    yield "cashier"
    shop.at("cashier-close").click()
    expect(shop.at("notice")).to_be_visible()
    yield "cancelled"
    shop.pay()
    yield "paid"
    shop.at("back").click()
    expect(shop.page.locator(".order-card")).to_be_visible()
    yield "orders"


@pytest.mark.parametrize(("locale", "paid"), [("en-US", "Paid."), ("zh-CN", "支付成功。")])
def test_every_view_stands_well(server: Server, open_shop: OpenShop, locale: str, paid: str) -> None:
    """On every width, in light and dark, for every reader; in the end with a message opened."""
    shop = open_shop(server, width=1280, height=900, locale=locale)
    for view in views(shop):
        shop.stands_well()
        assert shop.evaluate(NAMELESS) == [], view
    expect(shop.page.locator("#live")).to_have_text(paid)
    for name in ("x_notify", "a_paysign"):
        shop.message(name).locator(".row").click()
    shop.stands_well()
    shop.at("back").click()
    expect(shop.at("resume-offer")).to_have_count(0)
    shop.stands_well()


def test_on_a_phones_screen_there_is_the_shop_or_the_wire(server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(server, width=360, height=740)
    panel = shop.page.locator("#panel")
    expect(panel).to_be_hidden()
    assert shop.evaluate("document.querySelector('.glass').getBoundingClientRect().width") == 360
    shop.at("face-wire").click()
    expect(panel).to_be_visible()
    shop.message("a_token").locator(".row").click()
    expect(shop.at("detail")).to_be_visible()
    shop.stands_well()


def test_a_purchase_by_keyboard_alone(server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(server)
    keyboard = shop.page.keyboard
    expect(shop.at("add-latte")).to_be_visible()

    def tab_to(name: str) -> None:
        for _ in range(60):
            keyboard.press("Tab")
            if shop.evaluate("document.activeElement.dataset.testid") == name:
                return
        pytest.fail(f"Tab never reaches {name}")

    tab_to("add-latte")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert shop.evaluate(outline) == "solid"
    keyboard.press("Enter")
    assert shop.evaluate("document.activeElement.dataset.testid") == "add-latte", "the focus stays on the stepper"
    tab_to("checkout")
    keyboard.press("Enter")
    shop.is_status("pending")
    tab_to("pay")
    keyboard.press("Enter")
    expect(shop.at("cashier")).to_be_visible()
    keyboard.press("Escape")
    expect(shop.at("cashier")).to_have_count(0)
    expect(shop.at("notice")).to_be_visible()
    expect(shop.at("pay")).to_be_focused()
    keyboard.press("Enter")
    expect(shop.at("cashier")).to_be_visible()
    keyboard.type("246802")
    shop.is_status("paid")


def test_the_focus_stays_in_the_cashier(server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(server)
    shop.order("latte")
    shop.open_cashier()
    for key in ["Tab"] * 20 + ["Shift+Tab"] * 20:
        shop.page.keyboard.press(key)
        assert shop.evaluate("Boolean(document.activeElement.closest('[role=dialog]'))"), key
    assert shop.evaluate("['nav', 'screen', 'dock'].every(id => document.getElementById(id).inert)")
    assert not shop.evaluate("document.getElementById('panel').inert"), "the wire can be read meanwhile"
    shop.at("cashier-close").click()
    expect(shop.at("notice")).to_be_visible()
    assert not shop.evaluate("document.getElementById('screen').inert")


def test_the_language_follows_the_browser_the_address_and_the_switch(server: Server, open_shop: OpenShop) -> None:
    assert open_shop(server, locale="zh-CN").page.title().startswith("茶与豆")
    assert open_shop(server, locale="de-DE").page.title().startswith("Tea & Bean")
    shop = open_shop(server, locale="zh-CN", address="/?lang=en")
    expect(shop.at("product-latte")).to_contain_text("Caffè latte")
    shop.at("add-latte").click()
    shop.at("lang-switch").click()
    expect(shop.at("product-latte")).to_contain_text("拿铁咖啡")
    expect(shop.at("basket-total")).to_have_text("¥28.00")
    assert shop.evaluate("[document.documentElement.lang, location.search]") == ["zh", "?lang=zh"]
    shop.page.reload()
    expect(shop.at("product-latte")).to_contain_text("拿铁咖啡")


def test_a_language_nobody_speaks_does_no_harm(server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(server, address="/?lang=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    expect(shop.at("product-latte")).to_contain_text("Caffè latte")


def test_both_languages_have_every_text() -> None:
    texts = [(STATIC / f"{name}.js").read_text("utf-8") for name in ("en", "zh")]
    english, chinese = (re.findall(r"^  (\w+): (.*)", text, flags=re.MULTILINE) for text in texts)
    assert [name for name, _ in english] == [name for name, _ in chinese]
    assert len(english) > 150
    for (name, one), (_, other) in zip(english, chinese, strict=True):
        filled = [sorted(re.findall(r"\{\w+\}", text)) for text in (one, other)]
        assert filled[0] == filled[1] or name == "and_more"  # 'and 1 more' is 'two in all'


def test_little_is_loaded_under_a_strict_policy(server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(server)
    expect(shop.at("product-mug").locator("img")).to_be_visible()
    expect(shop.message("a_token")).to_be_attached()
    assert 50_000 < shop.loaded_bytes < 140_000
    assert shop.answer is not None
    policy = shop.answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    inline = "document.querySelectorAll('script:not([src]), style, [style], [onclick]').length"
    assert shop.evaluate(inline) == 0


def test_less_motion_for_those_who_want_less(server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(server)
    shop.order("latte")
    shop.open_cashier()
    lasts = []
    for motion in ("no-preference", "reduce"):
        shop.page.emulate_media(reduced_motion=motion)
        lasts.append(shop.evaluate("parseFloat(getComputedStyle(document.querySelector('.sheet')).animationDuration)"))
    assert lasts[0] > 0.1 > 0.001 > lasts[1]
    shop.at("cashier-close").click()
