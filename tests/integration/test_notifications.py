"""Authentic notifications, and what is made of them (money.md F16 to F24; issue 2, "What must be shown" 6 and 7)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.fleet import Trio
from tests.harness import APIS, V2_HMAC, V2_MD5, V3, Api, Simulator
from tests.processes import eventually
from tests.sale import Sale, acknowledged
from tests.wire import send, send_all

BY_API = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
TAKEN = {"v2": (200, "acknowledged"), "v3": (204, "acknowledged")}
LATTE = 2800


@pytest.fixture
def sale(trio: Trio, api: Api, simulator: Simulator) -> Sale:
    return Sale.unnoticed(trio[api.name], trio.tables)


# --- the ordinary way, many times ---


@BY_API
def test_a_thousand_at_once_over_three_processes_are_one_payment(trio: Trio, sale: Sale) -> None:
    notice = sale.notice()
    ports = [server.port for server in trio.servers]
    answers = send_all(ports, [notice.raw()] * 1000, connections=1000)
    assert sum(acknowledged(answer) for answer in answers) == 1000
    assert sale.buyer.status(sale.order_no) == "paid"
    assert sale.money() == [("APPLIED", "notification", LATTE)]
    assert sale.fulfilments() == 1
    assert sale.flags() == []
    assert len(inbox(sale)) == 1


@BY_API
def test_a_repeat_is_acknowledged_and_changes_nothing(trio: Trio, api: Api, sale: Sale) -> None:
    notice = sale.notice()
    assert acknowledged(send(trio[api.name].port, notice.raw()))
    before = inbox(sale), sale.money(), story(sale)
    assert acknowledged(send(trio[api.name].port, notice.raw()))
    assert (inbox(sale), sale.money(), story(sale)) == before
    assert sale.notify() == TAKEN[api.generation]  # signed anew, v3 also under another id
    assert (inbox(sale)[0], sale.money(), story(sale)) == (before[0][0], *before[1:])
    assert sale.fulfilments() == 1


def inbox(sale: Sale) -> list[tuple[Any, ...]]:
    return sale.tables.rows(f"SELECT * FROM notifications WHERE report LIKE '%{sale.out_trade_no}%' ORDER BY id")


def story(sale: Sale) -> list[tuple[Any, ...]]:
    """Every move of the order and of its attempt."""
    numbers = f"('{sale.order_no}', '{sale.out_trade_no}')"
    return sale.tables.rows(f"SELECT * FROM state_log WHERE entity_id IN {numbers} ORDER BY id")


@BY_API
def test_a_coupon_leaves_the_amount_of_the_order(trio: Trio, api: Api, simulator: Simulator) -> None:
    """The order's amount counts, not what the user paid after coupons (v2.md 13, v3.md 11)."""
    sale = Sale.begun(trio[api.name], trio.tables)
    payment = sale.buyer.prepay(sale.order_no)
    assert simulator.post("pay", **payment, coupon_fen=800)["errMsg"] == "requestPayment:ok"
    sale.buyer.becomes(sale.order_no, "paid")
    assert sale.money() == [("APPLIED", "notification", LATTE)]


# --- the true key, and something wrong ---


@BY_API
@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 1},
        {"amount": LATTE + 1},
        {"currency": "USD"},
        {"appid": "wxsim0000000000000"},
        {"mchid": "1900000000"},
    ],
    ids=["less", "more", "currency", "appid", "mchid"],
)
def test_what_does_not_fit_is_recorded_flagged_and_acknowledged(
    trio: Trio, api: Api, sale: Sale, wrong: dict[str, Any]
) -> None:
    trio.expect_log(rf"kind=(MISMATCH|CONTRADICTION) ref={sale.transaction_id}")
    assert sale.notify(override=wrong) == TAKEN[api.generation]
    assert sale.buyer.status(sale.order_no) == "pending"
    assert sale.money() == [("MISMATCH", "notification", wrong.get("amount", LATTE))]
    assert sale.flags() == ["MISMATCH"]
    assert sale.fulfilments() == 0


@BY_API
def test_the_truth_about_a_payment_that_was_misreported_waits_for_a_person(trio: Trio, api: Api, sale: Sale) -> None:
    trio.expect_log(rf"kind=(MISMATCH|CONTRADICTION) ref={sale.transaction_id}")
    assert sale.notify(override={"amount": 1}) == TAKEN[api.generation]
    assert sale.notify() == TAKEN[api.generation]
    assert sale.flags() == ["MISMATCH", "CONTRADICTION"]
    assert sale.buyer.status(sale.order_no) == "pending"
    assert sale.fulfilments() == 0


