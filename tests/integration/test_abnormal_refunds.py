"""An ABNORMAL refund: the payer's bank cannot take the money. A person resolves it, by API, console or command."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.console.people import Person
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Buyer, Server, Simulator
from tests.integration.test_refunds import KEY, refund
from tests.live import command
from tests.processes import eventually
from tests.sale import SILENCE


@pytest.fixture(scope="module")
def servers(shop: Fleet) -> dict[str, Server]:
    return {api.name: shop.start(MERCHANT_API_KEY=KEY, **api.environ) for api in (V2_HMAC, V3)}


@pytest.fixture
def server(servers: dict[str, Server], simulator: Simulator) -> Server:
    return servers[V3.name]


def call(server: Server, made: dict[str, Any], verb: str = "") -> httpx.Response:
    path = f"/merchant/orders/{made['order_no']}/refunds/{made['refund_no']}"
    method, path = ("POST", path + verb) if verb else ("GET", path)
    return server.http.request(method, path, headers={"Authorization": f"Bearer {KEY}"})


def time_goes_on(server: Server) -> None:
    server.simulator.post("clock", advance_seconds=10)
    eventually(server.simulator.quiet)


def abnormal(server: Server, **more: Any) -> dict[str, Any]:
    server.expect_log("discrepancy kind=ABNORMAL_REFUND")
    buyer = Buyer(server)
    order_no = buyer.order("latte")["order_no"]
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")
    server.simulator.put("refunds", {"next": "ABNORMAL"})
    made = refund(server, order_no, 2800, **more).json()
    time_goes_on(server)
    eventually(lambda: call(server, made).json()["status"] == "abnormal")
    return dict(made)


def row(shop: Fleet, made: dict[str, Any]) -> tuple[Any, ...]:
    """State of the refund, and what of its payment is held and refunded."""
    joined = "refunds r JOIN payments p ON p.id = r.payment_id"
    where = f"r.out_refund_no = '{made['out_refund_no']}'"
    return tuple(shop.tables.rows(f"SELECT r.state, p.held_fen, p.refunded_fen FROM {joined} WHERE {where}")[0])


def test_it_keeps_its_money_and_ends_well_when_it_was_resolved(server: Server, shop: Fleet) -> None:
    made = abnormal(server, refund_no="R-abnormal")
    assert row(shop, made) == ("ABNORMAL", 2800, 0)
    assert refund(server, made["order_no"], 1).json()["error"]["code"] == "refund_exceeds_payment"
    resolved = call(server, made, "/resolve")
    assert (resolved.status_code, resolved.json()["status"]) == (200, "abnormal")
    time_goes_on(server)
    eventually(lambda: call(server, made).json()["status"] == "success")
    assert row(shop, made) == ("SUCCESS", 2800, 2800)


def test_an_operator_resolves_it_on_the_orders_page(server: Server, shop: Fleet) -> None:
    made, person = abnormal(server), Person.first(server, "abnormal")
    page = person.get(f"/ops/orders/{made['order_no']}").text
    (action,) = re.findall(r'action="(/ops/orders/[^"]+/to-card)"', page)
    assert person.post(action).status_code == 403
    assert person.confirm(action).headers["Location"] == f"/ops/orders/{made['order_no']}"
    time_goes_on(server)
    eventually(lambda: row(shop, made)[0] == "SUCCESS")
    page = person.get(f"/ops/orders/{made['order_no']}").text
    assert "/to-card" not in page
    assert "refund to card" in page


def test_the_operator_resolves_it_by_either_number(server: Server, shop: Fleet) -> None:
    made = abnormal(server)
    done = command(server.environ, "resolve-abnormal", made["order_no"], made["out_refund_no"])
    assert (done.returncode, done.stdout) == (0, f"{made['out_refund_no']}: 2800 fen, abnormal\n")
    again = command(server.environ, "resolve-abnormal", made["order_no"], made["out_refund_no"])
    assert again.returncode == 1
    said = again.stderr.splitlines()[-1]  # by WeChat, or by us if the money has gone meanwhile
    assert said.startswith(("resolve-abnormal: WeChat Pay refused", "resolve-abnormal: Only a refund that is abnormal"))
    time_goes_on(server)
    eventually(lambda: row(shop, made)[0] == "SUCCESS")


def test_what_became_of_it_is_asked_when_the_answer_was_lost(server: Server, shop: Fleet) -> None:
    """Neither the answer nor a notification arrives; the refund job finds out, within a minute of the question."""
    made = abnormal(server)
    this = f"WHERE out_refund_no = '{made['out_refund_no']}'"
    shop.tables.change(f"UPDATE refunds SET asked = 9, ask_at = ask_at + 100000 {this}")
    lost = {"op": "v3.refund_abnormal", "fault": "drop_reply_after_commit"}
    server.simulator.put("faults", {"seed": 1, "rules": [lost, *SILENCE]})
    answer = call(server, made, "/resolve")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_uncertain")
    assert row(shop, made) == ("ABNORMAL", 2800, 0)
    time_goes_on(server)
    assert shop.tables.one(f"SELECT asked FROM refunds {this}") == 0
    shop.tables.change(f"UPDATE refunds SET ask_at = ask_at - 60 {this}")
    eventually(lambda: row(shop, made) == ("SUCCESS", 2800, 2800))


def test_any_other_refund_is_left_alone(server: Server) -> None:
    buyer = Buyer(server)
    order_no = buyer.order("latte")["order_no"]
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")
    made = refund(server, order_no, 100).json()
    assert call(server, made, "/resolve").json()["error"]["code"] == "refund_not_abnormal"
    assert call(server, {**made, "refund_no": "RF-none"}, "/resolve").json()["error"]["code"] == "refund_not_found"
    assert server.http.post(f"/merchant/orders/{order_no}/refunds/x/resolve").status_code == 401
    asked = [each for each in server.simulator.get("exchanges")["exchanges"] if each["op"] == "v3.refund_abnormal"]
    assert not [each for each in asked if made["out_refund_no"] in each["request"]["body"]]


def test_v2_has_no_such_call(servers: dict[str, Server], simulator: Simulator, shop: Fleet) -> None:
    server = servers[V2_HMAC.name]
    made = abnormal(server)
    answer = call(server, made, "/resolve")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "only_on_merchant_platform")
    assert row(shop, made) == ("ABNORMAL", 2800, 0)
