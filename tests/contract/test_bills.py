"""What every adapter promises of bills, in every configuration, against the simulator's books."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from adapters.base import BillLine, FundLine
from adapters.errors import Malformed, NotReady, OutcomeUnknown, Rejected, Throttled
from tests.contract.test_payments import UNKNOWN
from tests.contract.test_refunds import ask, send, wait, wanted
from tests.contract.uses import V3, error_of

BEIJING = timezone(timedelta(hours=8))


@pytest.fixture(autouse=True)
def ordinary(gateway):
    gateway.put("refunds", {"next": "SUCCESS", "interval_seconds": 0, "balance_fen": None})
    gateway.http.delete("/_sim/bill")
    yield
    gateway.http.delete("/_sim/bill")


def today(gateway):
    return datetime.fromtimestamp(gateway.get("clock")["now"], BEIJING)


def next_day_at(gateway, hour, minute=0):
    """Move WeChat's clock to the morning after; the day that then is over."""
    now = today(gateway)
    then = (now + timedelta(days=1)).replace(hour=hour, minute=minute, second=0, microsecond=0)
    gateway.post("clock", advance_seconds=int((then - now).total_seconds()) + 1)
    return now.strftime("%Y-%m-%d")


def early(gateway):
    """Not so late in the day that a refund would be of tomorrow."""
    if today(gateway).hour > 21:
        next_day_at(gateway, 1)


def download(day, folder, kind="trade"):
    async def use(adapter):
        bill = await adapter.download_bill(day, kind, folder)
        lines = list(bill.lines)
        assert bill.count == len(lines)
        return lines

    return use


def traded(shop):
    """A payment and its refund, by number, and the day whose bill, now made, has them."""
    early(shop.gateway)
    refund = wanted(shop)
    shop.call(send(refund))
    wait(shop)
    shop.call(ask(refund))
    return refund, next_day_at(shop.gateway, 10, 30)


def test_a_day_s_payment_and_refund_are_in_its_bill(shop, tmp_path):
    refund, day = traded(shop)
    lines = shop.call(download(day, tmp_path))
    paid, back = [line for line in lines if line.out_trade_no == refund.out_trade_no]
    query = shop.call(lambda adapter: adapter.query(refund.out_trade_no))
    asked = shop.call(ask(refund))
    about = {"appid": query.appid, "mchid": query.mchid, "openid": query.openid}
    assert paid == BillLine(
        kind="payment",
        out_trade_no=refund.out_trade_no,
        provider_transaction_id=refund.provider_transaction_id,
        amount_fen=100,
        settled_fen=100,
        at=query.paid_at,
        **about,
    )
    assert back == BillLine(
        kind="refund",
        out_trade_no=refund.out_trade_no,
        provider_transaction_id=refund.provider_transaction_id,
        amount_fen=40,
        settled_fen=40,
        at=back.at,
        out_refund_no=refund.out_refund_no,
        provider_refund_id=asked.provider_refund_id,
        refund_status="SUCCESS",
        **about,
    )
    assert query.paid_at <= back.at <= asked.refunded_at
    assert list(tmp_path.iterdir()), "the caller's folder has the file"


def test_what_moved_on_a_day_is_in_its_fund_flow_bill(shop, tmp_path):
    refund, day = traded(shop)
    number = shop.call(ask(refund)).provider_refund_id
    lines = shop.call(download(day, tmp_path, "fund"))
    known = [line for line in lines if line.provider_number in (refund.provider_transaction_id, number)]
    paid, *_, back = [line for line in known if line.kind != "other"]
    query = shop.call(lambda adapter: adapter.query(refund.out_trade_no))
    assert paid == FundLine("payment", refund.provider_transaction_id, 100, query.paid_at)
    assert back == FundLine("refund", number, -40, shop.call(ask(refund)).refunded_at)
    assert [line.amount_fen for line in known if line.kind == "other"] == [-1], "a fee of 0.60 %"