@BY_API
def test_a_payment_of_an_order_that_is_not_ours_is_recorded_flagged_and_acknowledged(
    trio: Trio, api: Api, simulator: Simulator
) -> None:
    """Signed with our own key, about a number that we never gave out."""
    server, number, paid = (
        trio[api.name],
        f"SHOP2{api.adapter[-2:]}{uuid.uuid4().hex[:12]}",
        f"43{uuid.uuid4().hex[:26]}",
    )
    trio.invented.add(paid)
    trio.expect_log(rf"kind=UNKNOWN_ORDER ref={paid} order=-")
    wish = {"out_trade_no": number, "api": api.generation, "override": {"transaction_id": paid}}
    sent = simulator.post("notify", **wish, url=f"{server.url}/notify/{api.adapter}/payment")["results"][0]
    assert (sent["status"], sent["result"]) == TAKEN[api.generation]
    sql = f"SELECT disposition, order_id, out_trade_no FROM payments WHERE provider_transaction_id = '{paid}'"
    assert trio.tables.rows(sql) == [("UNKNOWN_ORDER", None, number)]
    sql = f"SELECT kind, state FROM discrepancies WHERE ref = '{paid}'"
    assert trio.tables.rows(sql) == [("UNKNOWN_ORDER", "OPEN")]


@BY_API
def test_another_payer_pays_all_the_same(trio: Trio, api: Api, sale: Sale) -> None:
    trio.expect_log(rf"kind=OTHER_PAYER ref={sale.transaction_id}")
    assert sale.notify(override={"openid": "oSomebodyElse00000000000000"}) == TAKEN[api.generation]
    assert sale.buyer.status(sale.order_no) == "paid"
    assert sale.money() == [("APPLIED", "notification", LATTE)]
    assert sale.flags() == ["OTHER_PAYER"]
    assert sale.fulfilments() == 1


@BY_API
def test_a_second_transaction_of_one_order_is_kept_apart(trio: Trio, api: Api, sale: Sale) -> None:
    second = f"4200{sale.out_trade_no[-16:]}"
    trio.invented.add(second)
    trio.expect_log(rf"kind=DUPLICATE ref={second}")
    assert sale.notify() == TAKEN[api.generation]
    assert sale.notify(override={"transaction_id": second}) == TAKEN[api.generation]
    assert sale.money() == [("APPLIED", "notification", LATTE), ("DUPLICATE", "notification", LATTE)]
    assert sale.flags() == ["DUPLICATE"]
    assert sale.fulfilments() == 1
    assert sale.buyer.status(sale.order_no) == "paid"


@BY_API
def test_money_after_the_close_is_kept_and_never_fulfilled(trio: Trio, api: Api, simulator: Simulator) -> None:
    """Cannot happen while WeChat keeps its word that a closed order takes no money; here it is made to say so."""
    sale = Sale.begun(trio[api.name], trio.tables)
    # v2 may be closed five minutes after the order: the attempt is made that old.
    trio.tables.change(
        f"UPDATE transactions SET created_at = created_at - 301 WHERE out_trade_no = '{sale.out_trade_no}'"
    )
    assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/close").json()["status"] == "closed"
    late = f"4299{sale.out_trade_no[-16:]}"
    trio.invented.add(late)
    trio.expect_log(rf"kind=PAID_LATE ref={late}")
    assert sale.notify(override={"transaction_id": late}) == TAKEN[api.generation]
    assert sale.buyer.read(sale.order_no)["status"] == "closed"
    assert sale.buyer.read(sale.order_no)["paid_at"] is None
    assert trio.tables.one(f"SELECT state FROM orders WHERE order_no = '{sale.order_no}'") == "PAID_LATE"
    assert sale.money() == [("APPLIED", "notification", LATTE)]
    assert sale.flags() == ["PAID_LATE"]
    assert sale.fulfilments() == 0


@BY_API
def test_what_is_no_success_pays_nothing(trio: Trio, api: Api, sale: Sale) -> None:
    """Signed and well formed: that alone is not "paid"."""
    for state in ("NOTPAY", "USERPAYING", "PAYERROR"):
        assert sale.notify(override={"state": state}) == TAKEN[api.generation]
    assert sale.money() == []
    assert sale.buyer.status(sale.order_no) == "pending"


def test_events_of_v3_that_are_none_of_ours_are_kept_and_ignored(trio: Trio, simulator: Simulator) -> None:
    sale = Sale.unnoticed(trio[V3.name], trio.tables)
    assert sale.notify(envelope={"event_type": "COUPON.USE"}) == TAKEN["v3"]
    assert sale.notify(envelope={"resource": {"original_type": "profitsharing"}}) == TAKEN["v3"]
    assert trio.tables.one("SELECT COUNT(*) FROM notifications WHERE kind = 'other' AND report = '{}'") >= 2
    assert sale.money() == []


