"""What verified messages become: the one value type that moves money, in both generations."""

from __future__ import annotations

import hashlib

import pytest

from adapters.base import Notification, RefundReport, RefundStatus, TradeReport, TradeStatus
from adapters.errors import Malformed
from adapters.wechat_v2 import reports as v2
from adapters.wechat_v2.codec import Signed
from adapters.wechat_v3 import reports as v3
from adapters.wechat_v3.codec import Envelope
from tests.adapters import known

EXPECTED = {
    "out_trade_no": "T202401010001",
    "status": TradeStatus.PAID,
    "trade_state": "SUCCESS",
    "appid": known.APPID,
    "mchid": known.MCHID,
    "provider_transaction_id": "4200000000202401010000000001",
    "amount_fen": 100,
    "currency": "CNY",
    "openid": "oTESTopenid0000000000000001",
    "paid_at": known.PAID_AT,
    "refunded": False,
}
STATES = [
    ("SUCCESS", TradeStatus.PAID),
    ("REFUND", TradeStatus.PAID),
    ("NOTPAY", TradeStatus.OPEN),
    ("USERPAYING", TradeStatus.OPEN),
    ("PAYERROR", TradeStatus.OPEN),
    ("ACCEPT", TradeStatus.OPEN),
    ("CLOSED", TradeStatus.CLOSED),
    ("REVOKED", TradeStatus.CLOSED),
    ("NEVER_SEEN", TradeStatus.UNSEEN),
    ("success", TradeStatus.UNSEEN),
]


def without(fields, *names):
    return {name: value for name, value in fields.items() if name not in names}


# --- v2 ---


def test_v2_paid_by_notification():
    notification = v2.notified(Signed(known.V2_PAID, "HMAC-SHA256"))
    report = TradeReport(source="notification", adapter="wechat_v2", scheme="HMAC-SHA256", **EXPECTED)
    text = "".join(f"{name}={value}&" for name, value in sorted(known.V2_PAID.items())) + "key="
    assert notification == Notification("v2:" + hashlib.sha256(text.encode()).hexdigest(), "payment", report)
    assert len(notification.dedupe_key) <= 80


def test_v2_paid_by_query():
    report = v2.queried({**known.V2_PAID, "trade_state": "SUCCESS"}, "MD5")
    assert report == TradeReport(source="query", adapter="wechat_v2", scheme="MD5", **EXPECTED)


def test_v2_the_dedupe_key_follows_the_signed_fields():
    one = v2.notified(Signed(known.V2_PAID, "MD5"))
    again = v2.notified(Signed({**known.V2_PAID, "sign": "X", "empty": ""}, "MD5"))
    other = v2.notified(Signed({**known.V2_PAID, "nonce_str": "other"}, "MD5"))
    assert one.dedupe_key == again.dedupe_key != other.dedupe_key


@pytest.mark.parametrize("result", ["FAIL", "", "success"])
def test_v2_a_notification_without_success_is_no_payment(result):
    notification = v2.notified(Signed({**known.V2_PAID, "result_code": result}, "MD5"))
    assert (notification.kind, notification.report) == ("other", None)


@pytest.mark.parametrize(("state", "status"), STATES)
def test_v2_states(state, status):
    report = v2.queried({**known.V2_PAID, "trade_state": state}, "MD5")
    assert (report.status, report.trade_state, report.refunded) == (status, state, state == "REFUND")


def test_v2_an_unpaid_answer_has_little():
    fields = {"appid": known.APPID, "mch_id": known.MCHID, "out_trade_no": "T202401010001", "trade_state": "NOTPAY"}
    report = v2.queried(fields, "MD5")
    assert report == TradeReport(
        source="query",
        adapter="wechat_v2",
        out_trade_no="T202401010001",
        status=TradeStatus.OPEN,
        trade_state="NOTPAY",
        appid=known.APPID,
        mchid=known.MCHID,
        currency="CNY",
        scheme="MD5",
    )


@pytest.mark.parametrize("name", ["transaction_id", "total_fee", "time_end", "out_trade_no", "appid", "mch_id"])
def test_v2_paid_without(name):
    for fields in (without(known.V2_PAID, name), {**known.V2_PAID, name: ""}, {**known.V2_PAID, name: "茶"}):
        with pytest.raises(Malformed):
            v2.notified(Signed(fields, "MD5"))


def test_v2_no_state_is_malformed():
    with pytest.raises(Malformed):
        v2.queried(known.V2_PAID, "MD5")


def test_v2_currency_is_what_it_says_and_cny_if_it_says_nothing():
    assert v2.queried({**known.V2_PAID, "trade_state": "SUCCESS", "fee_type": "USD"}, "MD5").currency == "USD"
    assert v2.queried({**without(known.V2_PAID, "fee_type"), "trade_state": "SUCCESS"}, "MD5").currency == "CNY"


REFUND = {
    "out_refund_no": "R1",
    "out_trade_no": "T202401010001",
    "transaction_id": "42",
    "refund_id": "50",
    "refund_fee": "40",
    "settlement_refund_fee": "36",
    "total_fee": "100",
    "refund_status": "SUCCESS",
    "success_time": "2024-01-01 10:01:30",
}


def test_v2_refund_is_a_hint():
    notification = v2.refund_notified(REFUND)
    assert (notification.kind, len(notification.dedupe_key)) == ("refund", 68)
    assert notification.report == RefundReport(
        "notification", "wechat_v2", "T202401010001", "42", "R1", "50", 40, "SUCCESS", False, known.PAID_AT
    )


