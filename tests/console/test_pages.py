"""The pages that are looked at, over real sockets: what purchases left behind, and what nobody may plant in them."""

from __future__ import annotations

import csv
import io
import secrets
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from handlers.console.sheet import COLUMNS, FORMULA
from services.bills import day_of
from services.orders import BEIJING
from tests.console.conftest import paid_order
from tests.console.people import Person
from tests.fleet import Fleet
from tests.harness import Buyer, Server
from tests.processes import eventually
from tests.sale import SILENCE, Sale, attempts

EVIL = """"'><script>alert(1)</script><img src=x onerror=alert(1)>"""
SAFE = "&lt;script&gt;alert(1)&lt;/script&gt;"
People = dict[str, Person]


class Seen(HTMLParser):
    """What a browser would make of a page: its elements and attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(person: Person, path: str, status: int = 200, language: str = "en") -> Seen:
    """Looked at as every page is: nothing in it is run, whatever it shows."""
    reply = person.get(path, **{"Accept-Language": language})
    assert reply.status_code == status, reply.text
    seen = Seen(reply.text)
    assert not seen.tags & {"script", "style", "iframe", "object", "embed"}, path
    assert not {name for name in seen.names if name.startswith("on") or name == "style"}, path
    assert "unsafe" not in reply.headers["Content-Security-Policy"]
    return seen


@dataclass(frozen=True)
class Refunded:
    order_no: str
    out_refund_no: str
    buyer: Buyer


@pytest.fixture(scope="module")
def refunded(server: Server, shop: Fleet, people: People) -> Refunded:
    """Bought, and a part of it given back by an operator."""
    buyer = Buyer(server)
    order_no = str(buyer.order("latte")["order_no"])
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")
    give_back(people["operator"], order_no, "a broken cup")
    (number,) = shop.tables.rows("SELECT out_refund_no FROM refunds WHERE reason = 'a broken cup'")
    buyer.becomes(order_no, "partially_refunded")
    return Refunded(order_no, number[0], buyer)


def give_back(person: Person, order_no: str, reason: str) -> None:
    """One yuan of it."""
    number = f"OPS-{secrets.token_hex(10)}"
    reply = person.confirm(f"/ops/orders/{order_no}/refund", amount="1.00", reason=reason, refund_no=number)
    assert reply.status_code == 303, reply.text


# --- today ---


def last_day(shop: Fleet) -> str:
    """Of the newest payment, by the simulator's clock, which other tests move on."""
    return datetime.fromtimestamp(shop.tables.one("SELECT MAX(paid_at) FROM payments"), BEIJING).date().isoformat()


def test_today_shows_what_was_bought_and_given_back(people: People, refunded: Refunded, shop: Fleet) -> None:
    day = last_day(shop)
    begins, ends, seen = day_of(day).begins, day_of(day).ends, page(people["viewer"], f"/ops?day={day}")
    for table, at in (("payments", "paid_at"), ("refunds", "refunded_at")):
        within = f"{at} >= {begins} AND {at} < {ends}"
        fen = shop.tables.one(f"SELECT COALESCE(SUM(amount_fen), 0) FROM {table} WHERE {within}")
        assert f"¥{fen // 100:,}.{fen % 100:02}" in seen.text
    assert {"svg", "rect", "title"} <= seen.tags
    assert "platform certificate" in seen.text
    assert "今日概览" in page(people["viewer"], "/ops", language="zh-CN").text
    assert "No order was made that day." in page(people["viewer"], "/ops?day=2020-02-29").text
    assert "day: write a day as YYYY-MM-DD" in page(people["viewer"], "/ops?day=2020-02-30", 400).text


def test_jobs_tell_of_their_last_pass(people: People, shop: Fleet) -> None:
    eventually(lambda: shop.tables.one("SELECT COUNT(*) FROM job_runs") >= 10, 60)
    text = page(people["viewer"], "/ops").text
    assert all(name in text for name in ("ask", "bill", "refund", "money"))


# --- orders ---


