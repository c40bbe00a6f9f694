"""Every page and every action, asked for by every role and by nobody: who may, does; who may not, changes nothing."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.console.account import SignInPage, SignOutPage
from handlers.console.base import Bare, MissingPage
from handlers.console.routes import CONSOLE
from services.console.tries import subject_of
from tests.console.conftest import LIMIT_FEN, paid_order
from tests.console.people import ROLES, Person
from tests.fleet import Fleet
from tests.harness import Buyer, Server

WHO = ("nobody", *ROLES)
numbers = itertools.count(1)


@dataclass(frozen=True)
class Stage:
    """An order of each kind, and somebody to be administered."""

    shop: Fleet
    people: dict[str, Person]
    paid: str
    unpaid: str

    def changed(self) -> list[Any]:
        """All that an action could change."""
        looks = (
            "SELECT order_no, state FROM orders",
            "SELECT out_refund_no, amount_fen FROM refunds",
            "SELECT id, state, decided_by FROM refund_requests",
            "SELECT id, state FROM discrepancies",
            "SELECT name, role, disabled, password FROM operators",
        )
        return [self.shop.tables.rows(f"{sql} ORDER BY 1") for sql in looks]

    def discrepancy(self) -> int:
        ref = f"R{next(numbers)}"
        self.shop.tables.change(
            "INSERT INTO discrepancies (kind, ref, detail, state, created_at)"
            f" VALUES ('BILL_UNKNOWN', '{ref}', 'of a test', 'OPEN', 1)"
        )
        return int(self.shop.tables.one(f"SELECT id FROM discrepancies WHERE ref = '{ref}'"))

    def request(self) -> int:
        """A refund that the operator may not make alone."""
        asked = self.people["operator"].confirm(f"/ops/orders/{self.paid}/refund", **refund(LIMIT_FEN + 1))
        assert asked.headers["Location"] == "/ops/approvals", asked.text
        return int(self.shop.tables.one("SELECT MAX(id) FROM refund_requests"))


@dataclass(frozen=True)
class Action:
    least: str
    does: str
    path: Callable[[Stage], str]
    fields: Callable[[], dict[str, str]] = dict
    status: int = 303
    outcome: str = "done"


def refund(fen: int) -> dict[str, str]:
    number = f"OPS-{secrets.token_hex(10)}"
    return {"amount": f"{fen // 100}.{fen % 100:02}", "reason": "cold", "refund_no": number}


def noted() -> dict[str, str]:
    return {"note": "looked at it"}


def named() -> dict[str, str]:
    return {"name": f"n{next(numbers)}", "role": "viewer"}


ACTIONS = [
    Action("viewer", "password", lambda _: "/ops/account/password", status=200),
    Action("operator", "query", lambda s: f"/ops/orders/{s.paid}/query"),
    Action("operator", "close", lambda s: f"/ops/orders/{s.unpaid}/close"),
    Action("operator", "refund", lambda s: f"/ops/orders/{s.paid}/refund", lambda: refund(1)),
    Action(  # of a refund that there is none of; tests/integration/test_abnormal_refunds.py has one
        "operator",
        "refund to card",
        lambda s: f"/ops/orders/{s.paid}/refunds/RF00000000/to-card",
        status=404,
        outcome="refund_not_found",
    ),
    Action("operator", "resolve", lambda s: f"/ops/discrepancies/{s.discrepancy()}/resolve", noted),
    Action("approver", "refund approved", lambda s: f"/ops/approvals/{s.request()}/approve", noted),
    Action("approver", "refund declined", lambda s: f"/ops/approvals/{s.request()}/decline", noted),
    Action(
        "admin",
        "operator add",
        lambda _: "/ops/operators",
        named,
        200,
    ),
    Action("admin", "operator reset", lambda _: "/ops/operators/spare/reset", status=200),
    Action("admin", "operator disable", lambda _: "/ops/operators/spare/disable"),
    Action("admin", "operator enable", lambda _: "/ops/operators/spare/enable"),
    Action("admin", "operator role", lambda _: "/ops/operators/spare/role", lambda: {"role": "operator"}),
]
PAGES = {
    "/ops": "viewer",
    "/ops/orders": "viewer",
    "/ops/orders.csv": "operator",
    "/ops/orders/{paid}": "viewer",
    "/ops/reconciliation": "viewer",
    "/ops/reconciliation/2026-01-31": "viewer",
    "/ops/discrepancies/{discrepancy}": "viewer",
    "/ops/discrepancies/{discrepancy}/resolve": "operator",
    "/ops/account": "viewer",
    "/ops/approvals": "viewer",
    "/ops/discrepancies": "viewer",
    "/ops/discrepancies?state=resolved": "viewer",
    "/ops/orders/{paid}/refund": "operator",
    "/ops/operators": "admin",
    "/ops/operators/spare": "admin",
    "/ops/audit": "approver",
}


@pytest.fixture(scope="module")
def stage(shop: Fleet, server: Server, people: dict[str, Person]) -> Stage:
    people["admin"].add("spare", "viewer")
    return Stage(shop, people, paid_order(server, 40), Buyer(server).order("latte")["order_no"])


def may(who: str, least: str) -> bool:
    return who in ROLES[ROLES.index(least) :]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.does)
def test_an_action(stage: Stage, action: Action, who: str) -> None:
    path, fields = action.path(stage), action.fields()
    person = stage.people[who]
    before = stage.changed()
    reply = person.confirm(path, **fields)
    if who == "nobody":
        assert (reply.status_code, reply.headers["Location"]) == (303, "/ops/sign-in")
    elif may(who, action.least):
        assert reply.status_code == action.status, reply.text
        assert audited(stage, person.name, action.does)[-2:] == ["begun", action.outcome]
        changes = action.does != "query" and action.outcome == "done" and not re.search("able|close", action.does)
        assert not changes or stage.changed() != before
    else:
        assert reply.status_code == 403
        assert "Your role does not allow this" in reply.text
        assert audited(stage, person.name, action.does)[-1] == "role_missing"
    if not may(who, action.least):
        assert stage.changed() == before


def audited(stage: Stage, name: str, does: str) -> list[str]:
    sql = f"SELECT outcome FROM audit_log WHERE operator = '{name}' AND action = '{does}' ORDER BY id"
    return [row[0] for row in stage.shop.tables.rows(sql)]


@pytest.mark.parametrize("path", PAGES)
def test_a_page(stage: Stage, path: str) -> None:
    address = path.format(paid=stage.paid, discrepancy=stage.discrepancy() if "{discrepancy}" in path else "")
    for who, person in stage.people.items():
        reply = person.get(address)
        refused = 303 if who == "nobody" else 403
        assert reply.status_code == (200 if may(who, PAGES[path]) else refused), who
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["Cache-Control"] == "no-store"
        if reply.headers["Content-Type"].startswith("text/html"):  # in a table of values a script is a value
            assert "<script" not in reply.text
            assert "style=" not in reply.text


FORGED: dict[str, dict[str, Any]] = {
    "no token": {"token": ""},
    "a wrong token": {"token": "2|00000000|00000000000000000000000000000000|1"},
    "no token at all": {"token": "rubbish"},
    "from another site": {"headers": {"Sec-Fetch-Site": "cross-site"}},
    "of another origin": {"headers": {"Origin": "https://evil.example"}},
    "of an origin that is not told": {"headers": {"Origin": "null"}},
    "from a sister site": {"headers": {"Sec-Fetch-Site": "same-site"}},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_form_that_is_not_ours_does_nothing(stage: Stage, how: str) -> None:
    admin = stage.people["admin"]
    for action in ACTIONS:
        path, fields, before = action.path(stage), action.fields(), stage.changed()
        reply = admin.post(path, **FORGED[how], **fields)
        assert reply.status_code == 403, action.does
        assert "load the page again" in reply.text
        assert stage.changed() == before, action.does


FRESH = ("password", "refund", "refund approved", "refund declined", "operator")


@pytest.mark.parametrize("code", ["", "000000", "used"])
def test_what_takes_a_new_code_is_not_done_without(stage: Stage, code: str) -> None:
    """Each counts as a try to sign in that failed."""
    admin = stage.people["admin"]
    for action in (action for action in ACTIONS if action.does.startswith(FRESH)):
        path, fields, given = action.path(stage), action.fields(), code
        if code == "used":
            given = admin.code()
            assert admin.post("/ops/operators/spare/enable", code=given).status_code == 303
        before = stage.changed()
        reply = admin.post(path, code=given, **fields)
        assert reply.status_code == 403, action.does
        assert "give the next one that your phone shows" in reply.text
        assert audited(stage, admin.name, action.does)[-1] == "phone_code_refused"
        assert stage.changed() == before, action.does
        failed = f"SELECT failed FROM sign_in_tries WHERE subject = '{subject_of(admin.name)}'"
        assert stage.shop.tables.one(failed) == 1
        stage.shop.tables.change("DELETE FROM sign_in_tries")


def test_a_body_of_another_kind_does_nothing(stage: Stage) -> None:
    """What a page elsewhere can send without asking, and a token that is in the address."""
    admin, fields = stage.people["admin"], {"name": "sent", "role": "admin"}
    before, token = stage.changed(), admin.token()
    files = {name: ("", value) for name, value in {**fields, "_xsrf": token}.items()}
    for sent in ({"json": {**fields, "_xsrf": token}}, {"files": files}, {"data": fields, "params": {"_xsrf": token}}):
        assert admin.http.post("/ops/operators", **sent).status_code == 403, sent
    assert stage.changed() == before


def test_every_page_and_action_of_the_console_is_in_the_tables(stage: Stage) -> None:
    """And nobody overrides the ceremony."""
    tried = [action.path(stage) for action in ACTIONS]
    seen = [path.format(paid=stage.paid, discrepancy=1) for path in PAGES]
    pages = [(pattern, page) for pattern, page, *_ in CONSOLE if issubclass(page, Bare)]
    assert len(pages) > 15
    for pattern, page in pages:
        assert page.get is Bare.get
        assert page.post is Bare.post
        if page.act is not Bare.act and page not in (SignInPage, SignOutPage, MissingPage):
            assert any(re.fullmatch(pattern, path) for path in tried), pattern
        if page.show is not Bare.show and page not in (SignInPage, MissingPage):
            assert any(re.fullmatch(pattern, path.partition("?")[0]) for path in seen), pattern
