"""An order from its making to its end, on both databases: made once, collected once, closed only when WeChat agrees."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.fleet import Trio
from tests.harness import APIS, NO_TLS, V2_HMAC, V2_MD5, V3, Api, Buyer, Server, Simulator
from tests.processes import eventually
from tests.sale import Sale, attempts

BY_API = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
OF_V2 = pytest.mark.parametrize("api", [V2_MD5, V2_HMAC], ids=lambda api: api.name)
LATTE = [{"product_id": "latte", "quantity": 1}]


@pytest.fixture(autouse=True)
def _quiet(simulator: Simulator) -> None:
    """Every test begins and ends without faults."""


def make(buyer: Buyer, key: str, items: Any = None, server: Server | None = None) -> httpx.Response:
    at = (server or buyer.server).url + "/api/orders"
    headers = {**buyer.headers, "Idempotency-Key": key}
    return httpx.post(at, json={"items": items or LATTE}, headers=headers, timeout=15, verify=NO_TLS)


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def action(sale: Sale, name: str) -> httpx.Response:
    return sale.buyer.call("POST", f"/api/orders/{sale.order_no}/{name}")


def state(sale: Sale) -> tuple[str, str]:
    """Of the order and of its first attempt."""
    joined = "orders o JOIN transactions t ON t.order_id = o.id"
    sql = f"SELECT o.state, t.state FROM {joined} WHERE t.out_trade_no = '{sale.out_trade_no}'"
    return sale.tables.rows(sql)[0]


def aged(sale: Sale, seconds: int = 301) -> None:
    """v2 lets an order be closed five minutes after it was made: nobody waits that long in a test."""
    made = f"created_at = created_at - {seconds}, ask_at = created_at"
    sale.tables.change(f"UPDATE transactions SET {made} WHERE out_trade_no = '{sale.out_trade_no}'")


# --- made once ---


def test_the_same_key_and_body_are_the_same_order(trio: Trio) -> None:
    buyer, key = Buyer(trio[V3.name]), uuid.uuid4().hex
    first, again = make(buyer, key), make(buyer, key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    spaced = b'{ "items" : [ { "quantity" : 1 , "product_id" : "latte" } ] }'
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    assert buyer.call("POST", "/api/orders", content=spaced, headers=headers).json() == first.json()
    assert len(buyer.call("GET", "/api/orders").json()["orders"]) == 1


def test_the_same_key_with_another_body_is_refused(trio: Trio) -> None:
    buyer, key = Buyer(trio[V3.name]), uuid.uuid4().hex
    assert make(buyer, key).status_code == 201
    for items in ([{"product_id": "latte", "quantity": 2}], LATTE * 2, [{"product_id": "americano", "quantity": 1}]):
        assert code(make(buyer, key, items)) == (409, "idempotency_key_reused")
    assert len(buyer.call("GET", "/api/orders").json()["orders"]) == 1


def test_the_same_key_of_two_users_are_two_orders(trio: Trio) -> None:
    key = uuid.uuid4().hex
    made = [make(Buyer(trio[V3.name]), key) for _ in range(2)]
    assert [reply.status_code for reply in made] == [201, 201]
    assert made[0].json()["order_no"] != made[1].json()["order_no"]


def test_the_same_key_thirty_times_at_once_over_three_processes(trio: Trio) -> None:
    buyer, key = Buyer(trio[V3.name]), uuid.uuid4().hex
    with ThreadPoolExecutor(15) as pool:
        made = list(pool.map(lambda i: make(buyer, key, server=trio.servers[i % 3]), range(30)))
    assert sorted(reply.status_code for reply in made) == [200] * 29 + [201]
    assert len({reply.json()["order_no"] for reply in made}) == 1
    assert len(buyer.call("GET", "/api/orders").json()["orders"]) == 1


def test_the_list_has_the_users_own_orders_newest_first(trio: Trio) -> None:
    buyer, other = Buyer(trio[V3.name]), Buyer(trio[V3.name])
    mine = [buyer.order("latte")["order_no"], buyer.order("americano")["order_no"]]
    theirs = other.order("latte")["order_no"]
    orders = buyer.call("GET", "/api/orders").json()["orders"]
    assert [order["order_no"] for order in orders] == mine[::-1]
    assert orders[0] == buyer.read(mine[1])
    assert [order["order_no"] for order in other.call("GET", "/api/orders").json()["orders"]] == [theirs]


# --- collected once ---


@BY_API
def test_a_tap_on_pay_by_thirty_fingers_is_one_attempt(trio: Trio, api: Api) -> None:
    """Over three processes, which would each begin in another way."""
    buyer = Buyer(trio[api.name])
    order_no = buyer.order("latte")["order_no"]

    def tap(index: int) -> httpx.Response:
        url = f"{trio.servers[index % 3].url}/api/orders/{order_no}/pay"
        return httpx.post(url, headers=buyer.headers, timeout=15, verify=NO_TLS)

    with ThreadPoolExecutor(15) as pool:
        taps = list(pool.map(tap, range(30)))
    assert {reply.status_code for reply in taps} == {200}
    assert len({reply.json()["package"] for reply in taps}) == 1
    assert len({reply.json()["paySign"] for reply in taps}) == 30
    assert len(attempts(trio.tables, order_no)) == 1
    assert buyer.cashier(taps[7].json()) == "requestPayment:ok"
    buyer.becomes(order_no, "paid")


@BY_API
def test_an_order_that_is_paid_cannot_be_paid_or_closed(trio: Trio, api: Api) -> None:
    sale = Sale.unnoticed(trio[api.name], trio.tables)
    assert sale.notify()[1] == "acknowledged"
    assert code(action(sale, "pay")) == (409, "order_paid")
    assert code(action(sale, "close")) == (409, "order_paid")
    assert action(sale, "sync").json()["status"] == "paid"
    assert state(sale) == ("PAID", "PAID")


@BY_API
def test_paid_at_wechat_and_not_known_here(trio: Trio, api: Api) -> None:
    """Another tap on "pay" hands the stored prepay_id out, and WeChat's client refuses it."""
    sale = Sale.unnoticed(trio[api.name], trio.tables)
    again = sale.buyer.prepay(sale.order_no)
    assert sale.buyer.cashier(again) == "requestPayment:fail 该订单已支付"
    # After two hours the prepay_id is asked for anew, and the refusal tells that the order is paid.
    trio.tables.change(
        f"UPDATE transactions SET prepaid_at = prepaid_at - 7200 WHERE out_trade_no = '{sale.out_trade_no}'"
    )
    assert code(action(sale, "pay")) == (409, "order_paid")
    assert sale.money() == [("APPLIED", "query", 2800)]


