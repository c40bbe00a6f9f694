"""Who asks: a code of wx.login for a token of ours, of which the tables keep a hash (mini-program.md 1; F66)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Simulator

ORDERS = "/api/orders"


@pytest.fixture(scope="module")
def fleet(each_database: str, shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("login"), shared_simulator, each_database) as fleet:
        fleet.start(**V3.environ)
        yield fleet


@pytest.fixture
def server(fleet: Fleet, simulator: Simulator) -> Server:
    return fleet.servers[0]


def login(server: Server, code: str) -> httpx.Response:
    return server.http.post("/api/login", json={"code": code})


def code_for(server: Server, openid: str) -> str:
    return str(server.simulator.post("login", openid=openid)["code"])


def refusal(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def may_enter(buyer: Buyer) -> bool:
    return buyer.call("GET", ORDERS).status_code == 200


def test_a_code_is_a_token_once(server: Server) -> None:
    code = code_for(server, "oLoginOnce")
    reply = login(server, code)
    assert reply.status_code == 200
    assert reply.json().keys() == {"token", "expires_in"}
    assert reply.json()["expires_in"] == 7200
    assert refusal(login(server, code)) == (401, "code_refused")


@pytest.mark.parametrize("code", ["", "never-given-out"])
def test_wechat_is_asked_about_a_code_once(server: Server, simulator: Simulator, code: str) -> None:
    """Whether it was good or not (F66)."""
    code = code or code_for(server, "oAskedOnce")
    first = login(server, code).status_code
    simulator.put("faults", [{"op": "login", "fault": "http_500_before"}])
    assert [refusal(login(server, code)) for _ in range(3)] == [(401, "code_refused")] * 3
    assert simulator.get("faults")["rules"][0]["struck"] == 0
    assert first in (200, 401)


def test_what_the_tables_keep_of_a_session(fleet: Fleet, server: Server, simulator_data: Path) -> None:
    buyer = Buyer(server)
    ledger = [json.loads(line) for line in (simulator_data / "ledger.jsonl").read_text("utf-8").splitlines()]
    keys = [line["User"]["session_key"] for line in ledger if line.get("User", {}).get("openid") == buyer.openid]
    told = [key for key in keys if key]
    assert len(told) == 1
    kept = repr(fleet.tables.snapshot())
    assert hashlib.sha256(buyer.token.encode()).hexdigest() in kept
    assert buyer.token not in kept
    assert buyer.token.removeprefix("mp1_") not in kept
    assert told[0] not in kept


def test_a_user_is_one_however_often_they_log_in(fleet: Fleet, server: Server) -> None:
    first = Buyer(server)
    again = Buyer(server, first.openid)
    assert first.token != again.token
    order_no = first.order("latte")["order_no"]
    assert again.read(order_no)["order_no"] == order_no
    assert fleet.tables.one(f"SELECT COUNT(*) FROM users WHERE openid = '{first.openid}'") == 1


def test_openids_that_differ_in_case_are_two_people(server: Server) -> None:
    """Most collations say otherwise (money.md, finding 5)."""
    one, other = Buyer(server, "oAbCdEfGhIjKlMnOpQrStUvWxYz0"), Buyer(server, "oaBCdEfGhIjKlMnOpQrStUvWxYz0")
    order_no = one.order("latte")["order_no"]
    assert refusal(other.call("GET", f"{ORDERS}/{order_no}")) == (404, "order_not_found")


def test_the_sixth_session_ends_the_first(server: Server) -> None:
    first = Buyer(server)
    others = [Buyer(server, first.openid) for _ in range(4)]
    assert all(may_enter(buyer) for buyer in (first, *others))
    sixth = Buyer(server, first.openid)
    assert all(may_enter(buyer) for buyer in (*others, sixth))
    assert refusal(first.call("GET", ORDERS)) == (401, "token_invalid")


@pytest.mark.parametrize(("column", "seconds"), [("seen_at", 2 * 3600), ("created_at", 24 * 3600)])
def test_a_token_dies_of_silence_and_of_age(fleet: Fleet, server: Server, column: str, seconds: int) -> None:
    """Two hours unused, a day in any case: the row is made that old, since nobody waits so long."""
    for age, enters in ((seconds - 30, True), (seconds + 1, False)):
        buyer = Buyer(server)
        digest = hashlib.sha256(buyer.token.encode()).hexdigest()
        fleet.tables.change(f"UPDATE sessions SET {column} = {column} - {age} WHERE token_hash = '{digest}'")
        assert may_enter(buyer) == enters
    assert refusal(buyer.call("GET", ORDERS)) == (401, "token_expired")
    assert refusal(buyer.call("POST", ORDERS, json={"items": []})) == (401, "token_expired")


def test_use_is_written_down_now_and_then(fleet: Fleet, server: Server) -> None:
    """Not at every request: a read would cost a commit."""
    buyer = Buyer(server)
    digest = hashlib.sha256(buyer.token.encode()).hexdigest()
    seen = f"SELECT created_at - seen_at FROM sessions WHERE token_hash = '{digest}'"
    for age, left in ((200, 200), (400, 0)):
        fleet.tables.change(f"UPDATE sessions SET seen_at = created_at - {age} WHERE token_hash = '{digest}'")
        assert may_enter(buyer)
        assert fleet.tables.one(seen) <= left
        assert fleet.tables.one(seen) > left - 30


@pytest.mark.parametrize(
    "fault", ["drop_before", "http_500_before", "system_error", "frequency_limited", "html", "empty", "redirect"]
)
def test_a_login_server_that_fails_leaves_the_code_good(server: Server, simulator: Simulator, fault: str) -> None:
    code = code_for(server, f"oFault{fault}")
    simulator.put("faults", [{"op": "login", "fault": fault}])
    reply = login(server, code)
    assert refusal(reply) == (503, "login_unreachable")
    assert reply.headers["Retry-After"] == "1"
    simulator.clear_faults()
    assert login(server, code).status_code == 200


@pytest.mark.parametrize("fault", ["drop_reply_after_commit", "http_500_after", "truncate", "huge_body"])
def test_a_login_whose_answer_is_lost_needs_a_new_code(server: Server, simulator: Simulator, fault: str) -> None:
    code = code_for(server, f"oLost{fault}")
    simulator.put("faults", [{"op": "login", "fault": fault, "bytes": 2_000_000}])
    assert refusal(login(server, code)) == (503, "login_unreachable")
    simulator.clear_faults()
    assert refusal(login(server, code)) == (401, "code_refused")
    assert login(server, code_for(server, f"oLost{fault}")).status_code == 200
