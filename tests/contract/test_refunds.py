"""What every adapter promises of refunds, in every configuration, against the simulator."""

from __future__ import annotations

import dataclasses
import secrets
import time

import pytest

from adapters.base import Refund, RefundReport, RefundStatus
from adapters.errors import BadSignature, NotFound, NotSent, OutcomeUnknown, Rejected, Throttled, Unsupported
from adapters.transport import Transport
from adapters.wechat_v2 import WechatV2
from tests.contract.test_payments import UNKNOWN
from tests.contract.uses import V2, V3, error_of

TAKES = 3  # seconds of the simulator's clock, from accepted to done


@pytest.fixture(autouse=True)
def ordinary(gateway):
    """Refunds come at any pace and to a good end, and there is money for them."""
    usual = {"next": "SUCCESS", "seconds": TAKES, "interval_seconds": 0, "balance_fen": None}
    gateway.put("refunds", usual)
    yield
    gateway.put("refunds", {**usual, "interval_seconds": 60})


def wanted(shop, amount_fen=40, **changes):
    """A refund of part of 100 fen that were just paid."""
    attempt = shop.paid()
    paid = shop.call(lambda adapter: adapter.query(attempt.out_trade_no))
    refund = Refund(
        out_refund_no="R" + secrets.token_hex(12),
        out_trade_no=attempt.out_trade_no,
        provider_transaction_id=paid.provider_transaction_id,
        amount_fen=amount_fen,
        total_fen=100,
        currency="CNY",
        reason="商品已售完 & <退>🍵 ]]>",
        notify_url=attempt.notify_url,
    )
    return dataclasses.replace(refund, **changes)


def send(refund):
    return lambda adapter: adapter.refund(adapter.compose_refund(refund))


def ask(refund):
    return lambda adapter: adapter.query_refund(refund.out_refund_no)


def wait(shop):
    shop.gateway.post("clock", advance_seconds=TAKES + 1)


def made(shop, out_trade_no):
    """The refunds of this order in the simulator's own books."""
    return [each for each in shop.gateway.get("ledger")["refunds"] if each["out_trade_no"] == out_trade_no]


# --- one refund ---


def test_accepted_then_done(shop):
    refund = wanted(shop)
    accepted = shop.call(send(refund))
    assert accepted == RefundReport(
        source="query",
        adapter=shop.way.adapter,
        out_trade_no=refund.out_trade_no,
        provider_transaction_id=refund.provider_transaction_id,
        out_refund_no=refund.out_refund_no,
        provider_refund_id=accepted.provider_refund_id,
        amount_fen=40,
        status=RefundStatus.PROCESSING,
        signed=True,
    )
    assert shop.call(ask(refund)) == accepted
    wait(shop)
    done = shop.call(ask(refund))
    now = shop.gateway.get("clock")["now"]
    assert dataclasses.replace(done, refunded_at=None) == dataclasses.replace(accepted, status=RefundStatus.SUCCESS)
    assert now - 60 < done.refunded_at <= now
    assert shop.call(lambda adapter: adapter.query(refund.out_trade_no)).refunded


def test_the_same_number_again_is_the_same_refund(shop):
    refund = wanted(shop)
    first = shop.call(send(refund))
    assert shop.call(send(refund)) == first
    wait(shop)
    assert shop.call(send(refund)).provider_refund_id == first.provider_refund_id
    assert [each["out_refund_no"] for each in made(shop, refund.out_trade_no)] == [refund.out_refund_no]


def test_the_same_number_with_another_amount_changes_nothing_and_releases_nothing(shop):
    refund = wanted(shop)
    first = shop.call(send(refund))
    error = error_of(shop, send(dataclasses.replace(refund, amount_fen=41)))
    assert type(error) is OutcomeUnknown
    assert shop.call(ask(refund)) == first
    assert len(made(shop, refund.out_trade_no)) == 1


def test_what_is_left_and_not_a_fen_more(shop):
    refund = wanted(shop, 60)
    shop.call(send(refund))
    over = dataclasses.replace(refund, out_refund_no=refund.out_refund_no + "x", amount_fen=41)
    assert type(error_of(shop, send(over))) is Rejected
    assert type(error_of(shop, ask(over))) is NotFound
    rest = dataclasses.replace(refund, out_refund_no=refund.out_refund_no + "y", amount_fen=40)
    assert shop.call(send(rest)).amount_fen == 40
    assert len(made(shop, refund.out_trade_no)) == 2


def test_an_order_that_was_never_paid(shop):
    attempt, _ = shop.ordered()
    refund = wanted(shop, out_trade_no=attempt.out_trade_no, provider_transaction_id="4200000000209901010000000001")
    assert type(error_of(shop, send(refund))) is Rejected
    assert type(error_of(shop, ask(refund))) is NotFound