@BY_API
def test_a_prepay_id_of_two_hours_is_asked_for_again_with_the_same_parameters(trio: Trio, api: Api) -> None:
    """Invariant 12 compares what was sent, at the end of the module."""
    sale = Sale.begun(trio[api.name], trio.tables)
    trio.tables.change(
        f"UPDATE transactions SET prepaid_at = prepaid_at - 7200 WHERE out_trade_no = '{sale.out_trade_no}'"
    )
    assert sale.buyer.cashier(sale.buyer.prepay(sale.order_no)) == "requestPayment:ok"
    sale.buyer.becomes(sale.order_no, "paid")
    exchanges = sale.simulator.get("exchanges")["exchanges"]
    asked = [e for e in exchanges if e["op"].endswith(".prepay") and sale.out_trade_no in e["request"]["body"]]
    assert len(asked) == 2


@BY_API
def test_a_number_that_was_closed_elsewhere_is_followed_by_a_new_one(trio: Trio, api: Api) -> None:
    """Somebody closed it on the merchant platform: seen when a prepay_id is asked for, proven by a query."""
    sale = Sale.begun(trio[api.name], trio.tables)
    sale.at_wechat("closeorder")
    trio.tables.change(
        f"UPDATE transactions SET prepaid_at = prepaid_at - 7200 WHERE out_trade_no = '{sale.out_trade_no}'"
    )
    assert sale.buyer.cashier(sale.buyer.prepay(sale.order_no)) == "requestPayment:ok"
    sale.buyer.becomes(sale.order_no, "paid")
    first, second = attempts(trio.tables, sale.order_no)
    assert first == sale.out_trade_no != second
    assert state(sale) == ("PAID", "CLOSED")
    assert trio.tables.one(f"SELECT close_proof FROM transactions WHERE out_trade_no = '{first}'") == "query:CLOSED"


@BY_API
def test_a_client_that_claims_to_have_paid_only_makes_the_server_ask(trio: Trio, api: Api) -> None:
    sale = Sale.begun(trio[api.name], trio.tables)
    assert action(sale, "sync").json()["status"] == "pending"
    claim = sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync", json={"errMsg": "requestPayment:ok"})
    assert code(claim) == (400, "invalid_field")
    assert (sale.money(), state(sale)) == ([], ("PAYING", "PREPAID"))


# --- closed when WeChat agrees ---


def test_an_order_nobody_tried_to_pay_closes_at_once(trio: Trio) -> None:
    buyer = Buyer(trio[V3.name])
    order_no = buyer.order("latte")["order_no"]
    for _ in range(2):
        reply = buyer.call("POST", f"/api/orders/{order_no}/close")
        assert (reply.status_code, reply.json()["status"]) == (200, "closed")
    assert code(buyer.call("POST", f"/api/orders/{order_no}/pay")) == (409, "order_closed")


