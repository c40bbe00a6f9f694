"""Shipping information: what may be said of which order, when, and how often."""

from __future__ import annotations

import json

import pytest

TIME = "2026-12-15T13:29:35.120+08:00"
LATER = "2026-12-15T13:29:35.121+08:00"


class Shop:
    """A merchant with a token, who ships what was paid."""

    def __init__(self, sim):
        identity = {
            "grant_type": "client_credential",
            "appid": sim.merchant["appid"],
            "secret": sim.merchant["app_secret"],
        }
        self.sim = sim
        self.token = sim.call("POST", "/cgi-bin/stable_token", json.dumps(identity).encode()).json["access_token"]

    def post(self, call, body, raw=None):
        path = f"/wxa/sec/order/{call}?access_token={self.token}"
        answer = self.sim.call("POST", path, raw if raw is not None else json.dumps(body, ensure_ascii=False).encode())
        assert answer.status == 200
        return answer.json

    def paid(self):
        """An order whose payment is known to the shipping system."""
        order = self.sim.paid_v3()
        self.sim.advance(10)
        return order

    def upload(self, order, **changes):
        return self.post("upload_shipping_info", upload_of(order) | changes)["errcode"]

    def order(self, order):
        return self.post("get_order", {"transaction_id": order["transaction_id"]})["order"]


def parcel(number="SF1", company="YTO", **more):
    return {"tracking_no": number, "express_company": company, "item_desc": "咖啡*1", **more}


def upload_of(order):
    return {
        "order_key": {"order_number_type": 2, "transaction_id": order["transaction_id"]},
        "logistics_type": 1,
        "delivery_mode": 1,
        "shipping_list": [parcel()],
        "upload_time": TIME,
        "payer": {"openid": order["payer"]["openid"]},
    }


@pytest.fixture
def shop(own_sim):
    return Shop(own_sim())


@pytest.fixture(scope="module")
def calm(sim):
    """A shop of the shared simulator, with an order that nobody ships: for what is refused."""
    sim.control("PUT", "shipping", {"delay_seconds": 0})
    yield Shop(sim), sim.paid_v3()
    sim.control("PUT", "shipping", {"delay_seconds": 10})


def test_an_order_is_known_some_seconds_after_its_payment(own_sim):
    shop = Shop(own_sim())
    assert shop.sim.control("GET", "shipping")["delay_seconds"] == 10
    shop.sim.control("PUT", "shipping", {"delay_seconds": 1000})
    order = shop.sim.paid_v3()
    shop.sim.advance(500)
    assert shop.upload(order) == 10060001
    assert shop.post("get_order", {"transaction_id": order["transaction_id"]})["errcode"] == 10060001
    shop.sim.advance(500)
    assert shop.upload(order) == 0


def test_shipped_by_either_number_and_told(shop):
    first, second = shop.paid(), shop.paid()
    assert shop.order(first)["order_state"] == 1
    assert "shipping" not in shop.order(first)
    assert shop.upload(first) == 0
    key = {"order_number_type": 1, "mchid": shop.sim.merchant["mchid"], "out_trade_no": second["out_trade_no"]}
    assert shop.upload(second, order_key=key, logistics_type=3, shipping_list=[{"item_desc": "会员"}]) == 0
    told = shop.order(first)
    assert {name: told[name] for name in ("transaction_id", "merchant_id", "merchant_trade_no", "paid_amount")} == {
        "transaction_id": first["transaction_id"],
        "merchant_id": shop.sim.merchant["mchid"],
        "merchant_trade_no": first["out_trade_no"],
        "paid_amount": 100,
    }
    assert (told["order_state"], told["openid"]) == (2, first["payer"]["openid"])
    assert told["shipping"]["shipping_list"][0]["tracking_no"] == "SF1"
    names = {"merchant_id": shop.sim.merchant["mchid"], "merchant_trade_no": second["out_trade_no"]}
    by_number = shop.post("get_order", names)["order"]
    assert (by_number["order_state"], by_number["shipping"]["logistics_type"]) == (2, 3)
    (kept,) = shop.sim.control("GET", f"ledger?out_trade_no={first['out_trade_no']}")["shipments"]
    assert (kept["parcels"], kept["finished"]) == ([parcel()], 1)
    exchange = shop.sim.control("GET", "exchanges")["exchanges"][-1]
    assert (exchange["op"], exchange["verdict"]) == ("ship_query", "ok")


def test_one_correction(shop):
    order = shop.paid()
    assert shop.upload(order) == 0
    assert shop.upload(order) == 10060002
    assert shop.upload(order, upload_time=LATER, delivery_mode=2, is_all_delivered=True) == 10060002
    assert shop.upload(order, upload_time=LATER, shipping_list=[parcel("2")]) == 0
    assert shop.order(order)["shipping"]["finish_shipping_count"] == 2
    assert [one["tracking_no"] for one in shop.order(order)["shipping"]["shipping_list"]] == ["2"]
    assert shop.upload(order, upload_time="2027-12-15T13:29:35.120+08:00") == 10060003
    assert [one["tracking_no"] for one in shop.order(order)["shipping"]["shipping_list"]] == ["2"]