@pytest.mark.parametrize("status", [RefundStatus.ABNORMAL, RefundStatus.CLOSED])
def test_other_ends(shop, status):
    shop.gateway.put("refunds", {"next": str(status)})
    refund = wanted(shop)
    assert shop.call(send(refund)).status is RefundStatus.PROCESSING
    wait(shop)
    report = shop.call(ask(refund))
    assert (report.status, report.refunded_at, report.amount_fen) == (status, None, 40)


@V3
def test_an_abnormal_refund_is_resolved(shop):
    shop.gateway.put("refunds", {"next": "ABNORMAL"})
    refund = wanted(shop)
    refund_id = shop.call(send(refund)).provider_refund_id
    early = error_of(shop, lambda adapter: adapter.resolve_abnormal(refund_id, refund.out_refund_no))
    assert type(early) is Rejected
    wait(shop)
    told = shop.call(lambda adapter: adapter.resolve_abnormal(refund_id, refund.out_refund_no))
    assert told.status in (RefundStatus.PROCESSING, RefundStatus.SUCCESS)
    wait(shop)
    assert shop.call(ask(refund)).status is RefundStatus.SUCCESS


@V2
def test_v2_an_abnormal_refund_is_for_the_merchant_platform(shop):
    def asked() -> list[int]:
        shown = shop.gateway.get("exchanges")["exchanges"]
        return [one["id"] for one in shown if one["direction"] == "in"]

    before = asked()[-1]
    assert type(error_of(shop, lambda adapter: adapter.resolve_abnormal("50300000000000000000", "R1"))) is Unsupported
    assert asked()[-1] == before


def test_without_money_it_waits_and_the_same_number_goes_through_later(shop):
    shop.gateway.put("refunds", {"balance_fen": 0})
    refund = wanted(shop)
    assert type(error_of(shop, send(refund))) is Throttled
    assert made(shop, refund.out_trade_no) == []
    shop.gateway.put("refunds", {"balance_fen": None})
    assert shop.call(send(refund)).status is RefundStatus.PROCESSING


def test_a_refund_made_in_the_merchant_platform_can_be_asked_about(shop):
    attempt = shop.paid()
    number = shop.gateway.post("refund", out_trade_no=attempt.out_trade_no, amount_fen=30)["refund"]["out_refund_no"]
    report = shop.call(lambda adapter: adapter.query_refund(number))
    assert (report.out_trade_no, report.amount_fen) == (attempt.out_trade_no, 30)


@V2
def test_v2_without_a_certificate_it_is_not_sent(shop):
    refund = wanted(shop)

    async def use(_adapter):
        config = shop.way.config(shop.gateway.merchant, shop.gateway.url, {})
        transport = Transport()
        bare = WechatV2(config, transport, now=time.time, nonce=lambda: secrets.token_hex(16))
        try:
            with pytest.raises(NotSent):
                await bare.refund(bare.compose_refund(refund))
            with pytest.raises(NotFound):
                await bare.query_refund(refund.out_refund_no)
        finally:
            transport.close()

    shop.call(use)
    assert made(shop, refund.out_trade_no) == []


@V2
def test_v2_the_simulator_refuses_refunds_where_no_certificate_is_asked_for(shop):
    """Mutual TLS is what protects refunds: at the plain address nobody gives money back."""
    refund = wanted(shop)

    async def use(adapter):
        config = dataclasses.replace(adapter._config, secapi_url=shop.gateway.url)
        bare = WechatV2(config, adapter._transport, now=time.time, nonce=lambda: secrets.token_hex(16))
        with pytest.raises(OutcomeUnknown):
            await bare.refund(bare.compose_refund(refund))

    shop.call(use)
    assert made(shop, refund.out_trade_no) == []


# --- answers that are no answers ---


@pytest.mark.parametrize("fault", UNKNOWN)
def test_faulty_answers_leave_the_outcome_unknown_and_the_same_number_settles_it(shop, fault):
    expect_unknown(shop, fault)


@V3
@pytest.mark.parametrize("fault", ["signtest", "stale", "wrong_serial"])
def test_faulty_v3_signatures_leave_the_outcome_unknown(shop, fault):
    expect_unknown(shop, fault)


def expect_unknown(shop, fault):
    refund = wanted(shop)
    more = {"location": "/elsewhere"} if fault == "redirect" else {}
    shop.fault("refund", fault, **more)
    assert type(error_of(shop, send(refund))) is OutcomeUnknown
    shop.gateway.clear_faults()
    first = shop.call(send(refund))
    shop.fault("refund_query", fault, **more)
    assert type(error_of(shop, ask(refund))) is OutcomeUnknown
    shop.gateway.clear_faults()
    assert shop.call(ask(refund)) == first
    assert len(made(shop, refund.out_trade_no)) == 1


