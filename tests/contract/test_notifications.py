"""What every adapter promises of notifications, in every configuration, against the simulator."""

from __future__ import annotations

import asyncio
import dataclasses
import time

import pytest

from adapters.base import RefundReport
from adapters.errors import (
    BadSignature,
    Malformed,
    SignatureProbe,
)
from tests.adapters.wire import wire
from tests.contract.uses import V2, V3, query


def test_a_notification_says_what_the_query_says(shop):
    attempt = shop.paid()
    notification = shop.parse(*shop.notice(out_trade_no=attempt.out_trade_no))
    assert notification.kind == "payment"
    assert dataclasses.replace(notification.report, source="query") == shop.call(query(attempt))


def test_wrong_facts_under_a_good_signature_are_reported_as_they_are(shop):
    """Comparing is the funnel's business, where such money is recorded and flagged (money.md F22)."""
    attempt = shop.paid()
    wrong = {"amount": 1, "currency": "USD", "appid": "wxother", "mchid": "1999999999", "openid": "oOther"}
    report = shop.parse(*shop.notice(out_trade_no=attempt.out_trade_no, override=wrong)).report
    told = (report.amount_fen, report.currency, report.appid, report.mchid, report.openid)
    assert told == (1, "USD", "wxother", "1999999999", "oOther")


@pytest.mark.parametrize("signature", ["missing", "broken"])
def test_a_notification_without_a_good_signature(shop, signature):
    headers, body = shop.notice(out_trade_no=shop.paid().out_trade_no, signature=signature)
    with pytest.raises(BadSignature):
        shop.parse(headers, body)


@V3
def test_a_signature_probe_is_refused_and_named(shop):
    headers, body = shop.notice(out_trade_no=shop.paid().out_trade_no, signature="signtest")
    with pytest.raises(SignatureProbe):
        shop.parse(headers, body)


def test_a_notification_with_any_byte_changed(shop):
    headers, body = shop.notice(out_trade_no=shop.paid().out_trade_no)

    async def use(adapter):
        adapter.parse_notification(headers, body, int(time.time()))
        for place in range(len(body)):
            changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            with pytest.raises(BadSignature):
                adapter.parse_notification(headers, changed, int(time.time()))

    shop.call(use)


def test_a_notification_that_is_not_understood(shop):
    attempt = shop.paid()
    for field in ("transaction_id", "out_trade_no"):
        with pytest.raises(Malformed):
            shop.parse(*shop.notice(out_trade_no=attempt.out_trade_no, remove=[field]))


@V3
def test_a_v3_notification_too_old_or_too_early(shop):
    attempt = shop.paid()
    for seconds, well in ((-310, False), (-280, True), (0, True), (280, True), (310, False)):
        headers, body = shop.notice(out_trade_no=attempt.out_trade_no, timestamp_offset=seconds)
        if well:
            assert shop.parse(headers, body).kind == "payment"
        else:
            with pytest.raises(BadSignature):
                shop.parse(headers, body)


@V2
def test_a_v2_notification_carries_no_time_so_a_late_one_is_genuine(shop):
    headers, body = shop.notice(out_trade_no=shop.paid().out_trade_no)
    assert shop.parse(headers, body, time.time() + 86_400).kind == "payment"


@V3
def test_a_v3_notification_under_another_key_or_for_another_merchant(shop):
    attempt = shop.paid()
    for change in ({"serial": "00FF"}, {"key": "other_merchant"}, {"headers": {"Wechatpay-Serial": None}}):
        headers, body = shop.notice(out_trade_no=attempt.out_trade_no, **change)
        with pytest.raises(BadSignature):
            shop.parse(headers, body)


@V3
def test_v3_notifications_by_each_key_that_is_held_and_by_no_other(shop):
    attempt = shop.paid()
    for key, held in (("public_key", shop.way.public_key), ("certificate", shop.way.certificates)):
        if key == "certificate" and not held:
            continue  # such a merchant has no certificates over there, and nothing is ever signed with one
        headers, body = shop.notice(out_trade_no=attempt.out_trade_no, key=key)
        assert headers["Wechatpay-Serial"].startswith("PUB_KEY_ID_") == (key == "public_key")
        if held:
            assert shop.parse(headers, body).kind == "payment"
        else:
            with pytest.raises(BadSignature):
                shop.parse(headers, body)


@V2
def test_a_v2_notification_keeps_the_scheme_that_it_was_signed_with(shop):
    attempt = shop.paid()
    for scheme in ("MD5", "HMAC-SHA256"):
        for told in (True, False):
            notice = shop.notice(out_trade_no=attempt.out_trade_no, sign_type=scheme, sign_type_field=told)
            assert shop.parse(*notice).report.scheme == scheme


def test_the_other_generations_notification_is_refused(shop):
    other = {"v2": "v3", "v3": "v2"}[shop.generation]
    headers, body = shop.notice(out_trade_no=shop.paid().out_trade_no, api=other)
    with pytest.raises(BadSignature):
        shop.parse(headers, body)


def test_an_unknown_event_is_nobodys_payment(shop):
    attempt = shop.paid()
    if shop.generation == "v3":
        notice = shop.notice(out_trade_no=attempt.out_trade_no, envelope={"event_type": "TRANSACTION.NEW"})
    else:
        notice = shop.notice(out_trade_no=attempt.out_trade_no, override={"result_code": "FAIL"})
    notification = shop.parse(*notice)
    assert (notification.kind, notification.report) == ("other", None)


def test_repeats_have_one_identity(shop):
    attempt = shop.paid()
    headers, body = shop.notice(out_trade_no=attempt.out_trade_no)
    one, two = shop.parse(headers, body), shop.parse(headers, body)
    other = shop.parse(*shop.notice(out_trade_no=shop.paid().out_trade_no))
    assert one == two
    assert one.dedupe_key != other.dedupe_key
    assert not isinstance(one.report, RefundReport)


@pytest.mark.parametrize("error", [None, "bad signature"])
def test_acknowledgements_are_judged_as_they_are_meant(shop, error):
    attempt = shop.paid()

    async def use(adapter):
        async def door(_request, writer):
            reply = adapter.acknowledge(error)
            length = "" if reply.status == 204 else f"Content-Length: {len(reply.body)}\r\n"
            writer.write(f"HTTP/1.1 {reply.status} x\r\n{length}\r\n".encode() + reply.body)

        async with wire(door) as server:
            wanted = {"out_trade_no": attempt.out_trade_no, "api": shop.generation, "url": f"{server.url}/notify"}
            return await asyncio.to_thread(lambda: shop.gateway.post("notify", **wanted))

    results = shop.call(use)["results"]
    verdicts = [result["result"] for result in results]
    assert len(verdicts) == 1
    assert ("acknowledged" in verdicts) == (error is None)