@pytest.mark.parametrize("kind", ["trade", "fund"])
def test_the_sums_of_a_bill_are_those_of_its_lines(shop, tmp_path, kind):
    _, day = traded(shop)
    shop.gateway.put("bill", {"extra_lines": 500, "day": day})

    async def use(adapter):
        bill = await adapter.download_bill(day, kind, tmp_path)
        return bill.sums, list(bill.lines), b"".join(bill.raw)

    sums, lines, raw = shop.call(use)
    back = {"trade": lambda line: line.kind == "refund", "fund": lambda line: line.amount_fen < 0}[kind]
    plus, minus = ("paid", "refunded") if kind == "trade" else ("in", "out")
    assert sums[plus] == sum(line.amount_fen for line in lines if not back(line))
    assert sums[minus] == sum(abs(line.amount_fen) for line in lines if back(line))
    assert raw.count(b"\r\n") == len(lines) + 3


def test_a_coupon_is_part_of_what_was_paid(shop, tmp_path):
    early(shop.gateway)
    attempt, values = shop.ordered()
    assert shop.pay(values, coupon_fen=30) == "requestPayment:ok"
    day = next_day_at(shop.gateway, 10, 30)
    (line,) = [each for each in shop.call(download(day, tmp_path)) if each.out_trade_no == attempt.out_trade_no]
    assert line.amount_fen == 100


def test_a_bill_is_not_ready_before_the_morning_after(shop, tmp_path):
    early(shop.gateway)
    attempt = shop.paid()
    day = next_day_at(shop.gateway, 8)
    assert type(error_of(shop, download(day, tmp_path))) is NotReady
    assert type(error_of(shop, download(day, tmp_path, "fund"))) is NotReady
    shop.gateway.post("clock", advance_seconds=9000)
    lines = shop.call(download(day, tmp_path))
    assert [line.kind for line in lines if line.out_trade_no == attempt.out_trade_no] == ["payment"]


@pytest.mark.parametrize("kind", ["trade", "fund"])
def test_a_day_without_trade_has_an_empty_bill(shop, tmp_path, kind):
    quiet = (today(shop.gateway) - timedelta(days=60)).strftime("%Y-%m-%d")
    assert shop.call(download(quiet, tmp_path, kind)) == []


@V3
def test_a_day_to_come_has_none(shop, tmp_path):
    """v2 says "No Bill Exist" of such a day as of one without trade (v2.md 10): who asks must know the date."""
    tomorrow = (today(shop.gateway) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert type(error_of(shop, download(tomorrow, tmp_path))) in (Rejected, NotReady)


@pytest.mark.parametrize("columns", [24, 27])
def test_many_lines_in_both_forms(shop, tmp_path, columns):
    refund, day = traded(shop)
    shop.gateway.put("bill", {"columns": columns, "extra_lines": 3000, "day": day})
    lines = shop.call(download(day, tmp_path))
    assert len(lines) > 3000
    kinds = [(line.kind, line.amount_fen) for line in lines if line.out_trade_no == refund.out_trade_no]
    assert kinds == [("payment", 100), ("refund", 40)]


@pytest.mark.parametrize("fault", sorted(set(UNKNOWN) - {"unsigned", "bad_signature", "redirect"}))
def test_faulty_answers_give_no_bill(shop, tmp_path, fault):
    _, day = traded(shop)
    shop.fault("bill", fault)
    assert type(error_of(shop, download(day, tmp_path))) in (OutcomeUnknown, Malformed)
    shop.gateway.clear_faults()
    assert shop.call(download(day, tmp_path))


@V3
@pytest.mark.parametrize("fault", sorted(set(UNKNOWN) - {"unsigned", "bad_signature"}))
def test_a_faulty_file_gives_no_bill(shop, tmp_path, fault):
    _, day = traded(shop)
    shop.fault("bill_file", fault, **({"location": "/elsewhere"} if fault == "redirect" else {}))
    assert type(error_of(shop, download(day, tmp_path))) is OutcomeUnknown


@V3
@pytest.mark.parametrize("fault", ["unsigned", "bad_signature", "signtest", "stale", "wrong_serial"])
def test_an_answer_that_is_not_signed_leads_to_no_file(shop, tmp_path, fault):
    _, day = traded(shop)
    shop.fault("bill", fault)
    assert type(error_of(shop, download(day, tmp_path))) is OutcomeUnknown


def test_throttled(shop, tmp_path):
    _, day = traded(shop)
    shop.fault("bill", "frequency_limited")
    kind = Throttled if shop.generation == "v3" else OutcomeUnknown  # v2 has no words for it in a bill's failure
    assert type(error_of(shop, download(day, tmp_path))) is kind
