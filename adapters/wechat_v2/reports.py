"""What verified v2 fields mean: the provider's words become the neutral values of ``adapters.base``. Pure."""

from __future__ import annotations

import hashlib

from adapters.base import Notification, RefundReport, Source, TradeReport, TradeStatus
from adapters.errors import Malformed
from adapters.wechat_v2 import codec
from adapters.wechat_v2.codec import Fields, Signed

NAME = "wechat_v2"

STATUS = {
    "SUCCESS": TradeStatus.PAID,
    "REFUND": TradeStatus.PAID,
    "NOTPAY": TradeStatus.OPEN,
    "USERPAYING": TradeStatus.OPEN,
    "PAYERROR": TradeStatus.OPEN,
    "ACCEPT": TradeStatus.OPEN,
    "CLOSED": TradeStatus.CLOSED,
    "REVOKED": TradeStatus.CLOSED,
}

# v2's words for a refund's state in the neutral ones, which are v3's
REFUND_STATUS = {"SUCCESS": "SUCCESS", "REFUNDCLOSE": "CLOSED", "CHANGE": "ABNORMAL", "PROCESSING": "PROCESSING"}


def trade_report(fields: Fields, trade_state: str, scheme: str, source: Source) -> TradeReport:
    """One order's state. ``total_fee`` is the order's amount; cash_fee is what coupons left of it (v2.md 13).

    Raises Malformed if a paid order lacks its transaction id, amount or time. Without ``fee_type`` the currency is CNY,
    the default of v2.md 4.
    """
    status = STATUS.get(trade_state, TradeStatus.UNSEEN)
    paid = status is TradeStatus.PAID
    return TradeReport(
        source=source,
        adapter=NAME,
        out_trade_no=codec.word(fields, "out_trade_no", 32),
        status=status,
        trade_state=trade_state,
        appid=codec.word(fields, "appid", 32),
        mchid=codec.word(fields, "mch_id", 32),
        provider_transaction_id=codec.word(fields, "transaction_id", 32) if paid else None,
        amount_fen=codec.fen(fields, "total_fee") if paid or fields.get("total_fee") else None,
        currency=codec.word(fields, "fee_type", 16) if fields.get("fee_type") else "CNY",
        openid=codec.word(fields, "openid", 128) if fields.get("openid") else None,
        paid_at=codec.epoch(fields.get("time_end", "")) if paid else None,
        scheme=scheme,
        refunded=trade_state == "REFUND",
    )


def queried(fields: Fields, scheme: str) -> TradeReport:
    """The answer of orderquery: ``trade_state`` alone says what became of the order."""
    return trade_report(fields, codec.word(fields, "trade_state", 32), scheme, "query")


def notified(signed: Signed) -> Notification:
    """A payment notification has no ``trade_state``; its ``result_code`` SUCCESS is the payment (v2.md 12.1)."""
    fields = signed.fields
    key = f"v2:{_digest(fields)}"
    if fields.get("result_code") != "SUCCESS":
        return Notification(key, "other", None)
    return Notification(key, "payment", trade_report(fields, "SUCCESS", signed.scheme, "notification"))


def refund_notified(fields: Fields) -> Notification:
    """A refund notice, decrypted but not signed."""
    status = REFUND_STATUS.get(fields.get("refund_status", ""))
    if status is None:
        raise Malformed("refund_status is not a documented one")
    done = status == "SUCCESS" and fields.get("success_time")
    report = RefundReport(
        source="notification",
        adapter=NAME,
        out_trade_no=codec.word(fields, "out_trade_no", 32),
        provider_transaction_id=codec.word(fields, "transaction_id", 32),
        out_refund_no=codec.word(fields, "out_refund_no", 64),
        provider_refund_id=codec.word(fields, "refund_id", 32),
        amount_fen=codec.fen(fields, "refund_fee"),
        status=status,
        signed=False,
        refunded_at=codec.epoch(fields["success_time"]) if done else None,
    )
    return Notification(f"v2r:{_digest(fields)}", "refund", report)


def _digest(fields: Fields) -> str:
    """SHA-256 over every field that the signature covers; the key is no part of it."""
    return hashlib.sha256(codec.sign_string(fields, "").encode()).hexdigest()
