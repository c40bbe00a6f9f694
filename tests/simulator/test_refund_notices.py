"""What is notified of refunds, in which form, to whom, how often; and refunds made in the merchant platform."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from tests.simulator.site import ACK

REFUNDS = "/v3/refund/domestic/refunds"


def refund_v3(sim, order, notify_url, fen=40):
    body = {
        "out_trade_no": order["out_trade_no"],
        "out_refund_no": "R" + secrets.token_hex(10),
        "amount": {"refund": fen, "total": 100, "currency": "CNY"},
    }
    answer = sim.v3("POST", REFUNDS, body | ({"notify_url": notify_url} if notify_url else {}))
    assert answer.status == 200, answer
    return answer.json


def refund_v2(sim, order, notify_url, fen=40):
    fields = {"out_trade_no": order["out_trade_no"], "total_fee": "100", "refund_fee": str(fen)}
    answer = sim.refund_v2(fields | ({"notify_url": notify_url} if notify_url else {}))
    assert answer.xml["result_code"] == "SUCCESS", answer
    return answer.xml


def opened(sim, body):
    """What req_info holds, decrypted as a merchant does it (v2.md 12.2)."""
    info = re.search(r"<req_info><!\[CDATA\[(.*?)\]\]>", body.decode())[1]
    key = hashlib.md5(sim.merchant["v2_api_key"].encode()).hexdigest().encode()
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    padded = decryptor.update(base64.b64decode(info)) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    text = (unpadder.update(padded) + unpadder.finalize()).decode()
    assert text.startswith("<root>")
    return dict(re.findall(r"<(\w+)><!\[CDATA\[(.*?)\]\]></\1>", text))


@pytest.mark.parametrize("outcome", ["SUCCESS", "ABNORMAL", "CLOSED"])
def test_v3(own_sim, merchant_site, outcome):
    sim = own_sim()
    sim.control("PUT", "refunds", {"next": outcome})
    made = refund_v3(sim, sim.paid_v3(), merchant_site.answer("/r", 204))
    sim.advance(3)
    sim.wait(lambda: merchant_site.at("/r"))
    (received,) = merchant_site.at("/r")
    sim.verify(received.headers, received.body)
    envelope = json.loads(received.body)
    assert (envelope["event_type"], envelope["resource"]["original_type"]) == (f"REFUND.{outcome}", "refund")
    told = sim.decrypt(received.body)
    assert told["refund_status"] == outcome
    assert ("success_time" in told) == (outcome == "SUCCESS")
    assert told["amount"] == {"total": 100, "refund": 40, "payer_total": 100, "payer_refund": 40}
    assert {told[name] for name in ("out_refund_no", "refund_id")} == {made["out_refund_no"], made["refund_id"]}
    assert told.keys().isdisjoint({"channel", "status"})
    sim.wait(lambda: sim.control("GET", "state")["pending_deliveries"] == 1)  # the payment's, whose address is far away


@pytest.mark.parametrize(
    ("outcome", "v2_name"), [("SUCCESS", "SUCCESS"), ("ABNORMAL", "CHANGE"), ("CLOSED", "REFUNDCLOSE")]
)
def test_v2(own_sim, merchant_site, outcome, v2_name):
    sim = own_sim()
    sim.control("PUT", "refunds", {"next": outcome})
    made = refund_v2(sim, sim.paid_v2(), merchant_site.answer("/r", 200, ACK))
    sim.advance(3)
    sim.wait(lambda: merchant_site.at("/r"))
    (received,) = merchant_site.at("/r")
    assert set(received.xml) == {"return_code", "appid", "mch_id", "nonce_str", "req_info"}
    told = opened(sim, received.body)
    assert (told["refund_status"], told["refund_request_source"]) == (v2_name, "API")
    assert (told["refund_fee"], told["total_fee"], told["refund_id"]) == ("40", "100", made["refund_id"])
    assert ("success_time" in told) == (outcome == "SUCCESS")
    assert told["refund_recv_accout"]


def test_the_form_follows_the_refund_not_the_order(own_sim, merchant_site):
    sim = own_sim()
    refund_v2(sim, sim.paid_v3(), merchant_site.answer("/two", 200, ACK))
    refund_v3(sim, sim.paid_v2(), merchant_site.answer("/three", 204))
    sim.advance(3)
    sim.wait(lambda: merchant_site.at("/two") and merchant_site.at("/three"))
    assert opened(sim, merchant_site.at("/two")[0].body)["refund_status"] == "SUCCESS"
    assert sim.decrypt(merchant_site.at("/three")[0].body)["refund_status"] == "SUCCESS"


def test_repeats_tell_the_same_event_and_then_the_next(own_sim, merchant_site):
    """An abnormal refund that was sent elsewhere: its first notification is repeated as it was."""
    sim = own_sim()
    sim.control("PUT", "refunds", {"next": "ABNORMAL"})
    made = refund_v3(sim, sim.paid_v3(), merchant_site.answer("/r", 500))
    sim.advance(3)
    sim.wait(lambda: len(merchant_site.at("/r")) == 1)
    url = f"{REFUNDS}/{made['refund_id']}/apply-abnormal-refund"
    body = {"out_refund_no": made["out_refund_no"], "type": "MERCHANT_BANK_CARD"}
    headers = {"Wechatpay-Serial": sim.merchant["public_key_id"]}
    assert sim.v3("POST", url, body, headers=headers).status == 200
    merchant_site.answer("/r", 204)
    sim.advance(15)
    sim.wait(lambda: len(merchant_site.at("/r")) == 3)
    told = [sim.decrypt(received.body)["refund_status"] for received in merchant_site.at("/r")]
    assert (told[0], sorted(told[1:])) == ("ABNORMAL", ["ABNORMAL", "SUCCESS"])
    ids = [json.loads(received.body)["id"] for received in merchant_site.at("/r")]
    assert len(set(ids)) == 2


def test_without_an_address_nobody_is_told(own_sim):
    sim = own_sim()
    order = sim.paid_v3()
    refund_v3(sim, order, "")
    sim.advance(3)
    assert not [d for d in sim.control("GET", "ledger")["deliveries"] if d["out_refund_no"]]


def test_console_refunds(own_sim, merchant_site):
    sim = own_sim()
    three, two = sim.paid_v3(), sim.paid_v2()
    for order, url in ((three, merchant_site.answer("/three", 204)), (two, merchant_site.answer("/two", 200, ACK))):
        wish = {"out_trade_no": order["out_trade_no"], "amount_fen": 10, "reason": "客服", "notify_url": url}
        made = sim.control("POST", "refund", wish)["refund"]
        assert (made["source"], made["state"], made["api"]) == (
            "console",
            "PROCESSING",
            "v3" if order is three else "v2",
        )
    silent = sim.control("POST", "refund", {"out_trade_no": three["out_trade_no"], "amount_fen": 20})["refund"]
    sim.advance(3)
    sim.wait(lambda: merchant_site.at("/two") and merchant_site.at("/three"))
    assert opened(sim, merchant_site.at("/two")[0].body)["refund_request_source"] == "VENDOR_PLATFORM"
    assert sim.decrypt(merchant_site.at("/three")[0].body)["amount"]["refund"] == 10
    assert sim.v3("GET", f"{REFUNDS}/{silent['out_refund_no']}").json["status"] == "SUCCESS"
    found = sim.v2("refundquery", {"out_trade_no": three["out_trade_no"]}).xml
    assert (found["total_refund_count"], found["refund_fee_1"]) == ("2", "20")
    for wish in (
        {"out_trade_no": three["out_trade_no"], "amount_fen": 71},
        {"out_trade_no": "never-made-1", "amount_fen": 1},
        {"out_trade_no": three["out_trade_no"], "amount_fen": True},
        {"out_trade_no": three["out_trade_no"], "amount_fen": 1, "reason": 1},
        {"out_trade_no": three["out_trade_no"], "amount_fen": 1, "notify_url": "nowhere"},
    ):
        assert sim.call("POST", "/_sim/refund", json.dumps(wish).encode()).status == 400


@pytest.mark.parametrize(
    "wish",
    [{"next": "LATER"}, {"next": [1]}, {"seconds": -1}, {"interval_seconds": True}, {"balance_fen": 1.5}, {"x": 1}],
)
def test_terms_that_make_no_sense(sim, wish):
    before = sim.control("GET", "refunds")
    assert sim.call("PUT", "/_sim/refunds", json.dumps(wish).encode()).status == 400
    assert sim.control("GET", "refunds") == before


def test_a_refund_in_progress_survives_a_restart(own_sim, merchant_site, tmp_path):
    first = own_sim("--data", str(tmp_path))
    order = first.paid_v3()
    made = refund_v3(first, order, merchant_site.answer("/r", 204))
    assert first.stop() == 0
    second = own_sim("--data", str(tmp_path))
    url = f"{REFUNDS}/{made['out_refund_no']}"
    second.advance(3)
    assert second.v3("GET", url).json["status"] == "SUCCESS"
    second.wait(lambda: merchant_site.at("/r"))
    assert second.control("GET", f"ledger?out_trade_no={order['out_trade_no']}")["orders"][0]["state"] == "REFUND"


def test_made_to_measure(own_sim, merchant_site):
    sim = own_sim()
    two, three = refund_v2(sim, sim.paid_v2(), ""), refund_v3(sim, sim.paid_v3(), "")
    lied = sim.notice(out_refund_no=three["out_refund_no"], event="CLOSED", override={"amount": {"refund": 1}})
    sim.verify(lied.headers, lied.body)
    told = sim.decrypt(lied.body)
    assert (told["refund_status"], told["amount"]["refund"], told["amount"]["total"]) == ("CLOSED", 1, 100)
    changed = sim.notice(out_refund_no=two["out_refund_no"], override={"refund_fee": "7", "refund_id": None})
    assert opened(sim, changed.body)["refund_fee"] == "7"
    assert "refund_id" not in opened(sim, changed.body)
    outside = sim.notice(out_refund_no=two["out_refund_no"], envelope={"mch_id": "1"})
    assert outside.xml["mch_id"] == "1"
    broken = sim.notice(out_refund_no=three["out_refund_no"], signature="broken")
    with pytest.raises(InvalidSignature):
        sim.verify(broken.headers, broken.body)
    with pytest.raises((ValueError, AssertionError)):
        opened(sim, sim.notice(out_refund_no=two["out_refund_no"], signature="broken").body)
    url = merchant_site.answer("/m", 204)
    sent = sim.control("POST", "notify", {"out_refund_no": three["out_refund_no"], "url": url, "times": 3})
    assert [result["result"] for result in sent["results"]] == ["acknowledged"] * 3
    assert sim.call("POST", "/_sim/notify", b'{"out_refund_no":"never-made","send":false}').status == 400


def test_faults_of_refund_notices(own_sim, merchant_site):
    sim = own_sim("--time-scale", "5")
    sim.control("PUT", "refunds", {"interval_seconds": 0})
    sim.control("PUT", "faults", [{"op": "notify.refund", "fault": "drop", "count": 1}])
    order = sim.paid_v3()
    refund_v3(sim, order, merchant_site.answer("/r", 204))
    sim.advance(3)
    sim.wait(
        lambda: [d["tries"] for d in sim.control("GET", "ledger")["deliveries"] if d["out_refund_no"]][0:1] != [[]]
    )
    assert not merchant_site.at("/r")
    sim.advance(15)
    sim.wait(lambda: merchant_site.at("/r"))
    sim.control("PUT", "faults", [{"op": "notify.refund", "fault": "bad_signature", "count": 1}])
    refund_v2(sim, order, merchant_site.answer("/two", 200, ACK))
    sim.advance(3)
    sim.wait(
        lambda: [c for c in sim.control("GET", "complaints")["complaints"] if c["code"] == "SIGNATURE_NOT_VERIFIED"]
    )
