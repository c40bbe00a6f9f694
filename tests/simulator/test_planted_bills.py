"""Bills with errors planted in them and their known answers, and a bill that is too large to be held."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.processes import eventually
from tests.simulator.billing import day_of, parsed, to_noon, v2_bill, v3_bill


def test_planted_errors_and_their_answers(own_sim):
    sim = own_sim()
    to_noon(sim)
    sim.paid_v3()
    to_noon(sim)
    day, kinds = day_of(sim, 1), ("missing", "amount", "duplicate", "number", "extra")
    sim.control("PUT", "bill", {"extra_lines": 500})
    true = {row["微信订单号"]: row["订单金额"] for row in parsed(v2_bill(sim, day).body)[0]}
    assert len(true) == 501
    assert true[f"4200999999{day:%Y%m%d}0000000002"] == "0.75"
    plan = {"extra_lines": 500, "errors": [{"kind": kind, "n": 20} for kind in kinds], "seed": 7, "day": str(day)}
    sim.control("PUT", "bill", plan)
    planted = sim.control("GET", f"bill?day={day}")["planted"]
    answers = {kind: {e["transaction_id"] for e in planted if e["kind"] == kind} for kind in kinds}
    assert [len(answers[kind]) for kind in kinds] == [20] * 5
    rows, totals = parsed(v2_bill(sim, day).body)
    assert len(rows) == 501 - 20 + 20 + 20 == int(totals["总交易单数"])
    shown = {row["微信订单号"]: row["订单金额"] for row in rows}
    assert true.keys() - shown.keys() == answers["missing"] | answers["number"]
    assert len(shown.keys() - true.keys()) == 40
    assert answers["extra"] <= shown.keys()
    assert {number for number in shown.keys() & true.keys() if shown[number] != true[number]} == answers["amount"]
    twice = [row["微信订单号"] for row in rows]
    assert {number for number in twice if twice.count(number) == 2} == answers["duplicate"]
    assert v2_bill(sim, day).body == v2_bill(sim, day).body
    assert v2_bill(sim, day_of(sim, 2)).xml["return_msg"] == "No Bill Exist"


def test_planted_errors_of_refunds(own_sim):
    sim = own_sim()
    sim.control("PUT", "refunds", {"interval_seconds": 0})
    to_noon(sim)
    order = sim.paid_v2()
    for _ in range(4):
        sim.refund_v2({"out_trade_no": order["out_trade_no"], "total_fee": "100", "refund_fee": "10"})
    to_noon(sim)
    day = day_of(sim, 1)
    sim.control("PUT", "bill", {"errors": [{"kind": "refund_missing"}, {"kind": "refund_amount", "n": 2}]})
    planted = {e["out_refund_no"]: e["kind"] for e in sim.control("GET", f"bill?day={day}")["planted"]}
    rows = [row for row in parsed(v2_bill(sim, day).body)[0] if row["交易状态"] == "REFUND"]
    assert len(rows) == 3
    for row in rows:
        wrong = planted.get(row["商户退款单号"]) == "refund_amount"
        assert row["申请退款金额"] == ("0.11" if wrong else "0.10")


@pytest.mark.parametrize(
    "wish",
    [
        {"errors": [{"kind": "other"}]},
        {"errors": [{"kind": "missing", "n": -1}]},
        {"errors": ["missing"]},
        {"errors": 1},
        {"extra_lines": 10**9},
        {"extra_lines": True},
        {"extra_lines": 1, "extra_refunds": 2},
        {"extra_refunds": -1},
        {"columns": 25},
        {"columns": True},
        {"seed": "1"},
        {"day": "yesterday"},
        {"other": 1},
    ],
)
def test_plans_that_make_no_sense(sim, wish):
    before = sim.control("GET", "bill")
    assert sim.call("PUT", "/_sim/bill", json.dumps(wish).encode()).status == 400
    assert sim.control("GET", "bill") == before
    assert sim.call("GET", "/_sim/bill?day=x").status == 400


def test_a_hundred_thousand_lines_are_streamed(own_sim):
    sim = own_sim()
    to_noon(sim)
    sim.control("PUT", "bill", {"extra_lines": 100_000, "errors": [{"kind": "missing", "n": 250}]})
    before = resident(sim)
    raw = gzip.decompress(v2_bill(sim, day_of(sim, 1), tar_type="GZIP").body)
    assert raw.count(b"\r\n") == 100_000 - 250 + 3
    assert resident(sim) - before < 30_000


def test_a_larger_bill_is_being_created_until_it_is_written(own_sim):
    """By either generation, which ask for the same file."""
    sim = own_sim()
    to_noon(sim)
    day = day_of(sim, 1)
    sim.control("PUT", "bill", {"extra_lines": 200_000, "day": str(day)})
    assert v3_bill(sim, day).json["code"] == "STATEMENT_CREATING"
    eventually(lambda: v3_bill(sim, day).status == 200, 120)
    assert gzip.decompress(v2_bill(sim, day, tar_type="GZIP").body).count(b"\r\n") == 200_003


def resident(sim):
    """Kilobytes of memory that the process has touched."""
    status = Path(f"/proc/{sim.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
