"""The wire view: every message of a payment, what lies beneath it, and what becomes of what can go wrong.

One server, one simulator and one browser for all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.shop_page import ShopPage
from tests.fleet import Fleet
from tests.harness import V3, Server, Simulator

WHOLE = [
    "x_wx_login", "p_login", "x_login", "a_token", "p_order", "a_order", "p_pay", "x_prepay", "a_paysign", "x_cashier",
    "a_sheet", "x_pay_ok", "x_notify", "a_acknowledged",
]  # fmt: skip


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, shared_simulator: Simulator) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("wire")
    shared_simulator.clear_faults()
    with Fleet(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        fleet.start(**V3.environ)
        fleet.expect_log("discrepancy kind=(MISMATCH|PAID_LATE)")
        yield fleet
        told = "SELECT provider_transaction_id FROM payments WHERE disposition = 'MISMATCH'"
        fleet.invented |= {row[0] for row in fleet.tables.rows(told)}


@pytest.fixture
def shop(fleet: Fleet, chromium: Browser) -> Iterator[ShopPage]:
    page = ShopPage(chromium, fleet.servers[0].url, width=1280, height=900)
    expect(page.at("product-latte")).to_be_visible()
    yield page
    complaints = page.complaints()
    page.close()
    assert complaints == []


def names(shop: ShopPage) -> list[str]:
    found: list[str] = shop.evaluate("[...document.querySelectorAll('li.message')].map(item => item.dataset.name)")
    return found


def opened(shop: ShopPage, name: str) -> Locator:
    """Opens the newest message of this name."""
    message = shop.message(name)
    message.locator(".row").click()
    return message.get_by_test_id("detail")


def block(detail: Locator, name: str) -> str:
    return detail.locator(f"[data-block='{name}'] pre").inner_text()


@pytest.mark.parametrize("scheme", ["RSA", "MD5", "HMAC-SHA256"])
def test_every_message_of_a_payment_by_the_scheme_that_was_chosen(shop: ShopPage, scheme: str) -> None:
    shop.at(f"scheme-{scheme}").check()
    shop.order("latte")
    shop.pay()
    expect(shop.message("x_notify")).to_have_class(re.compile(r"wx-us .*good"))
    expect(shop.message("p_sync")).to_be_attached()
    seen = names(shop)
    assert [name for name in seen if name in WHOLE] == WHOLE, "in the order of time"

    prepay = opened(shop, "x_prepay")
    expect(prepay).to_contain_text("WeChat verified it")
    sign = opened(shop, "a_paysign")
    expect(sign).to_contain_text("Our server signed it")
    lines = block(sign, "d_signed")
    notice = opened(shop, "x_notify")
    if scheme == "RSA":
        assert block(prepay, "d_signed").startswith("POST\n/v3/pay/transactions/jsapi\n")
        assert re.fullmatch(r"wx\w+\n\d{10}\n\w+\nprepay_id=\w+\n?", lines)
        assert json.loads(block(notice, "d_decrypted"))["amount"]["total"] == 2800
        assert "Wechatpay-Signature" in block(notice, "d_headers")
    else:
        assert block(prepay, "d_signed").endswith("&key=***")
        assert re.fullmatch(rf"appId=wx\w+&nonceStr=.+&signType={scheme}&timeStamp=\d+&key=\*\*\*", lines)
        assert "total_fee=2800&" in block(notice, "d_signed")
    assert len(block(sign, "d_signature")) == {"RSA": 344, "MD5": 32, "HMAC-SHA256": 64}[scheme]


def play(shop: ShopPage, name: str) -> None:
    """Lets it play to its end."""
    shop.at(f"play-{name}").click()
    expect(shop.page.locator(".note.good, .note.bad")).to_have_count(1, timeout=60_000)
    expect(shop.page.locator(".note.bad")).to_have_count(0)


def test_a_forged_notification_is_refused_for_the_right_reason(shop: ShopPage) -> None:
    play(shop, "forged")
    expect(shop.message("x_notify")).to_have_class(re.compile("bad"))
    expect(shop.message("x_notify")).to_contain_text("Signed with a key that is not WeChat's: 401, nothing is booked")
    expect(shop.message("a_refused")).to_contain_text("WeChat will send it again")
    shop.is_status("pending")
    expect(opened(shop, "x_notify")).to_contain_text("Our server refused it")


@pytest.mark.parametrize(("scheme", "answer"), [("RSA", "401"), ("MD5", "FAIL")])
def test_a_changed_amount_breaks_the_signature(shop: ShopPage, scheme: str, answer: str) -> None:
    shop.at(f"scheme-{scheme}").check()
    play(shop, "amount")
    changed = shop.page.locator("li.bad[data-name='x_notify']")
    expect(changed).to_contain_text(f"Changed after it was signed: {answer}, nothing is booked")
    shop.is_status("paid")
    expect(shop.message("x_query")).to_contain_text("verified")


def test_a_truly_signed_amount_that_is_not_the_orders(shop: ShopPage) -> None:
    play(shop, "other")
    expect(shop.message("x_notify")).to_contain_text("it says ¥0.01 where ¥28.00 was ordered: not booked as paid")
    shop.is_status("pending")


def test_a_lost_notification_is_found_by_the_query_job(shop: ShopPage) -> None:
    play(shop, "lost")
    expect(shop.page.locator("li.lost[data-name='x_notify']").first).to_contain_text("Lost on the way")
    shop.is_status("paid")
    told = names(shop)
    assert "p_sync" not in told[told.index("x_pay_ok") : told.index("x_query")], "the server asked by itself"


def test_answers_lost_and_notices_repeated_and_probes_and_money_that_goes_back(shop: ShopPage) -> None:
    """One after the other on one page, in Chinese for a change."""
    shop.at("lang-switch").click()
    play(shop, "answer")
    assert names(shop).count("x_prepay") == 2
    expect(shop.page.locator("li.lost")).to_contain_text("微信已经处理，应答却丢了")
    shop.at("wire-clear").click()
    play(shop, "cancel")
    expect(shop.message("x_pay_cancel")).to_contain_text("取消")
    shop.is_status("pending")
    shop.at("wire-clear").click()
    play(shop, "thrice")
    expect(shop.page.locator("li.good[data-name='x_notify']")).to_have_count(3)
    shop.at("wire-clear").click()
    play(shop, "probe")
    expect(shop.page.locator("li.bad[data-name='x_notify']")).to_contain_text("签名必须不通过：401 才是正确应答")
    expect(shop.page.locator("li.good[data-name='x_notify']")).to_have_count(1)
    shop.at("wire-clear").click()
    play(shop, "late")
    shop.is_status("closed")
    assert {"x_close", "x_refund", "x_notify_refund"} <= set(names(shop))
    shop.at("wire-clear").click()
    shop.at("scheme-HMAC-SHA256").check()
    play(shop, "refund")
    shop.is_status("refunded")
    expect(shop.message("x_refund")).to_contain_text("/secapi/pay/refund")


def test_five_hundred_messages_are_drawn_once_each(shop: ShopPage, fleet: Fleet) -> None:
    """No message is drawn again when another comes, and what was opened stays open."""
    shop.order("latte")
    shop.open_cashier()
    expect(shop.message("a_sheet")).to_be_visible()
    opened(shop, "x_prepay")
    shop.evaluate(
        """() => {
          window.removed = 0
          const count = records => records.forEach(record => (window.removed += record.removedNodes.length))
          new MutationObserver(count).observe(document.querySelector('.wire'), { childList: true, subtree: true })
        }"""
    )
    number = fleet.tables.one("SELECT out_trade_no FROM transactions ORDER BY id DESC")
    fleet.simulator.post("notify", out_trade_no=number, signature="forged", times=250, parallel=5)
    for name in ("x_notify", "a_refused"):
        expect(shop.page.locator(f"li.message[data-name='{name}']")).to_have_count(250)
    assert shop.evaluate("window.removed") == 0
    expect(shop.message("x_prepay").get_by_test_id("detail")).to_be_attached()
    shop.at("cashier-close").click()
    shop.is_status("pending")


def test_the_wire_by_keyboard(shop: ShopPage) -> None:
    expect(shop.message("a_token")).to_be_visible()
    keyboard = shop.page.keyboard
    shop.page.locator(".row[tabindex='0']").focus()
    keyboard.press("End")
    keyboard.press("ArrowUp")
    assert shop.evaluate("document.querySelectorAll('.row[tabindex=\"0\"]').length") == 1, "one stop for the Tab key"
    keyboard.press("Enter")
    assert shop.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    keyboard.press("Tab")
    assert shop.evaluate("document.activeElement.tagName") == "PRE", "what was opened comes next"
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    expect(shop.at("detail")).to_have_count(0)


def test_while_the_simulator_is_away_that_is_said_and_what_was_missed_comes_once(
    tmp_path: Path, chromium: Browser
) -> None:
    """It is killed, starts again, and something crosses before the page hears it again."""
    simulator = Simulator(tmp_path, data=tmp_path / "data")
    server = Server(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}", **V3.environ).start()
    shop = ShopPage(chromium, server.url, width=1280, height=900)
    status = shop.at("wire-status")
    shop.order("latte")
    expect(shop.message("a_order")).to_be_visible()
    expect(status).to_be_empty()
    before = names(shop)
    shop.expected.append("ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|FAILED)")
    shop.page.route("**/exchanges/stream?*", lambda route: route.abort())
    simulator.process.kill()
    expect(status).to_contain_text("does not answer")
    simulator.start()
    for _ in range(3):
        simulator.post("login", openid=shop.evaluate("localStorage.getItem('simulated.openid')"))
    shop.page.unroute_all()
    expect(shop.page.locator("li.message[data-name='x_wx_login']")).to_have_count(1 + 3)
    expect(status).to_be_empty()
    assert [name for name in names(shop)[len(before) :] if name.startswith("x_")] == ["x_wx_login"] * 3
    shop.pay()
    expect(shop.message("a_acknowledged")).to_be_visible()
    once = WHOLE[1:-2]  # a slow server is notified again
    assert [names(shop).count(name) for name in once] == [1] * len(once)
    assert shop.complaints() == []
    shop.close()
    server.close()
    simulator.close()
    assert server.surprises() == []
