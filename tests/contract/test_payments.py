"""What every adapter promises of a payment, in every configuration, against the simulator."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time

import pytest

from adapters.base import CloseResult, PrepayRequest, TradeReport, TradeStatus
from adapters.errors import (
    Conflict,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Rejected,
    Throttled,
)
from adapters.transport import Transport
from tests.adapters.wire import wire
from tests.contract.uses import V3, close, error_of, prepay, query
from tests.processes import eventually

# --- one payment ---


def test_prepaid_paid_notified_acknowledged_and_queried(shop):
    """The whole way of one payment, the notification received on a socket of our own."""
    heard = []

    async def purchase(adapter):
        async def shop_door(request, writer):
            head, body = request.split(b"\r\n\r\n", 1)
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            heard.append(adapter.parse_notification(headers, body, int(time.time())))
            reply = adapter.acknowledge()
            words = f"HTTP/1.1 {reply.status} x\r\nContent-Type: {reply.content_type}\r\n"
            length = "" if reply.status == 204 else f"Content-Length: {len(reply.body)}\r\n"
            writer.write(f"{words}{length}\r\n".encode() + reply.body)

        async with wire(shop_door) as door:
            attempt = await asyncio.to_thread(shop.attempt, 100, f"{door.url}/notify")
            request = adapter.compose(attempt)
            assert request.scheme == shop.way.scheme
            values = adapter.client_payment(await adapter.prepay(request), int(time.time()))
            assert await asyncio.to_thread(shop.pay, values) == "requestPayment:ok"
            for _ in range(100):
                if heard and await asyncio.to_thread(shop.gateway.quiet):
                    break
                await asyncio.sleep(0.05)
            return attempt, await adapter.query(attempt.out_trade_no)

    attempt, report = shop.call(purchase)
    assert report == TradeReport(
        source="query",
        adapter=shop.way.adapter,
        out_trade_no=attempt.out_trade_no,
        status=TradeStatus.PAID,
        trade_state="SUCCESS",
        appid=shop.gateway.merchant["appid"],
        mchid=shop.gateway.merchant["mchid"],
        provider_transaction_id=report.provider_transaction_id,
        amount_fen=100,
        currency="CNY",
        openid=attempt.openid,
        paid_at=report.paid_at,
        scheme=shop.way.scheme,
    )
    assert report.provider_transaction_id
    assert abs(report.paid_at - shop.gateway.get("clock")["now"]) < 60
    assert [each.report for each in heard] == [dataclasses.replace(report, source="notification")]
    deliveries = [each for each in shop.gateway.get("ledger")["deliveries"] if attempt.out_trade_no in str(each)]
    assert deliveries, "the ledger must know the delivery"
    eventually(lambda: not shop.gateway.get("state")["in_flight"])  # another test's may be, for a moment


def test_the_client_signature_is_checked_and_nothing_else_is_accepted(shop):
    _, values = shop.ordered()
    changed = {**values, "nonceStr": values["nonceStr"][:-1] + ("0" if values["nonceStr"][-1] != "0" else "1")}
    assert shop.pay(changed) != "requestPayment:ok"
    assert shop.pay(values) == "requestPayment:ok"


def test_a_coupon_does_not_change_what_the_order_cost(shop):
    attempt, values = shop.ordered()
    assert shop.pay(values, coupon_fen=30) == "requestPayment:ok"
    assert shop.call(query(attempt)).amount_fen == 100


def test_the_description_arrives_cut_and_escaped(shop):
    attempt = dataclasses.replace(shop.attempt(), description="]]><x>&amp;" + "茶🍵" * 200)
    assert shop.pay(shop.ordered(attempt)[1]) == "requestPayment:ok"


# --- the same again, and something else ---


def test_the_same_request_again_gives_a_prepay_id_that_can_be_paid(shop):
    attempt, first = shop.ordered()
    _, second = shop.ordered(attempt)
    assert shop.pay(second) == "requestPayment:ok"
    assert shop.pay(first) != "requestPayment:ok"
    assert shop.call(query(attempt)).status is TradeStatus.PAID


def test_the_same_number_with_another_amount_is_refused(shop):
    attempt, _ = shop.ordered()
    error = error_of(shop, prepay(dataclasses.replace(attempt, amount_fen=101)))
    assert isinstance(error, Rejected)
    assert shop.call(query(attempt)).status is TradeStatus.OPEN


def test_a_reply_lost_after_the_work_was_done_is_found_again_by_the_same_request(shop):
    attempt = shop.attempt()
    shop.fault("prepay", "drop_reply_after_commit", count=1)
    assert isinstance(error_of(shop, prepay(attempt)), OutcomeUnknown)
    _, values = shop.ordered(attempt)
    assert shop.pay(values) == "requestPayment:ok"


def test_a_paid_number_cannot_be_ordered_again(shop):
    assert isinstance(error_of(shop, prepay(shop.paid())), Conflict)


def test_a_closed_number_cannot_be_ordered_again(shop):
    assert isinstance(error_of(shop, prepay(shop.closed())), Conflict)


# --- query and close ---


def test_an_open_order(shop):
    report = shop.call(query(shop.ordered()[0]))
    assert (report.status, report.provider_transaction_id, report.paid_at) == (TradeStatus.OPEN, None, None)


def test_a_number_that_never_was(shop):
    assert isinstance(error_of(shop, query(shop.attempt())), NotFound)
    assert isinstance(error_of(shop, close(shop.attempt())), (NotFound, OutcomeUnknown))


def test_closed_once_and_again(shop):
    attempt, values = shop.ordered()
    shop.old_enough_to_close()
    assert shop.call(close(attempt)) is CloseResult.ACCEPTED
    assert shop.call(query(attempt)).status is TradeStatus.CLOSED
    assert shop.call(close(attempt)) in set(CloseResult)
    assert shop.pay(values) != "requestPayment:ok"


def test_a_paid_order_is_not_closed(shop):
    attempt = shop.paid()
    shop.old_enough_to_close()
    assert isinstance(error_of(shop, close(attempt)), Conflict)
    assert shop.call(query(attempt)).status is TradeStatus.PAID


# --- answers that are no answers ---

UNKNOWN = ["drop_before", "drop_reply_after_commit", "http_500_before", "http_500_after", "system_error"]
UNKNOWN += ["html", "empty", "truncate", "huge_body", "redirect", "unsigned", "bad_signature"]


@pytest.mark.parametrize("fault", UNKNOWN)
def test_faulty_answers_leave_the_outcome_unknown(shop, fault):
    operations = {"query": query, "prepay": prepay, "close": close}
    if fault in ("truncate", "huge_body") and shop.generation == "v3":
        del operations["close"]  # a 204 has no body
    expect_unknown(shop, fault, operations)


@V3
@pytest.mark.parametrize("fault", ["signtest", "stale", "wrong_serial"])
def test_faulty_v3_signatures_leave_the_outcome_unknown(shop, fault):
    expect_unknown(shop, fault, {"query": query, "prepay": prepay, "close": close})


def expect_unknown(shop, fault, operations):
    attempt, _ = shop.ordered()
    shop.old_enough_to_close()
    more = {"location": "/elsewhere"} if fault == "redirect" else {}
    for operation, use in operations.items():
        shop.fault(operation, fault, **more)
        assert isinstance(error_of(shop, use(attempt)), OutcomeUnknown), operation


def test_throttled(shop):
    attempt, _ = shop.ordered()
    for operation, use in {"query": query(attempt), "prepay": prepay(attempt), "close": close(attempt)}.items():
        shop.fault(operation, "frequency_limited")
        assert isinstance(error_of(shop, use), Throttled), operation


@pytest.mark.parametrize("field", ["appid", "out_trade_no", "trade_state", "transaction_id", "amount"])
def test_an_answer_that_was_tampered_with(shop, field):
    attempt = shop.paid()
    shop.fault(
        "query", "tamper", field={"amount": "total_fee" if shop.generation == "v2" else "total"}.get(field, field)
    )
    assert isinstance(error_of(shop, query(attempt)), OutcomeUnknown)


def test_a_gateway_that_is_not_there(shop):
    attempt = shop.attempt()

    async def use(_adapter):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            transport = Transport()
            lonely = shop.adapter(transport, f"http://127.0.0.1:{free.getsockname()[1]}")
            for ask in (prepay(attempt), query(attempt), close(attempt)):
                with pytest.raises(NotSent):
                    await ask(lonely)
            transport.close()

    shop.call(use)


# --- the rest ---


def test_self_check(shop):
    checks = shop.call(lambda adapter: adapter.self_check())
    assert [check for check in checks if not check.ok] == []
    assert len(checks) == {"v2": 1, "v3": 3}[shop.generation]


def test_names_and_numbers(shop):
    adapter = shop.adapter(Transport(), shop.gateway.url)
    assert (adapter.name, adapter.appid, adapter.mchid, adapter.close_wait_seconds) == (
        shop.way.adapter,
        shop.gateway.merchant["appid"],
        shop.gateway.merchant["mchid"],
        {"v2": 300, "v3": 0}[shop.generation],
    )


def test_parameters_are_stored_as_text_and_survive_it(shop):
    """What a crash leaves in the database is enough to ask again."""
    attempt = shop.attempt()

    async def use(adapter):
        request = adapter.compose(attempt)
        before = await adapter.prepay(request)
        after = await adapter.prepay(PrepayRequest(str(request.parameters), str(request.scheme)))
        return before.prepay_id, after.prepay_id

    before, after = shop.call(use)
    assert before
    assert after


def test_an_ordinary_payment_gives_the_simulator_nothing_to_complain_of(shop):
    """It is strict about every field, header and signature of ours."""
    shop.gateway.http.delete("/_sim/complaints")
    attempt = shop.paid()
    shop.call(query(attempt))
    shop.closed()
    assert shop.gateway.get("complaints")["complaints"] == []
    shop.gateway.http.post("/pay/orderquery", content=b"<xml></xml>")  # and it would complain
    assert shop.gateway.get("complaints")["complaints"] != []