def test_an_order_is_found_by_whatever_is_known_of_it(people: People, refunded: Refunded, shop: Fleet) -> None:
    order_no, viewer = refunded.order_no, people["viewer"]
    (paid,) = shop.tables.rows(
        "SELECT p.provider_transaction_id, p.out_trade_no FROM payments p JOIN orders o ON o.id = p.order_id"
        f" WHERE o.order_no = '{order_no}'"
    )
    (there,) = shop.tables.rows(
        f"SELECT provider_refund_id, refund_no FROM refunds WHERE out_refund_no = '{refunded.out_refund_no}'"
    )
    for words in (order_no, *paid, refunded.out_refund_no, *there, refunded.buyer.openid):
        links = page(viewer, f"/ops/orders?q={words}&status=partially_refunded&amount=28").links
        assert [link for link in links if link.startswith("/ops/orders/MP")] == [f"/ops/orders/{order_no}"], words
        assert order_no not in page(viewer, f"/ops/orders?q={words}&amount=28.01").text
    assert "No order fits this search." in page(viewer, "/ops/orders?q=nobody").text
    assert "没有符合条件的订单。" in page(viewer, "/ops/orders?q=nobody", language="zh-CN").text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=rich", "status"),
        ("amount=1e3", "amount"),
        ("amount=0", "amount"),
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("before=5", "before"),
        ("q=" + "x" * 129, "q"),
    ],
)
def test_a_search_that_cannot_be_says_why(people: People, query: str, field: str) -> None:
    assert f"{field}:" in page(people["viewer"], f"/ops/orders?{query}", 400).text


def test_the_pages_of_a_search_lead_on(people: People, shop: Fleet) -> None:
    plant_orders(shop, 120)
    found, path = [], "/ops/orders?amount=77.77"
    for _ in range(3):
        seen = page(people["viewer"], path)
        found += [link for link in seen.links if link.startswith("/ops/orders/MP")]
        further = [link for link in seen.links if "before=" in link and "lang=" not in link]
        path = f"/ops/orders{further[-1]}" if further else ""
    assert path == ""
    assert len(found) == len(set(found)) == 120


def plant_orders(shop: Fleet, count: int) -> None:
    """Of ¥77.77, never paid: rows that nothing else looks at."""
    mark = "?" if shop.tables.is_sqlite else "%s"
    with shop.tables.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT MIN(user_id) FROM orders")
        (user,) = cursor.fetchone()
        names = [(f"MP77770000{number:06}",) for number in range(count)]
        cursor.executemany(
            "INSERT INTO orders (order_no, user_id, amount_fen, currency, state, version, paid_fen, refunded_fen,"
            " request_hash, created_at, expires_at)"
            f" VALUES ({mark}, {user}, 7777, 'CNY', 'CREATED', 1, 0, 0, '', 1700000000, 2000000000)",
            names,
        )
        cursor.executemany(
            "INSERT INTO state_log (entity, entity_id, seq, to_state, actor, note, at)"
            f" VALUES ('order', {mark}, 1, 'CREATED', 'user', '', 1700000000)",
            names,
        )


def test_an_orders_page_tells_its_story_oldest_first(people: People, refunded: Refunded, shop: Fleet) -> None:
    address = f"/ops/orders/{refunded.order_no}"
    eventually(lambda: "Notification payment" in " ".join(page(people["viewer"], address).text.split()))
    text = page(people["viewer"], address).text
    words = " ".join(text[text.index("What happened") :].split())
    steps = ["Order CREATED", "Attempt PREPARED", "PREPARED → PREPAID", "Payment APPLIED", "PREPAID → PAID"]
    steps += ["PAYING → PAID", "Refund REQUESTED", "→ SUCCESS"]
    rest = words
    for step in steps:
        before, found, rest = rest.partition(step)
        assert found, (step, before)
    assert "by operator-1" in words or "operator:operator-1" in words
    assert '"out_trade_no": "' + attempts(shop.tables, refunded.order_no)[0] in words
    assert "a broken cup" in words
    page(people["viewer"], "/ops/orders/MP991231AAAAAAAAAAAAAAAA", 404)


