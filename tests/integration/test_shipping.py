"""Shipping information over real sockets: stored first, reported until WeChat has it, corrected once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Start
from tests.databases import Tables
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Simulator
from tests.live import command
from tests.processes import eventually
from tests.scene import refused
from tests.shipper import EXPRESS, KEY, OTHER, PARCEL, VIRTUAL, Shipper


@pytest.fixture(scope="module")
def shared(shop: Fleet) -> Shipper:
    return Shipper(shop.start(MERCHANT_API_KEY=KEY, **V3.environ), shop.tables)


@pytest.fixture
def shipper(shared: Shipper, simulator: Simulator) -> Shipper:
    simulator.put("shipping", {"delay_seconds": 0})
    yield shared
    simulator.put("shipping", {"delay_seconds": 10})


def test_what_was_shipped_is_told(start_server: Start, tables: Tables, simulator: Simulator) -> None:
    """On each database."""
    shipper = Shipper(start_server(MERCHANT_API_KEY=KEY, **V3.environ), tables)
    simulator.put("shipping", {"delay_seconds": 0})
    order_no = shipper.paid()
    made = shipper.report(order_no)
    assert made["status"] == "uploaded"
    assert made["parcels"] == [PARCEL]
    there = shipper.there(order_no)
    assert there is not None
    assert (there["logistics_type"], there["delivery_mode"], there["finished"]) == (1, 1, 1)
    assert there["parcels"] == [PARCEL]
    assert shipper.report(order_no, status=200) == made == shipper.read(order_no)
    simulator.put("shipping", {"delay_seconds": 10})


def test_nothing_is_told_within_ten_seconds_of_the_payment(shipper: Shipper) -> None:
    order_no = shipper.paid(long_ago=False)
    assert shipper.report(order_no)["status"] == "pending"
    wait = "SELECT s.ask_at - p.created_at FROM shipments s JOIN payments p ON p.id = s.payment_id ORDER BY s.id DESC"
    assert shipper.tables.one(wait) == 10
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")


def test_an_order_that_wechat_does_not_know_yet_is_waited_for(shipper: Shipper) -> None:
    shipper.simulator.put("shipping", {"delay_seconds": 1_000_000})
    order_no = shipper.paid()
    assert shipper.report(order_no)["status"] == "pending"
    assert shipper.exchanges("ship")[-1]["response"]["body"].startswith('{"errcode":10060001')
    assert shipper.tables.one("SELECT ask_at - created_at FROM shipments ORDER BY id DESC") >= 60
    shipper.simulator.put("shipping", {"delay_seconds": 0})
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")
    assert shipper.discrepancies(order_no) == []


def test_an_order_unknown_for_a_day_is_put_before_a_person_and_may_be_reported_again(shipper: Shipper) -> None:
    shipper.server.expect_log("discrepancy kind=SHIPMENT_REFUSED")
    shipper.simulator.put("shipping", {"delay_seconds": 1_000_000})
    order_no = shipper.paid()
    shipper.report(order_no)
    shipper.tables.change("UPDATE shipments SET created_at = created_at - 86400")
    shipper.due_now()
    shipper.becomes(order_no, "refused")
    assert "10060001" in shipper.read(order_no)["message"]
    assert shipper.discrepancies(order_no) == [("SHIPMENT_REFUSED", "OPEN")]
    shipper.simulator.put("shipping", {"delay_seconds": 0})
    assert shipper.report(order_no)["status"] == "uploaded"
    assert shipper.discrepancies(order_no) == [("SHIPMENT_REFUSED", "RESOLVED")]


def test_no_good_answer_for_a_day_is_told_and_tried_on(shipper: Shipper) -> None:
    shipper.server.expect_log("discrepancy kind=SHIPMENT_STUCK")
    shipper.simulator.put("faults", [{"op": "ship*", "fault": "system_error"}])
    order_no = shipper.paid()
    assert shipper.report(order_no)["status"] == "pending"
    shipper.tables.change("UPDATE shipments SET created_at = created_at - 86400")
    shipper.due_now()
    eventually(lambda: shipper.discrepancies(order_no) == [("SHIPMENT_STUCK", "OPEN")])
    assert shipper.read(order_no)["status"] == "pending"
    shipper.simulator.clear_faults()
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")
    assert shipper.discrepancies(order_no) == [("SHIPMENT_STUCK", "RESOLVED")]


@pytest.mark.parametrize("fault", ["drop_reply_after_commit", "http_500_after", "truncate"])
@pytest.mark.parametrize("body", [EXPRESS, VIRTUAL], ids=["express", "virtual"])
def test_an_answer_that_was_lost_costs_no_correction(shipper: Shipper, fault: str, body: Any) -> None:
    order_no = shipper.paid()
    shipper.simulator.put("faults", [{"op": "ship", "fault": fault, "count": 1}])
    assert shipper.report(order_no, body)["status"] == "pending"
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")
    there = shipper.there(order_no)
    assert there is not None
    assert there["finished"] == 1


def test_one_correction(shipper: Shipper) -> None:
    order_no = shipper.paid()
    shipper.report(order_no)
    assert shipper.report(order_no, OTHER)["status"] == "uploaded"
    there = shipper.there(order_no)
    assert there is not None
    assert (there["finished"], there["parcels"]) == (2, OTHER["parcels"])
    refused(shipper.ask("POST", order_no, EXPRESS), 409, "shipment_corrected")
    assert shipper.report(order_no, OTHER, status=200)["status"] == "uploaded"


def test_another_report_waits_for_the_first(shipper: Shipper) -> None:
    order_no = shipper.paid(long_ago=False)
    shipper.report(order_no)
    refused(shipper.ask("POST", order_no, OTHER), 409, "shipment_under_way")
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")


def test_an_order_in_several_parcels(shipper: Shipper) -> None:
    """Those that were sent so far, then the rest: neither is a correction."""
    order_no = shipper.paid()
    first, rest = {**EXPRESS, "all_delivered": False}, OTHER
    assert shipper.report(order_no, first)["status"] == "uploaded"
    there = shipper.there(order_no)
    assert there is not None
    assert (there["delivery_mode"], there["finished"]) == (2, 0)
    second = {**rest, "parcels": [*rest["parcels"], {**PARCEL, "tracking_no": "YT777"}]}
    shipper.simulator.put("faults", [{"op": "ship", "fault": "drop_reply_after_commit", "count": 1}])
    shipper.report(order_no, second)
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")
    there = shipper.there(order_no)
    assert there is not None
    assert (len(there["parcels"]), there["finished"]) == (3, 1)


def test_what_wechat_does_not_take_is_put_before_a_person(shipper: Shipper) -> None:
    shipper.server.expect_log("discrepancy kind=SHIPMENT_REFUSED")
    order_no = shipper.paid()
    shipper.simulator.put("faults", [{"op": "ship", "fault": "error", "code": "10060003", "count": 1}])
    made = shipper.report(order_no)
    assert made["status"] == "refused"
    assert "10060003" in made["message"]
    assert shipper.discrepancies(order_no) == [("SHIPMENT_REFUSED", "OPEN")]
    told = command(shipper.server.environ, "explain", order_no).stdout
    assert f"shipment {order_no}-1 (express): REFUSED 10060003" in told
    assert "shipment SENDING -> REFUSED by shipping" in told


def test_already_shipped_is_done_if_it_is_ours(shipper: Shipper) -> None:
    """10060002 after an upload whose answer was lost, seen by a server that never looked."""
    order_no = shipper.paid()
    shipper.report(order_no)
    shipper.tables.change(
        "UPDATE shipments SET state = 'REQUESTED', version = 1, uploaded_at = NULL, ask_at = 1 "
        "WHERE id = (SELECT MAX(id) FROM (SELECT id FROM shipments) s)"
    )
    shipper.tables.change(f"DELETE FROM state_log WHERE entity_id = '{order_no}-1' AND seq > 1")
    shipper.becomes(order_no, "uploaded")
    assert "10060002" in shipper.exchanges("ship")[-1]["response"]["body"]


def test_what_may_not_be_reported(shipper: Shipper) -> None:
    unpaid = Buyer(shipper.server).order("latte")["order_no"]
    refused(shipper.ask("POST", unpaid, EXPRESS), 409, "order_not_paid")
    refused(shipper.ask("POST", "MP000000NOBODY", EXPRESS), 404, "order_not_found")
    refused(shipper.ask("GET", "MP000000NOBODY"), 404, "order_not_found")
    refused(shipper.ask("GET", unpaid), 404, "shipment_not_found")
    refused(shipper.ask("POST", unpaid, EXPRESS, key="wrong"), 401, "merchant_key_wrong")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "invalid_field", "logistics_type"),
        ({**EXPRESS, "logistics_type": "drone"}, 400, "invalid_field", "logistics_type"),
        ({**EXPRESS, "logistics_type": 1}, 400, "invalid_field", "logistics_type"),
        ({**EXPRESS, "parcels": []}, 400, "invalid_field", "parcels"),
        ({**EXPRESS, "parcels": [PARCEL] * 16}, 400, "invalid_field", "parcels"),
        ({**EXPRESS, "all_delivered": 1}, 400, "invalid_field", "all_delivered"),
        ({**EXPRESS, "openid": "o"}, 400, "invalid_field", "openid"),
        ({**EXPRESS, "parcels": [{**PARCEL, "item_desc": "茶" * 121}]}, 400, "invalid_field", "parcels[0].item_desc"),
        ({**EXPRESS, "parcels": [{**PARCEL, "tracking_no": "a b"}]}, 400, "invalid_field", "parcels[0].tracking_no"),
        (
            {**EXPRESS, "parcels": [{**PARCEL, "receiver_contact": "18912341234"}]},
            400,
            "invalid_field",
            "parcels[0].receiver_contact",
        ),
        (
            {**EXPRESS, "parcels": [{"item_desc": "x", "tracking_no": "1"}]},
            422,
            "express_incomplete",
            "parcels[0].express_company",
        ),
        (
            {**EXPRESS, "parcels": [{**PARCEL, "express_company": "SF"}]},
            422,
            "express_incomplete",
            "parcels[0].receiver_contact",
        ),
        ({**VIRTUAL, "parcels": [PARCEL]}, 422, "express_only", "parcels[0]"),
    ],
)
def test_a_report_that_is_none(shipper: Shipper, body: Any, status: int, code: str, field: str) -> None:
    refused(shipper.ask("POST", "MP000000NOBODY", body), status, code, field)


def test_sf_wants_a_masked_number(shipper: Shipper) -> None:
    parcel = {**PARCEL, "express_company": "SF", "receiver_contact": "189****1234"}
    order_no = shipper.paid()
    assert shipper.report(order_no, {**EXPRESS, "parcels": [parcel]})["status"] == "uploaded"
    there = shipper.there(order_no)
    assert there is not None
    assert there["parcels"][0]["contact"] == {"receiver_contact": "189****1234"}


def give_back(shipper: Shipper, order_no: str) -> None:
    """All of it, and WeChat is done with it."""
    amount = shipper.tables.one(f"SELECT amount_fen FROM orders WHERE order_no = '{order_no}'")
    body, headers = {"amount_fen": amount, "reason": "x"}, {"Authorization": f"Bearer {KEY}"}
    made = shipper.server.http.post(f"/merchant/orders/{order_no}/refunds", json=body, headers=headers)
    assert made.status_code == 201, made.text
    shipper.simulator.post("clock", advance_seconds=10)
    given_back = f"SELECT refunded_fen FROM orders WHERE order_no = '{order_no}'"
    eventually(lambda: shipper.tables.one(given_back) == amount)


def test_what_was_given_back_whole_is_not_shipped(shipper: Shipper) -> None:
    order_no = shipper.paid()
    give_back(shipper, order_no)
    refused(shipper.ask("POST", order_no, EXPRESS), 409, "order_refunded")


def test_what_is_given_back_before_it_was_told_is_no_matter_for_a_person(shipper: Shipper) -> None:
    order_no = shipper.paid(long_ago=False)
    assert shipper.report(order_no)["status"] == "pending"
    give_back(shipper, order_no)
    shipper.due_now()
    shipper.becomes(order_no, "refused")
    assert "10060004" in shipper.read(order_no)["message"]
    assert shipper.discrepancies(order_no) == []


def test_the_doctor_says_whether_wechat_wants_it(shipper: Shipper) -> None:
    for managed, words in ((True, "wants it"), (False, "does not want it")):
        shipper.simulator.put("shipping", {"managed": managed})
        told = command(shipper.server.environ, "doctor")
        assert told.returncode == 0, told.stdout
        assert words in told.stdout
    shipper.simulator.put("shipping", {"managed": True})
