"""A gateway that fails: the outcome is unknown, never "failed"; the number stays, and the same number succeeds later
(money.md F1 to F10)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.fleet import Fleet, Trio
from tests.harness import APIS, V2_HMAC, V2_MD5, V3, Api, Buyer, Simulator
from tests.processes import eventually
from tests.sale import Sale, attempts

BY_API = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
FAULTS = (
    "drop_before",
    "drop_reply_after_commit",
    "http_500_before",
    "http_500_after",
    "system_error",
    "html",
    "empty",
    "truncate",
    "huge_body",
    "redirect",
    "unsigned",
    "bad_signature",
    "tamper",
)
CASES = [
    *((api, fault) for api in APIS for fault in FAULTS),
    *((V3, fault) for fault in ("signtest", "stale", "wrong_serial")),
]
# The 204 of a v3 close has no body that could be cut, filled up or changed.
CLOSE_CASES = [case for case in CASES if case[0] is not V3 or case[1] not in ("truncate", "huge_body", "tamper")]


def by_case(cases: list[tuple[Api, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("api", "fault"), cases, ids=[f"{api.name}-{fault}" for api, fault in cases])


def rule(api: Api, operation: str, fault: str, **more: object) -> dict[str, object]:
    """Strikes every time, unless ``count`` says otherwise. Two megabytes are more than the transport takes."""
    return {"op": f"{api.generation}.{operation}", "fault": fault, "bytes": 2_000_000, **more}


def refusal(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def state(trio: Fleet, order_no: str) -> str:
    joined = "transactions t JOIN orders o ON o.id = t.order_id"
    return str(trio.tables.one(f"SELECT t.state FROM {joined} WHERE o.order_no = '{order_no}'"))


@pytest.fixture
def trio(sqlite_trio: Trio, simulator: Simulator) -> Trio:
    return sqlite_trio


# --- prepay ---


@by_case(CASES)
def test_a_prepay_without_an_answer_to_trust(trio: Trio, api: Api, fault: str, simulator: Simulator) -> None:
    buyer = Buyer(trio[api.name])
    order_no = buyer.order("latte")["order_no"]
    simulator.put("faults", [rule(api, "prepay", fault, field="prepay_id" if fault == "tamper" else "")])
    reply = buyer.call("POST", f"/api/orders/{order_no}/pay")
    assert refusal(reply) == (503, "gateway_uncertain")
    assert reply.headers["Retry-After"] == "1"
    assert state(trio, order_no) == "UNKNOWN"
    assert buyer.status(order_no) == "pending"
    simulator.clear_faults()
    assert buyer.cashier(buyer.prepay(order_no)) == "requestPayment:ok"
    buyer.becomes(order_no, "paid")
    assert len(attempts(trio.tables, order_no)) == 1


@BY_API
@pytest.mark.parametrize("fault", ["drop_reply_after_commit", "http_500_after", "bad_signature"])
def test_one_lost_answer_is_asked_for_again_at_once(trio: Trio, api: Api, fault: str, simulator: Simulator) -> None:
    buyer = Buyer(trio[api.name])
    order_no = buyer.order("latte")["order_no"]
    simulator.put("faults", [rule(api, "prepay", fault, count=1)])
    assert buyer.cashier(buyer.prepay(order_no)) == "requestPayment:ok"
    buyer.becomes(order_no, "paid")
    assert len(attempts(trio.tables, order_no)) == 1


@pytest.mark.parametrize("api", [V2_MD5, V3], ids=lambda api: api.name)
def test_a_gateway_that_asks_to_slow_down(trio: Trio, api: Api, simulator: Simulator) -> None:
    buyer = Buyer(trio[api.name])
    order_no = buyer.order("latte")["order_no"]
    simulator.put("faults", [rule(api, "prepay", "frequency_limited")])
    assert refusal(buyer.call("POST", f"/api/orders/{order_no}/pay")) == (503, "gateway_busy")
    assert state(trio, order_no) == "PREPARED"
    simulator.clear_faults()
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")


@BY_API
def test_an_attempt_that_never_arrived_can_be_closed(trio: Trio, api: Api, simulator: Simulator) -> None:
    """WeChat knows no such order, and nobody holds parameters to pay it with: that is proof (money.md part 1), once no
    request for them can be under way any more."""
    buyer = Buyer(trio[api.name])
    order_no = buyer.order("latte")["order_no"]
    simulator.put("faults", [rule(api, "prepay", "drop_before")])
    assert refusal(buyer.call("POST", f"/api/orders/{order_no}/pay")) == (503, "gateway_uncertain")
    simulator.clear_faults()
    assert buyer.call("POST", f"/api/orders/{order_no}/close").json()["status"] == "pending"
    joined = "transactions t JOIN orders o ON o.id = t.order_id"
    number = trio.tables.one(f"SELECT t.out_trade_no FROM {joined} WHERE o.order_no = '{order_no}'")
    trio.tables.change(f"UPDATE state_log SET at = at - 30 WHERE entity_id = '{number}'")
    trio.tables.change(f"UPDATE transactions SET ask_at = 1 WHERE out_trade_no = '{number}'")
    buyer.becomes(order_no, "closed")
    proof = trio.tables.one(f"SELECT t.close_proof FROM {joined} WHERE o.order_no = '{order_no}'")
    assert proof == "query:NEVER_EXISTED"


# --- query ---


@by_case(CASES)
def test_a_query_without_an_answer_to_trust(trio: Trio, api: Api, fault: str, simulator: Simulator) -> None:
    sale = Sale.unnoticed(trio[api.name], trio.tables)
    silent = {"op": "notify*", "fault": "drop"}
    simulator.put("faults", [silent, rule(api, "query", fault, field="transaction_id" if fault == "tamper" else "")])
    reply = sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync")
    assert refusal(reply) == (503, "gateway_uncertain")
    assert (sale.money(), state(trio, sale.order_no)) == ([], "PREPAID")
    simulator.put("faults", [silent])
    assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync").json()["status"] == "paid"


@BY_API
@pytest.mark.parametrize("told", ["SUCCESS", "CLOSED", "REFUND"])
def test_a_query_answer_that_somebody_changed_moves_nothing(
    trio: Trio, api: Api, told: str, simulator: Simulator
) -> None:
    sale = Sale.begun(trio[api.name], trio.tables)
    simulator.put("faults", [rule(api, "query", "tamper", field="trade_state", value=told)])
    assert refusal(sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync")) == (503, "gateway_uncertain")
    assert (sale.money(), state(trio, sale.order_no)) == ([], "PREPAID")


# --- close ---


@by_case(CLOSE_CASES)
def test_a_close_without_an_answer_to_trust(trio: Trio, api: Api, fault: str, simulator: Simulator) -> None:
    """It stays pending, is never handed out again, and is closed once WeChat can be believed."""
    sale = Sale.begun(trio[api.name], trio.tables)
    mine = f"WHERE out_trade_no = '{sale.out_trade_no}'"
    trio.tables.change(f"UPDATE transactions SET created_at = created_at - 301 {mine}")  # v2 wants five minutes
    simulator.put("faults", [rule(api, "close", fault)])
    assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/close").json()["status"] == "pending"
    assert state(trio, sale.order_no) == "CLOSING"
    assert refusal(sale.buyer.call("POST", f"/api/orders/{sale.order_no}/pay")) == (409, "order_closing")
    simulator.clear_faults()
    assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/close").json()["status"] == "closed"
    assert sale.trade_state == "CLOSED"


# --- away ---


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Fleet]:
    """A gateway of its own, which can be stopped, and three servers."""
    gateway = Simulator(tmp_path, data=tmp_path / "gateway")
    with Trio(tmp_path, gateway, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        fleet.open().settle()
        yield fleet
    gateway.close()


def test_a_gateway_that_is_away_and_comes_back(lonely: Trio) -> None:
    sales = [Sale.begun(lonely[api.name], lonely.tables) for api in (V2_HMAC, V3)]
    buyers = [Buyer(lonely[api.name]) for api in APIS]
    orders = [buyer.order("latte")["order_no"] for buyer in buyers]
    lonely.simulator.stop()
    for buyer, order_no in zip(buyers, orders, strict=True):
        # Certainly not sent; or, over a kept connection that died under it, nobody knows.
        status, code = refusal(buyer.call("POST", f"/api/orders/{order_no}/pay"))
        expected = {"gateway_unreachable": "PREPARED", "gateway_uncertain": "UNKNOWN"}
        assert (status, state(lonely, order_no)) == (503, expected[code])
        assert refusal(buyer.call("POST", f"/api/orders/{order_no}/sync"))[0] == 503
    kept = [attempts(lonely.tables, order_no) for order_no in orders]
    for sale in sales:
        assert sale.buyer.prepay(sale.order_no)  # signed here, without a word to WeChat
        assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/close").json()["status"] == "pending"
    server = lonely[V3.name]
    assert refusal(server.http.post("/api/login", json={"code": "any"})) == (503, "login_unreachable")
    assert len(server.http.get("/api/products").json()["products"]) == 12
    assert server.http.get("/readyz").status_code == 200
    lonely.simulator.start()
    for buyer, order_no in zip(buyers, orders, strict=True):
        path = f"/api/orders/{order_no}/pay"  # a host that was not reached ten times is left alone for two seconds
        eventually(lambda buyer=buyer, path=path: buyer.call("POST", path).status_code == 200)
        buyer.pay(order_no)
        buyer.becomes(order_no, "paid")
    assert [attempts(lonely.tables, order_no) for order_no in orders] == kept
    lonely.tables.change("UPDATE transactions SET created_at = created_at - 301, ask_at = 1 WHERE state = 'CLOSING'")
    for sale in sales:
        eventually(lambda sale=sale: sale.buyer.status(sale.order_no) == "closed")


def test_a_gateway_that_knows_nothing_of_what_was_handed_out(tmp_path: Path) -> None:
    """ "No such order" is proof only while nobody holds parameters: here the buyer does, so the order stays open."""
    with (
        closing(Simulator(tmp_path, data=tmp_path / "gateway")) as gateway,
        Fleet(tmp_path, gateway, f"sqlite:///{tmp_path / 'pay.db'}") as fleet,
    ):
        sale = Sale.begun(fleet.start(**V3.environ), fleet.tables)
        fleet.settle()
        gateway.stop()
        (tmp_path / "gateway" / "ledger.jsonl").unlink()
        gateway.start()
        assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/close").json()["status"] == "pending"
        assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync").json()["status"] == "pending"
        assert state(fleet, sale.order_no) == "CLOSING"