def test_v3_closes_at_once_and_at_wechat_too(trio: Trio) -> None:
    sale = Sale.begun(trio[V3.name], trio.tables)
    handed_out = sale.buyer.prepay(sale.order_no)
    for _ in range(2):
        assert action(sale, "close").json()["status"] == "closed"
    assert sale.trade_state == "CLOSED"
    assert sale.buyer.cashier(handed_out) == "requestPayment:fail 该订单已关闭"
    assert code(action(sale, "pay")) == (409, "order_closed")
    assert state(sale) == ("CLOSED", "CLOSED")


@OF_V2
def test_v2_waits_until_wechat_lets_it_close(trio: Trio, api: Api) -> None:
    sale = Sale.begun(trio[api.name], trio.tables)
    assert action(sale, "close").json()["status"] == "pending"
    assert code(action(sale, "pay")) == (409, "order_closing")
    assert (state(sale), sale.trade_state) == (("CLOSING", "CLOSING"), "NOTPAY")
    aged(sale)
    sale.buyer.becomes(sale.order_no, "closed")
    assert (state(sale), sale.trade_state) == (("CLOSED", "CLOSED"), "CLOSED")


@OF_V2
def test_money_that_comes_while_closing_is_taken(trio: Trio, api: Api) -> None:
    """The parameters were handed out before the close: WeChat may still take the money."""
    sale = Sale.begun(trio[api.name], trio.tables)
    handed_out = sale.buyer.prepay(sale.order_no)
    assert action(sale, "close").json()["status"] == "pending"
    assert sale.buyer.cashier(handed_out) == "requestPayment:ok"
    sale.buyer.becomes(sale.order_no, "paid")
    assert sale.money() == [("APPLIED", "notification", 2800)]
    assert sale.fulfilments() == 1


@BY_API
def test_a_close_of_what_was_paid_finds_the_money(trio: Trio, api: Api) -> None:
    sale = Sale.unnoticed(trio[api.name], trio.tables)
    aged(sale)
    assert code(action(sale, "close")) == (409, "order_paid")
    assert (sale.buyer.status(sale.order_no), sale.trade_state) == ("paid", "SUCCESS")
    assert sale.money() == [("APPLIED", "query", 2800)]


@OF_V2
def test_a_close_too_early_for_v2_finds_the_money_all_the_same(trio: Trio, api: Api) -> None:
    sale = Sale.unnoticed(trio[api.name], trio.tables)
    assert code(action(sale, "close")) == (409, "order_paid")
    assert sale.money() == [("APPLIED", "query", 2800)]


@pytest.mark.parametrize("times", [2, 10])
def test_close_and_pay_at_once(trio: Trio, simulator: Simulator, times: int) -> None:
    """Whoever wins: closed and unpayable, or paid; never closed and paid. The invariants look once more."""
    sales = [Sale.begun(trio[V3.name], trio.tables) for _ in range(times)]
    handed_out = [sale.buyer.prepay(sale.order_no) for sale in sales]
    with ThreadPoolExecutor(2 * times) as pool:
        paid = [pool.submit(sale.buyer.cashier, given) for sale, given in zip(sales, handed_out, strict=True)]
        closed = [pool.submit(action, sale, "close") for sale in sales]
    for sale, payment, close in zip(sales, paid, closed, strict=True):
        won = payment.result() == "requestPayment:ok"
        assert close.result().status_code == (409 if won else 200)
        assert sale.buyer.status(sale.order_no) == ("paid" if won else "closed")
        assert sale.trade_state == ("SUCCESS" if won else "CLOSED")


# --- not paid in time ---


def expire(sale: Sale) -> None:
    sale.tables.change(f"UPDATE orders SET expires_at = created_at - 1 WHERE order_no = '{sale.order_no}'")


def test_expired_orders_are_closed_at_wechat_by_the_job(trio: Trio, simulator: Simulator) -> None:
    """One of each API, and one that was paid in time without our knowing."""
    sales = [Sale.begun(server, trio.tables) for server in trio.servers]
    paid = Sale.unnoticed(trio[V3.name], trio.tables)
    for sale in (*sales, paid):
        aged(sale)
        expire(sale)
        assert code(action(sale, "pay"))[1] in ("order_expired", "order_closing", "order_closed", "order_paid")
    for sale in sales:
        sale.buyer.becomes(sale.order_no, "closed")
        assert (state(sale), sale.trade_state) == (("CLOSED", "CLOSED"), "CLOSED")
    paid.buyer.becomes(paid.order_no, "paid")
    assert paid.trade_state == "SUCCESS"


def test_an_order_that_nobody_tried_to_pay_expires(trio: Trio) -> None:
    buyer = Buyer(trio[V3.name])
    order_no = buyer.order("latte")["order_no"]
    trio.tables.change(f"UPDATE orders SET expires_at = created_at - 1 WHERE order_no = '{order_no}'")
    eventually(lambda: buyer.status(order_no) == "closed")
    log = trio.tables.rows(f"SELECT to_state, actor FROM state_log WHERE entity_id = '{order_no}' ORDER BY seq")
    assert log == [("CREATED", "user"), ("CLOSED", "expiry")]
