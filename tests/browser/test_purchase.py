"""A whole purchase through the page, for every API generation, in both languages; and how else it can go."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenShop
from tests.conftest import Start
from tests.databases import Tables
from tests.harness import V2_HMAC, V2_MD5, V3, Api, Server, Simulator

PURCHASES = [(V3, "en-US"), (V3, "zh-CN"), (V2_MD5, "zh-CN"), (V2_HMAC, "en-US")]
SCHEMES = {V3: "RSA", V2_MD5: "MD5", V2_HMAC: "HMAC-SHA256"}
PAID = {"en-US": "Paid", "zh-CN": "支付成功"}


@pytest.fixture
def v3_server(start_server: Start) -> Server:
    return start_server(**V3.environ)


@pytest.mark.parametrize(("api", "locale"), PURCHASES, ids=lambda value: getattr(value, "name", value))
def test_buys_and_sees_it_paid(
    start_server: Start, simulator: Simulator, tables: Tables, open_shop: OpenShop, api: Api, locale: str
) -> None:
    shop = open_shop(start_server(**api.environ), locale=locale, width=1440, height=900)
    expect(shop.at(f"scheme-{SCHEMES[api]}")).to_be_checked()
    expect(shop.at("basket-total")).to_have_count(0)
    order_no = shop.order("latte", "latte", "egg-tart")
    shop.open_cashier()
    expect(shop.at("cashier-amount")).to_have_text("¥65.00")
    shop.type_password()
    shop.is_status("paid")
    expect(shop.at("order-status")).to_contain_text(PAID[locale])

    number, adapter, scheme = tables.rows(
        "SELECT t.out_trade_no, t.adapter, t.scheme FROM transactions t JOIN orders o ON o.id = t.order_id "
        f"WHERE o.order_no = '{order_no}'"
    )[0]
    assert (adapter, scheme) == (api.adapter, SCHEMES[api])
    payments = [p for p in simulator.get("ledger")["payments"] if p["out_trade_no"] == number]
    assert [payment["amount_fen"] for payment in payments] == [6500]


def test_the_notification_alone_moves_the_order(v3_server: Server, tables: Tables, open_shop: OpenShop) -> None:
    """It is taken while the sheet still shows its tick, and nobody has asked anybody."""
    shop = open_shop(v3_server, width=1440, height=900)
    shop.order("mug")
    shop.open_cashier()
    tables.change("UPDATE transactions SET ask_at = ask_at + 3600")  # the server's own question is for another test
    shop.type_password()
    expect(shop.message("x_notify")).to_have_class(re.compile("good"))
    shop.is_status("paid")
    expect(shop.message("x_query")).to_have_count(0)


def test_a_lost_notification_is_no_loss(
    v3_server: Server, simulator: Simulator, tables: Tables, open_shop: OpenShop
) -> None:
    simulator.put("faults", [{"op": "notify*", "fault": "drop"}])
    shop = open_shop(v3_server, width=1440, height=900)
    shop.order("mug")
    shop.open_cashier()
    tables.change("UPDATE transactions SET ask_at = ask_at + 3600")  # the page asks, before the server does by itself
    shop.type_password()
    shop.is_status("paid")
    expect(shop.message("x_notify")).to_contain_text("Lost on the way")


def test_what_only_the_phone_says_is_not_believed(v3_server: Server, simulator: Simulator, open_shop: OpenShop) -> None:
    """No notification, and no answer to a query: the phone knows of a payment, the server does not yet."""
    faults = [{"op": "notify*", "fault": "drop"}, {"op": "v3.query", "fault": "system_error"}]
    simulator.put("faults", faults)
    shop = open_shop(v3_server)
    shop.expected.append("503")
    shop.order("mug")
    shop.open_cashier()
    shop.type_password()
    expect(shop.at("notice")).to_contain_text("not known yet", timeout=40_000)
    shop.is_status("pending")
    simulator.clear_faults()
    shop.at("ask").click()
    shop.is_status("paid")
    expect(shop.at("notice")).to_have_count(0)


def test_what_did_not_come_can_be_asked_for_again(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    expect(shop.at("product-latte")).to_be_visible()
    assert v3_server.process.stop() == 0
    shop.expected.append("ERR_CONNECTION_REFUSED")
    shop.at("my-orders").click()
    expect(shop.at("notice")).to_contain_text("No answer from the shop")
    v3_server.start()
    shop.at("retry").click()
    expect(shop.page.locator(".nothing")).to_contain_text("No orders yet")
    expect(shop.at("notice")).to_have_count(0)


def test_cancels_then_pays(v3_server: Server, tables: Tables, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    order_no = shop.order("croissant")
    shop.open_cashier()
    shop.at("key-1").click()
    shop.at("cashier-close").click()
    expect(shop.at("notice")).to_have_text("Payment cancelled. The order can still be paid.")
    shop.is_status("pending")
    shop.pay()
    expect(shop.at("notice")).to_have_count(0)
    attempts = f"SELECT COUNT(*) FROM transactions t JOIN orders o ON o.id = t.order_id WHERE o.order_no = '{order_no}'"
    assert tables.one(attempts) == 1, "the same prepay_id is used again"


def test_a_declined_card_says_why_and_another_one_pays(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    shop.order("beans")
    shop.open_cashier()
    shop.at("method").click()
    shop.type_password()
    expect(shop.at("cashier")).to_contain_text("支付失败，请更换支付方式")
    shop.at("cashier-done").click()
    expect(shop.at("notice")).to_have_text("Not paid: 支付失败，请更换支付方式")
    shop.is_status("pending")
    shop.pay()


def test_an_erased_digit_pays_nothing(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    shop.order("cookie")
    shop.open_cashier()
    for key in ("1", "2", "3", "4", "5", "erase", "erase"):
        shop.at(f"key-{key}").click()
    expect(shop.page.locator(".boxes .full")).to_have_count(3)
    shop.at("cashier-close").click()
    shop.is_status("pending")


def test_cancels_the_order(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    shop.order("mug")
    shop.at("cancel").click()
    shop.is_status("pending")
    shop.at("cancel").click()
    shop.is_status("closed")
    expect(shop.at("pay")).to_have_count(0)


def test_an_order_that_wechat_knows_is_closed_later(start_server: Start, open_shop: OpenShop) -> None:
    """v2 takes no close in the first five minutes: the page says so, and offers no payment meanwhile."""
    shop = open_shop(start_server(**V2_MD5.environ))
    shop.order("mug")
    shop.open_cashier()
    shop.at("cashier-close").click()
    expect(shop.at("notice")).to_be_visible()
    shop.at("cancel").click()
    shop.at("cancel").click()
    expect(shop.at("order-status")).to_contain_text("Being closed")
    expect(shop.at("pay")).to_have_count(0)


def test_my_orders(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    shop.at("my-orders").click()
    expect(shop.page.locator(".nothing")).to_contain_text("No orders yet")
    shop.at("to-shop").click()
    first = shop.order("latte", "mug")
    shop.pay()
    shop.at("to-shop").click()
    second = shop.order("oolong")
    shop.at("back").click()
    expect(shop.at(f"order-{first}")).to_contain_text("Caffè latte and 1 more")
    expect(shop.at(f"order-{first}")).to_have_attribute("data-status", "paid")
    expect(shop.at(f"order-{second}")).to_have_attribute("data-status", "pending")
    shop.at(f"order-{second}").click()
    shop.pay()


def test_the_basket_counts(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    for name in ("add-latte", "add-latte", "add-cookie", "remove-latte"):
        shop.at(name).click()
    expect(shop.at("basket-total")).to_have_text("¥36.00")
    shop.at("remove-latte").click()
    shop.at("remove-cookie").click()
    expect(shop.at("checkout")).to_be_disabled()


def test_an_order_survives_a_reload(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    order_no = shop.order("latte")
    shop.page.reload()
    shop.is_status("pending")
    assert shop.order_no == order_no
    shop.pay()


def test_a_payment_that_was_interrupted_is_offered_and_finished(v3_server: Server, open_shop: OpenShop) -> None:
    """The page is gone while the sheet is open, and again when the money has moved and nobody has told the shop."""
    shop = open_shop(v3_server)
    order_no = shop.order("latte", "mug")
    shop.open_cashier()
    shop.open("/")
    offer = shop.at("resume-offer")
    expect(offer).to_contain_text("Caffè latte and 1 more")
    expect(offer).to_contain_text("Pay within")
    shop.at("resume").click()
    expect(shop.at("cashier")).to_be_visible()
    assert shop.order_no == order_no
    shop.at("cashier-close").click()
    expect(shop.at("notice")).to_be_visible()
    shop.at("back").click()
    expect(offer).to_be_visible()  # and among the orders, too
    shop.expected.append("ERR_FAILED")
    shop.page.route("**/sync", lambda route: route.abort())
    shop.page.route(
        "**/_sim/pay", lambda route: (route.fetch(), route.abort())
    )  # done, and the phone never hears of it
    shop.at("resume").click()
    expect(shop.at("cashier")).to_be_visible()
    shop.type_password()
    expect(shop.at("cashier-done")).to_be_visible()
    shop.page.unroute_all()
    shop.open("/")
    expect(shop.at("notice")).to_have_text("Your payment of ¥77.00 went through.")
    expect(offer).to_have_count(0)
    shop.page.reload()
    expect(shop.at("product-latte")).to_be_visible()
    expect(shop.at("notice")).to_have_count(0)  # it is told once


def test_somebody_elses_order_is_refused_in_words(v3_server: Server, open_shop: OpenShop) -> None:
    order_no = open_shop(v3_server).order("latte")
    other = open_shop(v3_server, address=f"/#/orders/{order_no}")
    other.expected.append("404")
    expect(other.at("notice")).to_have_text("You have no such order")
    expect(other.at("order-status")).to_have_count(0)


def test_a_server_that_does_not_answer_is_said_in_words(v3_server: Server, open_shop: OpenShop) -> None:
    shop = open_shop(v3_server)
    order_no = shop.order("latte")
    assert v3_server.process.stop() == 0
    shop.expected.append("ERR_CONNECTION_REFUSED")
    shop.at("pay").click()
    expect(shop.at("notice")).to_have_text(re.compile("No answer from the shop"))
    v3_server.start()
    shop.pay()
    assert shop.order_no == order_no