def test_parcel_by_parcel(shop):
    order = shop.paid()
    split = {"delivery_mode": 2, "is_all_delivered": False}
    assert shop.upload(order, **split) == 0
    assert shop.upload(order, **split) == 0
    assert shop.upload(order, **split, shipping_list=[parcel("2"), parcel("3")]) == 0
    told = shop.order(order)
    assert (told["order_state"], told["shipping"]["finish_shipping"]) == (1, False)
    assert [one["tracking_no"] for one in told["shipping"]["shipping_list"]] == ["SF1", "2", "3"]
    many = [parcel(str(number)) for number in range(4, 17)]
    assert shop.upload(order, **split, shipping_list=many) == 47001
    assert shop.upload(order, delivery_mode=2, is_all_delivered=True, shipping_list=[parcel("4")]) == 0
    assert shop.order(order)["order_state"] == 2
    assert shop.upload(order, **split, shipping_list=[parcel("5")]) == 10060002


def test_refunded_and_received_orders_are_not_shipped(shop):
    whole, part, received = shop.paid(), shop.paid(), shop.paid()
    for order, amount in ((whole, 100), (part, 40)):
        shop.sim.control("POST", "refund", {"out_trade_no": order["out_trade_no"], "amount_fen": amount})
    assert shop.upload(received) == 0
    shop.sim.advance(3)
    assert (shop.order(whole)["order_state"], shop.upload(whole)) == (5, 10060004)
    assert (shop.order(part)["order_state"], shop.upload(part)) == (1, 0)
    shop.sim.control("POST", "receive", {"out_trade_no": received["out_trade_no"]})
    assert (shop.order(received)["order_state"], shop.upload(received, upload_time=LATER)) == (3, 10060004)
    for number in (received["out_trade_no"], whole["out_trade_no"], "never-made-1", None):
        body = json.dumps({"out_trade_no": number}).encode()
        assert shop.sim.call("POST", "/_sim/receive", body).status == 400


def test_shipments_outlive_a_restart(own_sim, tmp_path):
    shop = Shop(own_sim("--data", str(tmp_path)))
    order = shop.paid()
    assert shop.upload(order) == 0
    before = shop.sim.control("GET", "ledger")
    shop.sim.stop()
    again = own_sim("--data", str(tmp_path))
    assert again.control("GET", "ledger") == before
    old = Shop.__new__(Shop)
    old.sim, old.token = again, shop.token
    assert old.upload(order) == 40001
    assert Shop(again).order(order)["order_state"] == 2


@pytest.mark.parametrize(
    "key",
    [
        {"order_number_type": 2, "transaction_id": "4200000000000000000000000000"},
        {"order_number_type": 1, "mchid": "1900000000", "out_trade_no": "{paid}"},
        {"order_number_type": 1, "mchid": "{mchid}", "out_trade_no": "never-made-1"},
        {"order_number_type": 1, "mchid": "{mchid}", "out_trade_no": "{unpaid}"},
    ],
    ids=str,
)
def test_orders_that_are_not_known(calm, key):
    shop, order = calm
    unpaid = shop.sim.order_v3()
    shop.sim.v3("POST", "/v3/pay/transactions/jsapi", unpaid)
    words = {"{paid}": order["out_trade_no"], "{unpaid}": unpaid["out_trade_no"], "{mchid}": shop.sim.merchant["mchid"]}
    assert shop.upload(order, order_key={name: words.get(value, value) for name, value in key.items()}) == 10060001


def test_another_payer(calm):
    shop, order = calm
    assert shop.upload(order, payer={"openid": shop.sim.openid()}) == 10060031