def test_what_cannot_be_done_to_an_order_is_not_offered(people: People, refunded: Refunded, server: Server) -> None:
    unpaid = Buyer(server).order("latte")["order_no"]
    offered = []
    for order_no in (unpaid, refunded.order_no):
        text = page(people["operator"], f"/ops/orders/{order_no}").text
        offered.append(("Close the order" in text, "Refund…" in text))
    assert offered == [(True, False), (False, True)]


# --- reconciliation ---


def test_a_day_of_the_bill_leads_to_its_differences_and_their_orders(people: People, shop: Fleet) -> None:
    shop.settle()
    order_no = shop.tables.one("SELECT order_no FROM orders ORDER BY id LIMIT 1")
    day = shop.tables.one("SELECT day FROM bills WHERE state = 'DONE' ORDER BY day DESC LIMIT 1")
    shop.tables.change(
        "INSERT INTO discrepancies (kind, ref, order_no, detail, day, state, created_at)"
        f" VALUES ('BILL_MISSING', 'planted', '{order_no}', '{SAFE}', '{day}', 'OPEN', 1700000000)"
    )
    number = shop.tables.one("SELECT id FROM discrepancies WHERE ref = 'planted'")
    viewer = people["viewer"]
    assert f"/ops/reconciliation/{day}" in page(viewer, "/ops/reconciliation").links
    links = page(viewer, f"/ops/reconciliation/{day}").links
    assert {f"/ops/discrepancies/{number}", f"/ops/orders/{order_no}"} <= set(links)
    assert f"/ops/orders/{order_no}" in page(viewer, f"/ops/discrepancies/{number}").links
    page(viewer, "/ops/reconciliation/2026-02-30", 400)
    page(viewer, "/ops/reconciliation/1999-01-01")


# --- what is not ours is text, and nothing else ---


def test_no_text_of_others_ever_lives(people: People, server: Server, shop: Fleet) -> None:
    """Every column that holds somebody's words, on every page that shows it."""
    server.simulator.put("faults", SILENCE)
    sale = Sale.unnoticed(server, shop.tables)
    shop.expect_log(f"ref={sale.transaction_id}")
    assert sale.notify(override={"openid": "oSomebodyElse"})[1] == "acknowledged"
    server.simulator.clear_faults()
    give_back(people["operator"], sale.order_no, EVIL)
    evil = EVIL.replace("'", "''")
    mine = f"(SELECT id FROM orders WHERE order_no = '{sale.order_no}')"
    for table, column, where in (
        ("order_items", "title", f"order_id = {mine}"),
        ("users", "openid", f"id = (SELECT user_id FROM orders WHERE order_no = '{sale.order_no}')"),
        ("transactions", "request", f"order_id = {mine}"),
        ("payments", "openid", f"order_id = {mine}"),
        ("refunds", "refusal", f"order_id = {mine}"),
        ("notifications", "report", f"out_trade_no = '{sale.out_trade_no}'"),
        ("state_log", "note", f"entity_id = '{sale.out_trade_no}'"),
        ("discrepancies", "detail", f"order_no = '{sale.order_no}'"),
    ):
        shop.tables.change(f"UPDATE {table} SET {column} = '{evil}' WHERE {where}")
    today = shop.tables.one("SELECT MAX(paid_at) FROM payments")
    shop.tables.change(
        f"INSERT INTO refusals (slot, hour, adapter, reason, times) VALUES ('evil', {today}, 'wechat_v3', '{evil}', 1)"
    )
    number = shop.tables.one(f"SELECT id FROM discrepancies WHERE order_no = '{sale.order_no}'")
    viewer = people["viewer"]
    for path in (
        f"/ops?day={last_day(shop)}",
        f"/ops/orders?q={sale.order_no}",
        f"/ops/orders/{sale.order_no}",
        f"/ops/discrepancies/{number}",
    ):
        assert EVIL in page(viewer, path).text, path
    what_operators_write(people, shop, number)
    story = page(viewer, f"/ops/orders/{sale.order_no}").text
    assert story.count("alert(1)</script>") >= 7
    page(viewer, "/ops/discrepancies")
    for query in ("q", "status", "amount", "from", "before", "lang"):
        page(viewer, f"/ops/orders?{query}={quote(EVIL)}", 200 if query in ("q", "lang") else 400)
    page(viewer, f"/ops?day={quote(EVIL)}", 400)


