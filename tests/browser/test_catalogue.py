"""The demo catalogue: every picture is there, small, harmless, and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

from playwright.sync_api import expect

from tests.browser.conftest import OpenShop
from tests.conftest import Start

CATALOGUE = Path(__file__).parents[2] / "catalogue"
PRODUCTS = json.loads((CATALOGUE / "products.json").read_text("utf-8"))
DRAWN = {"svg", "g", "rect", "circle", "ellipse", "path"}


def test_a_dozen_products_in_two_languages() -> None:
    assert len(PRODUCTS) == 12
    for product in PRODUCTS:
        assert re.search("[\u4e00-\u9fff]", product["title"] + product["description"]), product["id"]
        assert not re.search("[\u4e00-\u9fff]", product["title_en"] + product["description_en"]), product["id"]


def test_pictures_are_small_drawings_and_nothing_else() -> None:
    files = sorted(path.name for path in (CATALOGUE / "pictures").iterdir())
    assert files == sorted(product["picture"] for product in PRODUCTS)
    for name in files:
        text = (CATALOGUE / "pictures" / name).read_bytes()
        assert len(text) < 4096, name
        elements = list(ElementTree.fromstring(text).iter())
        assert {element.tag.rpartition("}")[2] for element in elements} <= DRAWN, name
        attributes = {key for element in elements for key in element.attrib}
        assert not [key for key in attributes if "href" in key or key.startswith("on")], name


def test_every_picture_is_shown(start_server: Start, open_shop: OpenShop) -> None:
    shop = open_shop(start_server())
    expect(shop.page.locator(".product img")).to_have_count(len(PRODUCTS))
    for product in PRODUCTS:
        picture = shop.at(f"product-{product['id']}").locator("img")
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth > 0 }"), product["id"]
