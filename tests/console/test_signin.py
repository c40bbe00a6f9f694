"""The console's door over real sockets: what it says, which cookies it sets, and that it tells nobody who is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest

from tests.console.people import Person, Phone
from tests.fleet import Fleet
from tests.harness import NO_TLS, Server

HTTPS = {"Host": "pay.example.com"}  # as a proxy with TLS says it


@pytest.fixture(scope="module")
def person(people: dict[str, Person]) -> Person:
    """Signed out."""
    return people["admin"].add("dora", "operator")


def plain(text: str) -> str:
    """A page without what differs each time."""
    return re.sub(r'value="2\|[^"]+"', "", text)


def test_a_wrong_name_password_or_code_is_refused_in_the_same_words(server: Server, person: Person) -> None:
    stranger = Person(server, "no-such-one", person.password, person.phone, address="10.5.0.1")
    instead: list[tuple[Person, dict[str, str]]] = [
        (stranger, {}),
        (person, {"password": "wrong"}),
        (person, {"code": "000000"}),
        (person, {"code": ""}),
        (person, {"password": "", "code": ""}),
    ]
    replies = [who.try_to_sign_in(**fields) for who, fields in instead]
    assert {(reply.status_code, plain(reply.text)) for reply in replies} == {(401, plain(replies[0].text))}
    assert "Name, password or code is wrong" in replies[0].text
    assert "ops" not in person.http.cookies


def test_a_lock_is_the_same_for_a_name_that_nobody_has(shop: Fleet, server: Server, people: dict[str, Person]) -> None:
    """The fifth try that is wrong locks; ``test_sessions`` counts them all, at a cheaper price a password."""
    known = people["admin"].add("edith", "viewer")
    known.address = "10.5.0.2"
    stranger = Person(server, "nobody-at-all", known.password, Phone(known.phone.secret), address="10.5.0.3")
    for who in (known, stranger):
        assert who.try_to_sign_in(password="wrong").status_code == 401
        shop.tables.change("UPDATE sign_in_tries SET failed = 4 WHERE failed = 1 AND subject LIKE 'name %'")
        assert [who.try_to_sign_in(password="wrong").status_code for _ in range(2)] == [401, 429]
    locked = [who.try_to_sign_in() for who in (known, stranger)]  # one of them with all that is right
    assert plain(locked[0].text) == plain(locked[1].text)
    assert "Too many tries; wait 1 min" in locked[0].text
    assert 0 < int(locked[0].headers["Retry-After"]) <= 60
    people["admin"].confirm("/ops/operators/edith/reset")  # lifts it
    assert known.try_to_sign_in().status_code == 401


def test_a_new_password_is_drawn_by_its_owner(server: Server, people: dict[str, Person]) -> None:
    """The phone stays, this session too; all others and the old password end."""
    fred = people["admin"].add("fred", "viewer").signed_in()
    other = Person(server, fred.name, fred.password, fred.phone, address="10.5.0.4").signed_in()
    reply = fred.confirm("/ops/account/password")
    found = re.search(r'<dd class="mono">([a-z2-7]{16})</dd>', reply.text)
    assert found
    assert "secret" not in reply.text
    server.tokens.append(found[1])
    assert [who.get("/ops/account").status_code for who in (fred, other)] == [200, 303]
    other.code()  # another half minute
    assert other.try_to_sign_in().status_code == 401
    assert other.try_to_sign_in(password=found[1]).status_code == 303
    server.tokens.append(other.http.cookies["ops"])


def test_over_https_every_cookie_is_bound_to_host_and_tls(person: Person) -> None:
    reply = person.get("/ops/sign-in?lang=zh", **HTTPS)
    cookies = reply.headers.get_list("set-cookie")
    assert {cookie.split("=")[0] for cookie in cookies} == {"__Host-xsrf", "__Host-lang"}
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_a_session_begins_with_a_new_token_and_a_new_form_token(person: Person) -> None:
    """And ends the one that this browser had."""
    tokens = []
    for _ in range(2):
        reply = person.try_to_sign_in()
        cookies = {cookie.split("=")[0]: cookie for cookie in reply.headers.get_list("set-cookie")}
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookies["ops"].split("; "))
        assert cookies["xsrf"].startswith('xsrf="";')
        tokens.append(person.http.cookies["ops"])
    person.server.tokens += tokens
    assert _signed_in(person, tokens) == [False, True]
    person.post("/ops/sign-out", everywhere="yes")
    assert _signed_in(person, tokens) == [False, False]


def _signed_in(person: Person, tokens: list[str]) -> list[bool]:
    """In other browsers: an answer may take a cookie away."""
    url, headers = f"{person.server.url}/ops/account", [{"Cookie": f"ops={token}"} for token in tokens]
    return [httpx.get(url, headers=each, verify=NO_TLS).status_code == 200 for each in headers]


@pytest.mark.parametrize(
    "spoil", [str.upper, lambda token: token[:-1], lambda _: "ops1_", lambda _: "", lambda _: "%e8%8c%b6"]
)
def test_a_token_that_is_none_signs_nobody_in(people: dict[str, Person], spoil: Callable[[str], str]) -> None:
    token = spoil(people["viewer"].http.cookies["ops"])
    reply = people["nobody"].get("/ops/account", Cookie=f"ops={token}")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/ops/sign-in")


def test_the_pages_speak_the_browsers_language_until_told_otherwise(people: dict[str, Person]) -> None:
    viewer = people["viewer"]
    assert 'lang="zh-CN"' in viewer.get("/ops/account", **{"Accept-Language": "zh-TW,zh;q=0.9"}).text
    assert "Your account" in viewer.get("/ops/account", **{"Accept-Language": "fr"}).text
    assert "我的账号" in viewer.get("/ops/account?lang=zh").text
    assert "我的账号" in viewer.get("/ops/account").text
    assert "Your account" in viewer.get("/ops/account?lang=en", **{"Accept-Language": "zh"}).text


def test_what_cannot_be_read_is_refused_on_a_page(people: dict[str, Person]) -> None:
    viewer = people["viewer"]
    assert viewer.get("/ops/account?lang=%ff&x=%ff").status_code == 200
    for path in ("/ops/discrepancies?before=%ff", "/ops/discrepancies?before=1x", "/ops/discrepancies?state=%ff"):
        assert viewer.get(path).status_code == 400
    assert viewer.http.put("/ops/account", content=b"x").status_code == 405
    assert viewer.post("/ops/account").status_code == 405
    assert viewer.get("/ops/no/such/page").status_code == 404
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    bad = f"name=%ff&password=%ff&code=1&_xsrf={quote(viewer.token())}".encode()
    assert viewer.http.post("/ops/sign-in", content=bad, headers=form).status_code == 400
    assert viewer.post("/ops/sign-in", name="x" * 70_000).status_code == 413


def test_credentials_are_never_said_in_a_log_or_kept_in_a_table(shop: Fleet, server: Server) -> None:
    """Every password, phone and token of these tests; the module's end looks again, also at DEBUG."""
    assert len(server.tokens) > 10
    assert "POST signinpage 303" in server.process.text()
    assert server.surprises() == []
    assert "sign-in" in str(shop.tables.rows("SELECT action FROM audit_log"))