SF = {"number": "SF1", "company": "SF"}
BAD = {
    "no order_key": {"order_key": None},
    "number type 3": {"order_key": {"order_number_type": 3, "transaction_id": "4"}},
    "number type 2 without": {"order_key": {"order_number_type": 2, "out_trade_no": "number-1"}},
    "number type 1 without": {"order_key": {"order_number_type": 1, "out_trade_no": "number-1"}},
    "number type as text": {"order_key": {"order_number_type": "2", "transaction_id": "4"}},
    "unknown key": {"remark": "x"},
    "logistics 0": {"logistics_type": 0},
    "logistics 5": {"logistics_type": 5},
    "logistics as text": {"logistics_type": "1"},
    "mode 3": {"delivery_mode": 3},
    "list no array": {"shipping_list": parcel()},
    "list empty": {"shipping_list": []},
    "list of 16": {
        "delivery_mode": 2, "is_all_delivered": True, "shipping_list": [parcel(str(n)) for n in range(16)]
    },
    "two parcels as one": {"shipping_list": [parcel(), parcel("2")]},
    "no tracking number": {"shipping_list": [{"express_company": "YTO", "item_desc": "x"}]},
    "no company": {"shipping_list": [{"tracking_no": "1", "item_desc": "x"}]},
    "null company": {"shipping_list": [parcel(company=None)]},
    "unknown in parcel": {"shipping_list": [parcel(weight=1)]},
    "no description": {"shipping_list": [{"tracking_no": "1", "express_company": "YTO"}]},
    "long description": {"shipping_list": [parcel() | {"item_desc": "咖" * 121}]},
    "long number": {"shipping_list": [parcel("1" * 129)]},
    "split, is it all?": {"delivery_mode": 2},
    "all as text": {"is_all_delivered": "true"},
    "SF without contact": {"shipping_list": [parcel(**SF)]},
    "SF, empty contact": {"shipping_list": [parcel(**SF, contact={})]},
    "contact in clear": {"shipping_list": [parcel(**SF, contact={"receiver_contact": "18912341234"})]},
    "contact all masked": {"shipping_list": [parcel(**SF, contact={"receiver_contact": "*******1**4"})]},
    "contact with words": {"shipping_list": [parcel(**SF, contact={"receiver_contact": "tel ****1234"})]},
    "time without milliseconds": {"upload_time": "2026-12-15T13:29:35+08:00"},
    "time with microseconds": {"upload_time": "2026-12-15T13:29:35.120000+08:00"},
    "time without zone": {"upload_time": "2026-12-15T13:29:35.120"},
    "no such time": {"upload_time": "2026-13-15T13:29:35.120+08:00"},
    "no payer": {"payer": None},
    "empty payer": {"payer": {}},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bodies_that_break_a_rule(calm, name):
    shop, order = calm
    body = {key: value for key, value in (upload_of(order) | BAD[name]).items() if value is not None}
    refused = shop.post("upload_shipping_info", body)
    assert refused["errcode"] == 47001
    assert "hint: [" in refused["errmsg"]
    assert shop.sim.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["shipments"] == []


GOOD = {
    "120 characters": {"shipping_list": [parcel() | {"item_desc": "咖" * 120}]},
    "SF": {"shipping_list": [parcel(**SF, contact={"receiver_contact": "189****1234"})]},
    "SF, landline": {"shipping_list": [parcel(**SF, contact={"consignor_contact": "021-****1234"})]},
    "UTC": {"upload_time": "2026-12-15T05:29:35.120Z"},
    "15 parcels": {
        "delivery_mode": 2, "is_all_delivered": True, "shipping_list": [parcel(str(n)) for n in range(15)]
    },
    "same-city": {"logistics_type": 2, "shipping_list": [{"item_desc": "x"}]},
    "self pick-up": {"logistics_type": 4, "shipping_list": [{"item_desc": "x"}], "is_all_delivered": True},
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_bodies_that_keep_them(calm, name):
    shop, _ = calm
    assert shop.upload(shop.sim.paid_v3(), **GOOD[name]) == 0


def test_bodies_that_are_no_json_object(calm):
    shop, _ = calm
    for call in ("upload_shipping_info", "get_order", "is_trade_managed"):
        for raw in (b"", b"[]", b"{", b'{"a":1,"a":2}', b"\xff"):
            assert shop.post(call, None, raw)["errcode"] == 47001
    assert shop.post("get_order", {"merchant_id": "1"})["errcode"] == 47001


def test_managed_or_not(calm):
    shop, _ = calm
    mine = {"appid": shop.sim.merchant["appid"]}
    assert shop.post("is_trade_managed", mine) == {"errcode": 0, "errmsg": "ok", "is_trade_managed": True}
    shop.sim.control("PUT", "shipping", {"managed": False})
    assert shop.post("is_trade_managed", mine)["is_trade_managed"] is False
    shop.sim.control("PUT", "shipping", {"managed": True})
    assert shop.post("is_trade_managed", {"appid": "wxsomebodyelse0000"})["errcode"] == 40013


@pytest.mark.parametrize(("name", "done"), [("drop_before", False), ("drop_reply_after_commit", True)])
def test_lost_answers(calm, fault, name, done):
    shop, _ = calm
    order = shop.sim.paid_v3()
    fault("ship", name)
    with pytest.raises(ConnectionError):
        shop.upload(order)
    assert shop.order(order)["order_state"] == (2 if done else 1)


def test_planned_errors(calm, fault):
    shop, order = calm
    for name, more, errcode in (("system_error", {}, -1), ("error", {"code": "42001"}, 42001)):
        fault("ship*", name, **more)
        assert shop.upload(order) == errcode
        fault("ship_query", name, **more)
        assert shop.post("get_order", {"transaction_id": order["transaction_id"]})["errcode"] == errcode


@pytest.mark.parametrize("body", [{"delay_seconds": -1}, {"delay_seconds": True}, {"managed": 1}, {"strange": 1}])
def test_terms_that_make_no_sense(sim, body):
    assert sim.call("PUT", "/_sim/shipping", json.dumps(body).encode()).status == 400