@pytest.mark.parametrize(("theirs", "ours"), [("REFUNDCLOSE", "CLOSED"), ("CHANGE", "ABNORMAL"), ("PROCESSING",) * 2])
def test_v2_refund_states(theirs, ours):
    report = v2.refund_notified({**REFUND, "refund_status": theirs}).report
    assert isinstance(report, RefundReport)
    assert (report.status, report.refunded_at, report.signed) == (ours, None, False)
    assert type(report.status) is RefundStatus


@pytest.mark.parametrize("change", [{"refund_status": "NEW"}, {"refund_fee": "4.0"}, {"out_refund_no": ""}])
def test_v2_refund_not_understood(change):
    with pytest.raises(Malformed):
        v2.refund_notified({**REFUND, **change})


# --- v3 ---


def envelope(resource=known.TRADE, original="transaction", event="TRANSACTION.SUCCESS"):
    return Envelope("EV-1", event, original, resource)


def test_v3_paid_by_notification():
    report = TradeReport(source="notification", adapter="wechat_v3", scheme="RSA", **EXPECTED)
    assert v3.notified(envelope()) == Notification("v3:EV-1", "payment", report)


def test_v3_paid_by_query():
    assert v3.trade_report(known.TRADE, "query") == TradeReport(
        source="query", adapter="wechat_v3", scheme="RSA", **EXPECTED
    )


@pytest.mark.parametrize(("state", "status"), STATES)
def test_v3_states(state, status):
    report = v3.trade_report({**known.TRADE, "trade_state": state}, "query")
    assert (report.status, report.trade_state, report.refunded) == (status, state, state == "REFUND")


def test_v3_the_state_is_read_inside_not_from_the_event():
    report = v3.notified(envelope({**known.TRADE, "trade_state": "NOTPAY"})).report
    assert isinstance(report, TradeReport)
    assert report.status is TradeStatus.OPEN


def test_v3_an_unpaid_answer_has_little():
    answer = {
        "appid": known.APPID,
        "mchid": known.MCHID,
        "out_trade_no": "T202401010001",
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
        "amount": {"total": 100, "payer_currency": "CNY"},
        "promotion_detail": [],
        "scene_info": {"device_id": ""},
    }
    report = v3.trade_report(answer, "query")
    assert (report.status, report.amount_fen, report.currency) == (TradeStatus.OPEN, 100, "CNY")
    assert (report.provider_transaction_id, report.openid, report.paid_at) == (None, None, None)
    bare = v3.trade_report(without(answer, "amount", "promotion_detail"), "query")
    assert bare.amount_fen is None


@pytest.mark.parametrize("name", ["transaction_id", "amount", "success_time", "out_trade_no", "appid", "mchid"])
def test_v3_paid_without(name):
    for resource in (without(known.TRADE, name), {**known.TRADE, name: ""}, {**known.TRADE, name: 1}):
        with pytest.raises(Malformed):
            v3.notified(envelope(resource))


@pytest.mark.parametrize(
    "change",
    [
        {"trade_state": None},
        {"trade_state": ["SUCCESS"]},
        {"amount": {"payer_total": 90}},
        {"amount": {"total": "100"}},
        {"amount": {"total": 100.0}},
        {"amount": {"total": True}},
        {"amount": {"total": 100, "currency": ""}},
        {"payer": {"openid": 1}},
        {"payer": []},
    ],
    ids=str,
)
def test_v3_not_understood(change):
    with pytest.raises(Malformed):
        v3.notified(envelope({**known.TRADE, **change}))


def test_v3_currency_is_what_it_says_and_cny_if_it_says_nothing():
    assert v3.trade_report({**known.TRADE, "amount": {"total": 1, "currency": "USD"}}, "query").currency == "USD"
    assert v3.trade_report({**known.TRADE, "amount": {"total": 1}}, "query").currency == "CNY"


V3_REFUND = known.named("v3.notify.own.refund")["expected"]["resource"]


@pytest.mark.parametrize("status", ["SUCCESS", "CLOSED", "ABNORMAL"])
def test_v3_refund(status):
    notification = v3.notified(envelope({**V3_REFUND, "refund_status": status}, "refund", f"REFUND.{status}"))
    expected = RefundReport(
        source="notification",
        adapter="wechat_v3",
        out_trade_no="T20240101_000-1",
        provider_transaction_id="4200000000202401010000000001",
        out_refund_no="R20240102-1",
        provider_refund_id="50300000002024010200000000001",
        amount_fen=40,
        status=status,
        signed=True,
        refunded_at=1704153600 if status == "SUCCESS" else None,
    )
    assert notification == Notification("v3:EV-1", "refund", expected)
    assert type(notification.report.status) is RefundStatus


def test_v3_refund_not_understood():
    for change in (
        {"refund_status": "NEW"},
        {"amount": {"refund": 0}},
        {"amount": {"total": 40}},
        {"out_refund_no": 1},
    ):
        with pytest.raises(Malformed):
            v3.notified(envelope({**V3_REFUND, **change}, "refund", "REFUND.SUCCESS"))


@pytest.mark.parametrize(
    ("original", "event"),
    [
        ("profitsharing", "TRANSACTION.SUCCESS"),
        ("transaction", "TRANSACTION.PAY_BACK"),
        ("transaction", "REFUND.SUCCESS"),
        ("refund", "TRANSACTION.SUCCESS"),
        ("coupon", "COUPON.USE"),
    ],
)
def test_v3_other_events_are_none_of_ours(original, event):
    assert v3.notified(envelope({"anything": 1}, original, event)) == Notification("v3:EV-1", "other", None)
