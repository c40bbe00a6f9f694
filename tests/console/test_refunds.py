"""Refunds from the console: one person up to the limit, two above it, whatever way somebody tries around that."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.console.conftest import LIMIT_FEN, paid_order
from tests.console.people import Person
from tests.fleet import Fleet
from tests.harness import Server
from tests.processes import eventually

PRICE = 2800  # fen, of one latte
XSS = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 1 }}"""
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&gt;&lt;img src=x onerror=alert(1)&gt;{{ 1 }}"


@pytest.fixture(scope="module")
def order_no(server: Server) -> str:
    return paid_order(server, 20)


def refund(person: Person, order_no: str, fen: int, reason: str = "cold", refund_no: str = "") -> Any:
    number = refund_no or f"OPS-{secrets.token_hex(10)}"
    amount = f"{fen // 100}.{fen % 100:02}"
    return person.confirm(f"/ops/orders/{order_no}/refund", amount=amount, reason=reason, refund_no=number)


def refunded(shop: Fleet, order_no: str) -> list[int]:
    joined = "refunds r JOIN orders o ON o.id = r.order_id"
    sql = f"SELECT r.amount_fen FROM {joined} WHERE o.order_no = '{order_no}' ORDER BY r.id"
    return [row[0] for row in shop.tables.rows(sql)]


def requested(shop: Fleet, order_no: str) -> int:
    """The number of the newest request of this order."""
    return int(shop.tables.one(f"SELECT MAX(id) FROM refund_requests WHERE order_no = '{order_no}'"))


def test_the_limit_is_of_a_payment_not_of_a_refund(shop: Fleet, server: Server, people: dict[str, Person]) -> None:
    """And whoever asks, in how many parts: an admin who adds one fen to what an operator gave back needs another."""
    order_no = paid_order(server)
    assert refund(people["operator"], order_no, LIMIT_FEN).headers["Location"] == f"/ops/orders/{order_no}"
    assert refund(people["admin"], order_no, 1).headers["Location"] == "/ops/approvals"
    assert refunded(shop, order_no) == [LIMIT_FEN]


def test_a_form_sent_twice_is_one_refund_or_one_request(shop: Fleet, server: Server, people: dict[str, Person]) -> None:
    order_no, number = paid_order(server), f"OPS-{secrets.token_hex(10)}"
    for fen in (300, PRICE - 300):
        again = [refund(people["operator"], order_no, fen, refund_no=f"{number[:-4]}{fen:04}") for _ in range(2)]
        assert [reply.status_code for reply in again] == [303, 303]
    smaller = refund(people["operator"], order_no, 1, refund_no=f"{number[:-4]}{PRICE - 300:04}")
    assert smaller.status_code == 409
    assert refunded(shop, order_no) == [300]
    assert shop.tables.one(f"SELECT COUNT(*) FROM refund_requests WHERE order_no = '{order_no}'") == 1


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", 400), ("-1", 400), ("1.234", 400), ("１２", 400), ("1e3", 400), ("abc", 400), ("", 400),
        ("999999.99", 409),
    ],
)  # fmt: skip
def test_an_amount_that_is_none(shop: Fleet, order_no: str, people: dict[str, Person], amount: str, code: int) -> None:
    before, number = refunded(shop, order_no), f"OPS-{secrets.token_hex(10)}"
    path = f"/ops/orders/{order_no}/refund"
    reply = people["operator"].confirm(path, amount=amount, reason="x", refund_no=number)
    assert reply.status_code == code
    assert refunded(shop, order_no) == before


def test_fields_are_held_to_their_form(order_no: str, people: dict[str, Person]) -> None:
    for bad in ({"reason": ""}, {"reason": "x" * 81}, {"refund_no": "R-1"}, {"refund_no": ""}):
        fields = {"amount": "1", "reason": "x", "refund_no": f"OPS-{secrets.token_hex(10)}", **bad}
        reply = people["operator"].confirm(f"/ops/orders/{order_no}/refund", **fields)
        assert reply.status_code == 400
        assert next(iter(bad)) in reply.text


def test_nobody_decides_on_their_own_request(shop: Fleet, order_no: str, people: dict[str, Person]) -> None:
    refund(people["approver"], order_no, LIMIT_FEN + 1)
    number = requested(shop, order_no)
    for verb in ("approve", "decline"):
        reply = people["approver"].confirm(f"/ops/approvals/{number}/{verb}", note="mine")
        assert reply.status_code == 403
        assert "Another person must decide" in reply.text
    assert "You asked for it" in people["approver"].get("/ops/approvals").text
    reply = people["admin"].confirm(f"/ops/approvals/{number}/approve", note="seen the cup")
    assert reply.headers["Location"] == "/ops/approvals"
    assert refunded(shop, order_no)[-1] == LIMIT_FEN + 1
    row = "SELECT requester, state, decided_by, note FROM refund_requests"
    assert shop.tables.rows(f"{row} WHERE id = {number}") == [("approver-1", "APPROVED", "alice", "seen the cup")]
    assert shop.tables.rows("SELECT requester FROM refunds ORDER BY id DESC LIMIT 1") == [("operator approver-1",)]