def test_throttled(shop):
    refund = wanted(shop)
    for operation, use in {"refund": send(refund), "refund_query": ask(refund)}.items():
        shop.fault(operation, "frequency_limited")
        assert type(error_of(shop, use)) is Throttled
    assert made(shop, refund.out_trade_no) == []


@pytest.mark.parametrize("field", ["out_refund_no", "refund_id", "amount", "transaction_id"])
def test_an_answer_that_was_tampered_with(shop, field):
    refund = wanted(shop)
    shop.call(send(refund))
    names = {"amount": "refund_fee_0", "out_refund_no": "out_refund_no_0", "refund_id": "refund_id_0"}
    name = names.get(field, field) if shop.generation == "v2" else {"amount": "refund"}.get(field, field)
    shop.fault("refund_query", "tamper", field=name)
    assert type(error_of(shop, ask(refund))) is OutcomeUnknown


V2_CODES = {
    Throttled: "NOTENOUGH BIZERR_NEED_RETRY FREQUENCY_LIMITED INVALID_REQ_TOO_MUCH",
    OutcomeUnknown: "SYSTEMERROR SIGNERROR REFUND_FEE_MISMATCH NEVER_SEEN",
    Rejected: "ERROR TRADE_OVERDUE USER_ACCOUNT_ABNORMAL ORDERNOTEXIST INVALID_TRANSACTIONID PARAM_ERROR "
    "APPID_NOT_EXIST MCHID_NOT_EXIST REQUIRE_POST_METHOD XML_FORMAT_ERROR",
}
V3_CODES = {
    Throttled: "403.NOT_ENOUGH 429.FREQUENCY_LIMITED",
    OutcomeUnknown: "500.SYSTEM_ERROR 503.SERVICE_UNAVAILABLE 401.SIGN_ERROR 400.NEVER_SEEN",
    Rejected: "400.PARAM_ERROR 400.INVALID_REQUEST 403.USER_ACCOUNT_ABNORMAL 403.NO_AUTH 404.RESOURCE_NOT_EXISTS "
    "404.MCH_NOT_EXISTS",
}


def test_every_code_of_a_refund(shop):
    """Refused is what created nothing, and only if nothing is there: the money stays held for all else."""
    refund, done = wanted(shop), wanted(shop)
    first = shop.call(send(done))
    for kind, codes in (V2_CODES if shop.generation == "v2" else V3_CODES).items():
        for code in codes.split():
            status, _, word = code.rpartition(".")
            shop.fault("refund", "error", code=word, **({"status": int(status)} if status else {}))
            assert type(error_of(shop, send(refund))) is kind, code
            if kind is Rejected:
                assert shop.call(send(done)) == first, code
    assert made(shop, refund.out_trade_no) == []


# --- notifications ---


def notice(shop, refund, **more):
    return shop.notice(out_refund_no=refund.out_refund_no, **more)


@pytest.mark.parametrize("status", [RefundStatus.SUCCESS, RefundStatus.ABNORMAL, RefundStatus.CLOSED])
def test_a_notice_of_a_refund(shop, status):
    """v3's is evidence; v2's has no signature and is a hint to ask (v2.md 12.2)."""
    shop.gateway.put("refunds", {"next": str(status)})
    refund = wanted(shop)
    shop.call(send(refund))
    wait(shop)
    told = shop.parse(*notice(shop, refund))
    asked = shop.call(ask(refund))
    assert told.kind == "refund"
    assert told.report == dataclasses.replace(asked, source="notification", signed=shop.generation == "v3")
    assert told.report.status is status


def test_a_notice_of_a_refund_that_is_not_authentic(shop):
    refund = wanted(shop)
    shop.call(send(refund))
    headers, body = notice(shop, refund, event="SUCCESS")

    async def use(adapter):
        assert adapter.parse_notification(headers, body, int(time.time())).kind == "refund"
        cut = body.replace(b"req_info>", b"req_inf>") if shop.generation == "v2" else body[:-1]
        with pytest.raises(BadSignature):
            adapter.parse_notification(headers, cut, int(time.time()))

    shop.call(use)
    other = {"v2": "v3", "v3": "v2"}[shop.generation]
    with pytest.raises(BadSignature):
        shop.parse(*notice(shop, refund, event="SUCCESS", api=other))


def test_notices_of_refunds_have_identities(shop):
    first, second = wanted(shop), wanted(shop)
    for refund in (first, second):
        shop.call(send(refund))
    one, two = (notice(shop, refund, event="SUCCESS") for refund in (first, second))
    assert shop.parse(*one).dedupe_key == shop.parse(*one).dedupe_key != shop.parse(*two).dedupe_key