def what_operators_write(people: People, shop: Fleet, discrepancy: int) -> None:
    """A reason, a note on it, a note on a discrepancy, and the log of all three."""
    order_no = paid_order(people["viewer"].server)
    asked = {"amount": "11.00", "reason": EVIL, "refund_no": f"OPS-{secrets.token_hex(10)}"}
    assert people["operator"].confirm(f"/ops/orders/{order_no}/refund", **asked).status_code == 303
    number = shop.tables.one("SELECT MAX(id) FROM refund_requests")
    assert EVIL in page(people["viewer"], "/ops/approvals").text
    assert people["approver"].confirm(f"/ops/approvals/{number}/decline", note=EVIL).status_code == 303
    assert page(people["viewer"], "/ops/approvals").text.count(EVIL) == 2
    assert people["operator"].post(f"/ops/discrepancies/{discrepancy}/resolve", note=EVIL).status_code == 303
    assert page(people["viewer"], f"/ops/discrepancies/{discrepancy}").text.count(EVIL) == 2
    assert page(people["approver"], "/ops/audit").text.count(EVIL) >= 3


# --- the file ---


def exported(person: Person, query: str = "") -> list[dict[str, str]]:
    reply = person.get(f"/ops/orders.csv{query}")
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="orders.csv"'
    assert reply.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(reply.content.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows[1:]]


def test_a_search_is_taken_away_whole_and_the_log_knows(people: People, refunded: Refunded, shop: Fleet) -> None:
    all_of_them = exported(people["operator"])
    assert len(all_of_them) == shop.tables.one("SELECT COUNT(*) FROM orders")
    (mine,) = exported(people["operator"], f"?q={refunded.order_no}")
    (paid,) = shop.tables.rows(f"SELECT provider_transaction_id FROM payments WHERE openid = '{refunded.buyer.openid}'")
    assert mine["transaction_id"] == f"`{paid[0]}"
    assert (mine["amount_yuan"], mine["refunded_yuan"], mine["status"]) == ("28.00", "1.00", "partially_refunded")
    lines = shop.tables.rows("SELECT operator, words, outcome FROM audit_log WHERE action = 'export' ORDER BY id DESC")
    asked = f"q={refunded.order_no}"
    assert [tuple(row) for row in lines[:2]] == [("operator-1", asked, "done"), ("operator-1", asked, "begun")]
    people["operator"].get("/ops/orders.csv?status=rich")
    page(people["viewer"], "/ops/orders.csv", 403)


def test_no_cell_is_a_formula(people: People, server: Server, shop: Fleet) -> None:
    bad = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", '="a",b']
    wanted = {}
    for text in bad:
        order_no = paid_order(server)
        shop.tables.change(
            f"UPDATE order_items SET title = '{text}' WHERE order_id ="
            f" (SELECT id FROM orders WHERE order_no = '{order_no}')"
        )
        wanted[order_no] = f"'{text} ×1"
    rows = {row["order_no"]: row["items"] for row in exported(people["operator"])}
    assert {order_no: rows[order_no] for order_no in wanted} == wanted
    cells = [cell for row in exported(people["operator"]) for cell in row.values()]
    assert [cell for cell in cells if cell.startswith(FORMULA)] == []


def test_long_files_come_in_parts(people: People, shop: Fleet) -> None:
    rows = exported(people["operator"], "?amount=77.77")
    assert len(rows) == len({row["order_no"] for row in rows}) == 120
