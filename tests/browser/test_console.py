"""The operations console in a real browser: two people give back a large sum, in both languages; and how every page
stands there, small and dark, wide and light: nothing overflows, is faint, or is hard for a screen reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console_page import ConsolePage
from tests.console.conftest import paid_order
from tests.console.people import Hurried, Person
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Simulator
from tests.processes import eventually

LOOKS = [
    {"locale": "en-US", "width": 1280, "height": 800},
    {"locale": "zh-CN", "width": 360, "height": 740, "dark": True},
]
PRICE = 2800

Enter = Callable[..., ConsolePage]


@pytest.fixture(scope="module")
def shop(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("console")
    with Fleet(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        fleet.start(Hurried, **V3.environ, OPS_REFUND_LIMIT_FEN=str(PRICE - 1))
        yield fleet


@pytest.fixture(scope="module")
def admin(shop: Fleet) -> Person:
    return Person.first(shop.servers[0])


@pytest.fixture
def enter(chromium: Browser) -> Iterator[Enter]:
    opened: list[ConsolePage] = []

    def enter_(person: Person, **look: object) -> ConsolePage:
        opened.append(ConsolePage(chromium, person, **look))
        return opened[-1]

    yield enter_
    complaints = [complaint for page in opened for complaint in page.complaints()]
    for page in opened:
        page.close()
    assert complaints == []


@pytest.mark.parametrize("look", LOOKS, ids=["english", "chinese"])
def test_two_people_give_back_a_large_sum(shop: Fleet, admin: Person, enter: Enter, look: dict[str, object]) -> None:
    server, names = shop.servers[0], [f"{role}-{look['width']}" for role in ("operator", "approver")]
    order_no = paid_order(server)
    asking = enter(admin.add(names[0], "operator"), **look)
    asking.open(f"/ops/orders/{order_no}/refund")
    asking.is_fine()
    asking.fill(reason="咖啡凉了 <b>cold</b>", code=asking.person.code())
    asking.press("Refund", "退款")
    asking.says("Above the limit: an approver must decide.", "超出限额，须由审批人审批。")
    expect(asking.page.get_by_role("button")).to_have_count(0)  # this one cannot decide
    deciding = enter(admin.add(names[1], "approver"), **look)
    deciding.open("/ops/approvals")
    expect(deciding.page.locator("main")).to_contain_text("咖啡凉了 <b>cold</b>")
    deciding.fill(note="seen", code=deciding.person.code())
    deciding.is_fine()
    deciding.press("Approve", "批准")
    deciding.says("Approved; the refund is on its way.", "已批准，退款处理中。")
    expect(deciding.page.locator("tbody tr").first).to_contain_text(order_no)
    deciding.is_fine()
    given = f"SELECT refunded_fen FROM orders WHERE order_no = '{order_no}'"
    assert eventually(lambda: shop.tables.one(given)) == PRICE


@pytest.fixture(scope="module")
def abnormal(shop: Fleet, admin: Person) -> str:
    """An order whose refund the payer's bank cannot take."""
    shop.expect_log("discrepancy kind=ABNORMAL_REFUND")
    order_no = paid_order(shop.servers[0])
    shop.simulator.put("refunds", {"next": "ABNORMAL"})
    asked = {"amount": "12.34", "reason": "a chipped cup", "refund_no": f"OPS-{'0' * 20}"}
    assert admin.confirm(f"/ops/orders/{order_no}/refund", **asked).status_code == 303
    shop.simulator.post("clock", advance_seconds=10)
    eventually(lambda: shop.tables.one("SELECT COUNT(*) FROM refunds WHERE state = 'ABNORMAL'"))
    return order_no


@pytest.fixture(scope="module")
def pages(shop: Fleet, abnormal: str) -> list[str]:
    """Every page that only shows something: with much on it, and with nothing."""
    shop.settle()
    day = shop.tables.one("SELECT MAX(day) FROM bills WHERE state = 'DONE'")
    shop.tables.change(
        "INSERT INTO discrepancies (kind, ref, detail, day, state, created_at)"
        f" VALUES ('BILL_UNKNOWN', 'R1', 'a line of the bill {'x' * 60}', '{day}', 'OPEN', 1700000000)"
    )
    number, unpaid = shop.tables.one("SELECT MAX(id) FROM discrepancies"), Buyer(shop.servers[0]).order()["order_no"]
    orders = ("/ops/orders", "/ops/orders?q=nobody", *(f"/ops/orders/{order_no}" for order_no in (abnormal, unpaid)))
    days = ("/ops", "/ops?day=2020-01-01", "/ops/reconciliation", f"/ops/reconciliation/{day}")
    flags = ("/ops/discrepancies", "/ops/discrepancies?state=resolved", f"/ops/discrepancies/{number}")
    people = ("/ops/approvals", "/ops/operators", "/ops/operators/alice", "/ops/audit", "/ops/account")
    return [*days, *orders, f"/ops/orders/{abnormal}/refund", *flags, *people]


@pytest.mark.parametrize("look", LOOKS, ids=["wide", "narrow"])
def test_every_page_stands_well(
    admin: Person, pages: list[str], abnormal: str, enter: Enter, look: dict[str, object]
) -> None:
    page = enter(admin.add(f"admin-{look['width']}", "admin"), **look)
    for path in pages:
        page.open(path)
        expect(page.page.locator("h1")).to_be_visible()
        page.is_fine()
    page.expected.append("404")
    page.open("/ops/nowhere")
    page.is_fine()
    page.open(f"/ops/orders/{abnormal}")
    expect(page.page.locator(".alarm button")).to_be_visible()
    for evidence in page.page.locator("summary").all():
        evidence.click()
    page.is_fine()
    page.open("/ops/operators")
    page.fill(name=f"new-{look['width']}", code=page.person.code())
    page.press("Add", "添加")
    expect(page.page.locator("main")).to_contain_text("otpauth://")
    page.is_fine()
