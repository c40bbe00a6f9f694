"""The fault plan's part in notifications: lost, held back, doubled, forged."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature

from tests.simulator.site import ACK


def test_faults_of_notifications(own_sim, merchant_site):
    sim = own_sim()
    url = merchant_site.answer("/f", 204)
    expected = {
        "unsigned": KeyError,
        "bad_signature": InvalidSignature,
        "forged": InvalidSignature,
        "signtest": Exception,
        "tamper": InvalidSignature,
        "wrong_serial": AssertionError,
    }
    for fault, error in expected.items():
        merchant_site.received.clear()
        sim.control("PUT", "faults", [{"op": "notify.v3", "fault": fault, "count": 1}])
        order = sim.paid_v3(notify_url=url)
        sim.wait(lambda order=order: sim.tries(order))
        with pytest.raises(error):
            sim.verify(merchant_site.received[0].headers, merchant_site.received[0].body)
    assert merchant_site.received[0].headers["Wechatpay-Serial"] == "5A" * 20
    complaints = sim.control("GET", "complaints")["complaints"]
    assert [c["code"] for c in complaints] == ["SIGNATURE_NOT_VERIFIED"] * 6


def test_probe_then_truth(own_sim, merchant_site):
    sim = own_sim()
    sim.control("PUT", "faults", [{"op": "notify*", "fault": "signtest", "count": 1}])
    order = sim.paid_v3(notify_url=merchant_site.answer("/probe", 401))
    sim.wait(lambda: sim.tries(order))
    merchant_site.answer("/probe", 200)
    sim.advance(15)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    probe, truth = merchant_site.at("/probe")
    assert probe.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    sim.verify(truth.headers, truth.body)
    assert sim.control("GET", "complaints")["complaints"] == []


def test_dropped_and_doubled(own_sim, merchant_site):
    sim = own_sim()
    rules = [{"op": "notify.v2", "fault": "drop", "count": 1}, {"op": "notify.v2", "fault": "duplicate", "times": 5}]
    sim.control("PUT", "faults", rules)
    order = sim.paid_v2(notify_url=merchant_site.answer("/d", 200, ACK))
    sim.wait(lambda: sim.tries(order))
    assert sim.tries(order)[0]["result"] == "dropped by the fault plan"
    assert not merchant_site.at("/d")
    sim.advance(15)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    assert len(merchant_site.at("/d")) == 5
    assert len({one.body for one in merchant_site.at("/d")}) == 1


def test_a_forger_has_another_v2_key(own_sim, merchant_site):
    sim = own_sim()
    sim.control("PUT", "faults", [{"op": "notify.v2", "fault": "forged"}])
    order = sim.paid_v2(notify_url=merchant_site.answer("/f", 200, ACK))
    sim.wait(lambda: sim.tries(order))
    fields = merchant_site.at("/f")[0].xml
    assert fields["out_trade_no"] == order["out_trade_no"]
    assert fields.pop("sign") not in (sim.keyed(fields), "")
    assert [c["code"] for c in sim.control("GET", "complaints")["complaints"]] == ["SIGNATURE_NOT_VERIFIED"]


def test_late(own_sim, merchant_site):
    sim = own_sim()
    sim.control("PUT", "faults", [{"op": "notify.*", "fault": "late", "seconds": 90000, "count": 1}])
    order, other = (sim.paid_v3(notify_url=merchant_site.answer("/late", 204)) for _ in range(2))
    sim.wait(lambda: sim.tries(other))
    sim.advance(89000)
    assert sim.control("GET", "state")["due"] == 0
    assert sim.tries(order) == []
    sim.advance(1000)
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    assert len(sim.tries(order)) == 1
    numbers = [sim.decrypt(received.body)["out_trade_no"] for received in merchant_site.at("/late")]
    assert numbers == [other["out_trade_no"], order["out_trade_no"]]


def test_out_of_order(own_sim, merchant_site):
    sim = own_sim()
    sim.control("PUT", "faults", [{"op": "notify.v3", "fault": "out_of_order", "count": 1}])
    first = sim.paid_v3(notify_url=merchant_site.answer("/n", 204))
    sim.advance(86400)
    assert sim.control("GET", "state")["due"] == 0
    assert sim.tries(first) == []
    sim.control(
        "POST", "refund", {"out_trade_no": first["out_trade_no"], "amount_fen": 40, "notify_url": first["notify_url"]}
    )
    sim.advance(3)
    sim.wait(lambda: len(merchant_site.at("/n")) == 2)
    first_come, then = (sim.decrypt(received.body) for received in merchant_site.at("/n"))
    assert (first_come["refund_status"], then["trade_state"]) == ("SUCCESS", "SUCCESS")