def test_what_was_declined_is_not_paid(shop: Fleet, order_no: str, people: dict[str, Person]) -> None:
    before = refunded(shop, order_no)
    refund(people["operator"], order_no, LIMIT_FEN + 2)
    number = requested(shop, order_no)
    assert people["approver"].confirm(f"/ops/approvals/{number}/decline", note="no").status_code == 303
    assert people["admin"].confirm(f"/ops/approvals/{number}/approve", note="yes").status_code == 409
    assert refunded(shop, order_no) == before


def test_two_who_approve_at_once_pay_once(shop: Fleet, order_no: str, people: dict[str, Person]) -> None:
    refund(people["operator"], order_no, LIMIT_FEN + 3)
    number, before = requested(shop, order_no), refunded(shop, order_no)
    racers = [(people[role], people[role].token(), people[role].code()) for role in ("approver", "admin")]
    path = f"/ops/approvals/{number}/approve"
    with ThreadPoolExecutor(len(racers)) as pool:
        replies = list(pool.map(lambda each: each[0].post(path, token=each[1], code=each[2], note="I"), racers))
    told = {(person.name, reply.status_code) for (person, *_), reply in zip(racers, replies, strict=True)}
    decider = shop.tables.one(f"SELECT decided_by FROM refund_requests WHERE id = {number}")
    assert {name for name, status in told if status == 303} == {decider}
    assert {status for _, status in told} == {303, 409}
    assert refunded(shop, order_no) == [*before, LIMIT_FEN + 3]


def test_what_cannot_be_paid_any_more_stays_to_be_declined(shop: Fleet, server: Server, people: Any) -> None:
    order_no = paid_order(server)
    for fen in (PRICE, PRICE - 1):
        refund(people["operator"], order_no, fen)
    second = requested(shop, order_no)
    assert people["approver"].confirm(f"/ops/approvals/{second - 1}/approve", note="all of it").status_code == 303
    reply = people["approver"].confirm(f"/ops/approvals/{second}/approve", note="and more")
    assert reply.status_code == 409
    assert "More than what is left" in reply.text
    assert people["approver"].confirm(f"/ops/approvals/{second}/decline", note="nothing is left").status_code == 303
    assert refunded(shop, order_no) == [PRICE]
    eventually(lambda: shop.tables.one(f"SELECT refunded_fen FROM orders WHERE order_no = '{order_no}'") == PRICE)


def test_what_operators_write_is_shown_and_never_run(shop: Fleet, server: Server, people: dict[str, Person]) -> None:
    """Reason, note and refusal of every kind, on every page that shows them."""
    order_no, admin = paid_order(server), people["admin"]
    refund(people["operator"], order_no, LIMIT_FEN + 1, reason=XSS)
    assert SHOWN in admin.get("/ops/approvals").text
    admin.confirm(f"/ops/approvals/{requested(shop, order_no)}/decline", note=XSS)
    shop.tables.change(
        "INSERT INTO discrepancies (kind, ref, order_no, detail, state, created_at)"
        f" VALUES ('<b>kind</b>', '<b>ref</b>', '<b>no</b>', '{XSS.replace(chr(39), chr(39) * 2)}', 'OPEN', 1)"
    )
    flag = shop.tables.one("SELECT MAX(id) FROM discrepancies")
    assert SHOWN in admin.get("/ops/discrepancies").text
    admin.post(f"/ops/discrepancies/{flag}/resolve", note=XSS)
    pages = ("/ops/approvals", f"/ops/discrepancies/{flag}", "/ops/audit", "/ops/discrepancies?state=resolved")
    for page in pages:
        text = admin.get(page).text
        assert SHOWN in text, page
        assert not any(raw in text for raw in ("<script", "<img src=x", "<b>")), page
    for path, fields in {"/ops/operators": {"name": XSS[:20], "role": XSS[:20]}, "/ops/sign-in": {"name": XSS}}.items():
        assert "<script" not in admin.confirm(path, **fields).text
    assert "<script" not in admin.get(f"/ops/audit?before={XSS}&lang={XSS}").text


def test_an_order_that_is_none_or_unpaid_has_no_refund(people: dict[str, Person]) -> None:
    for verb in ("query", "close", "refund"):
        fields = {"amount": "1", "reason": "x", "refund_no": f"OPS-{secrets.token_hex(10)}"}
        assert people["operator"].confirm(f"/ops/orders/MP00000000/{verb}", **fields).status_code == 404
    assert people["operator"].get("/ops/orders/MP00000000/refund").status_code == 404