def test_a_state_of_v3_that_nobody_has_seen_raises_an_alarm(trio: Trio, simulator: Simulator) -> None:
    sale = Sale.unnoticed(trio[V3.name], trio.tables)
    trio.expect_log(rf"kind=UNSEEN_STATE ref={sale.out_trade_no}")
    assert sale.notify(override={"state": "TELEPORTED"}) == TAKEN["v3"]
    assert (sale.money(), sale.flags()) == ([], ["UNSEEN_STATE"])
    assert sale.buyer.status(sale.order_no) == "pending"


@pytest.mark.parametrize("api", [V3], ids=["v3"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": {"total": "2800"}},
        {"amount": {"total": 2800.0}},
        {"amount": {"total": True}},
        {"transaction_id": None},
        {"success_time": "yesterday"},
    ],
)
def test_authentic_and_not_understood_comes_again(trio: Trio, sale: Sale, wrong: dict[str, Any]) -> None:
    trio.expect_log("authentic but not understood adapter=wechat_v3", "ERROR pay.access POST notify 500")
    assert sale.notify(override=wrong) == (500, "not acknowledged")
    assert sale.money() == []


# --- signed in another way than ordered ---


@pytest.mark.parametrize(
    ("api", "other"), [(V2_HMAC, "MD5"), (V2_MD5, "HMAC-SHA256")], ids=["HMAC in MD5", "MD5 in HMAC"]
)
@pytest.mark.parametrize("named", [True, False])
def test_another_signature_than_the_orders_is_a_hint_to_ask(trio: Trio, sale: Sale, other: str, named: bool) -> None:
    """WeChat itself tells the truth; the message alone moves nothing (F16)."""
    assert sale.notify(sign_type=other, sign_type_field=named) == TAKEN["v2"]
    sale.buyer.becomes(sale.order_no, "paid")
    assert sale.money() == [("APPLIED", "query", LATTE)]


def test_another_signature_about_an_unpaid_order_changes_nothing(trio: Trio, simulator: Simulator) -> None:
    """Whoever broke MD5 could say so; the query that follows finds nobody has paid."""
    sale = Sale.begun(trio[V2_HMAC.name], trio.tables)
    assert sale.notify(sign_type="MD5") == TAKEN["v2"]
    asked = f"SELECT asked FROM transactions WHERE out_trade_no = '{sale.out_trade_no}'"
    eventually(lambda: trio.tables.one(asked) == 1)
    assert sale.money() == []
    assert sale.buyer.status(sale.order_no) == "pending"


# --- lost, late, tested ---


@BY_API
def test_a_lost_notification_is_found_by_the_client_asking(sale: Sale) -> None:
    reply = sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync")
    assert reply.json()["status"] == "paid"
    assert sale.money() == [("APPLIED", "query", LATTE)]
    assert sale.fulfilments() == 1


def test_lost_notifications_are_found_without_anybody_asking(trio: Trio, simulator: Simulator) -> None:
    sales = [Sale.unnoticed(server, trio.tables) for server in trio.servers]
    numbers = ", ".join(f"'{sale.out_trade_no}'" for sale in sales)
    # The first question comes ten seconds after the attempt: it is made due now.
    trio.tables.change(f"UPDATE transactions SET ask_at = created_at WHERE out_trade_no IN ({numbers})")
    for sale in sales:
        sale.buyer.becomes(sale.order_no, "paid")
        assert sale.money() == [("APPLIED", "query", LATTE)]


@BY_API
def test_a_notification_that_comes_after_the_query_changes_nothing(sale: Sale, api: Api) -> None:
    assert sale.buyer.call("POST", f"/api/orders/{sale.order_no}/sync").json()["status"] == "paid"
    assert sale.notify() == TAKEN[api.generation]
    assert sale.money() == [("APPLIED", "query", LATTE)]
    assert (sale.flags(), sale.fulfilments()) == ([], 1)


def test_a_probe_of_the_schedule_is_refused_and_the_truth_that_follows_taken(trio: Trio, simulator: Simulator) -> None:
    """SIGNTEST (v3.md 5): no special case, and WeChat finds that we verify."""
    simulator.put("faults", [{"op": "notify.v3", "fault": "signtest"}])
    sale = Sale.begun(trio[V3.name], trio.tables)
    sale.buyer.pay(sale.order_no)

    def tries() -> list[tuple[int, str]]:
        deliveries = simulator.get("ledger")["deliveries"]
        return [
            (t["status"], t["result"]) for d in deliveries if d["out_trade_no"] == sale.out_trade_no for t in d["tries"]
        ]

    eventually(lambda: tries() == [(401, "not acknowledged")])
    assert sale.money() == []
    simulator.clear_faults()
    simulator.post("clock", advance_seconds=15)
    eventually(lambda: tries() == [(401, "not acknowledged"), (204, "acknowledged")])
    assert sale.money() == [("APPLIED", "notification", LATTE)]
    assert not [c for c in simulator.get("complaints")["complaints"] if sale.out_trade_no in c["message"]]
