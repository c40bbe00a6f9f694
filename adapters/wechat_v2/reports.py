"""What verified v2 fields mean: the provider's words become the neutral values of ``adapters.base``. Pure."""

from __future__ import annotations

import hashlib

from adapters.base import Notification, RefundReport, RefundStatus, Source, TradeReport, TradeStatus
from adapters.errors import Malformed
from adapters.wechat_v2 import codec
from adapters.wechat_v2.codec import Fields, Signed
from adapters.wechat_words import trade_status, word

NAME = "wechat_v2"

REFUND_STATUS = {
    "PROCESSING": RefundStatus.PROCESSING,
    "SUCCESS": RefundStatus.SUCCESS,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    "CHANGE": RefundStatus.ABNORMAL,
}


def trade_report(fields: Fields, trade_state: str, scheme: str, source: Source) -> TradeReport:
    """One order's state. ``total_fee`` is the order's amount; cash_fee is what coupons left of it (v2.md 13).

    Raises Malformed if a paid order lacks its transaction id, amount or time. Without ``fee_type`` the currency is CNY,
    the default of v2.md 4.
    """
    status = trade_status(trade_state)
    paid = status is TradeStatus.PAID
    return TradeReport(
        source=source,
        adapter=NAME,
        out_trade_no=word(fields, "out_trade_no", 32),
        status=status,
        trade_state=trade_state,
        appid=word(fields, "appid", 32),
        mchid=word(fields, "mch_id", 32),
        provider_transaction_id=word(fields, "transaction_id", 32) if paid else None,
        amount_fen=codec.fen(fields, "total_fee") if paid or fields.get("total_fee") else None,
        currency=word(fields, "fee_type", 16) if fields.get("fee_type") else "CNY",
        openid=word(fields, "openid", 128) if fields.get("openid") else None,
        paid_at=codec.epoch(fields.get("time_end", "")) if paid else None,
        scheme=scheme,
        refunded=trade_state == "REFUND",
    )


def queried(fields: Fields, scheme: str) -> TradeReport:
    """The answer of orderquery: ``trade_state`` alone says what became of the order."""
    return trade_report(fields, word(fields, "trade_state", 32), scheme, "query")


def notified(signed: Signed) -> Notification:
    """A payment notification has no ``trade_state``; its ``result_code`` SUCCESS is the payment (v2.md 12.1)."""
    fields = signed.fields
    key = f"v2:{_digest(fields)}"
    if fields.get("result_code") != "SUCCESS":
        return Notification(key, "other", None)
    return Notification(key, "payment", trade_report(fields, "SUCCESS", signed.scheme, "notification"))


def refund_accepted(fields: Fields) -> RefundReport:
    """The answer of refund: accepted, no more (v2.md 8)."""
    return _refund_report({**fields, "refund_status": "PROCESSING"}, "query", signed=True)


def refund_queried(fields: Fields, out_refund_no: str) -> RefundReport:
    """The answer of refundquery: of the refunds that it lists, by whatever index, ours (v2.md 9)."""
    listed = (name.removeprefix("out_refund_no_") for name in fields if name.startswith("out_refund_no_"))
    index = next((each for each in listed if fields[f"out_refund_no_{each}"] == out_refund_no), None)
    if index is None:
        raise Malformed("an answer without our out_refund_no")
    names = {"refund_success_time": "success_time"}
    wanted = ("out_refund_no", "refund_id", "refund_fee", "refund_status", "refund_success_time")
    entry = {names.get(name, name): fields.get(f"{name}_{index}", "") for name in wanted}
    order = {name: fields.get(name, "") for name in ("out_trade_no", "transaction_id")}
    return _refund_report({**order, **entry}, "query", signed=True)


def refund_notified(fields: Fields) -> Notification:
    """A refund notice, decrypted but not signed."""
    return Notification(f"v2r:{_digest(fields)}", "refund", _refund_report(fields, "notification", signed=False))


def _refund_report(fields: Fields, source: Source, *, signed: bool) -> RefundReport:
    status = REFUND_STATUS.get(fields.get("refund_status", ""))
    if status is None:
        raise Malformed("a refund in no documented state")
    done = status is RefundStatus.SUCCESS and fields.get("success_time")
    return RefundReport(
        source=source,
        adapter=NAME,
        out_trade_no=word(fields, "out_trade_no", 32),
        provider_transaction_id=word(fields, "transaction_id", 32),
        out_refund_no=word(fields, "out_refund_no", 64),
        provider_refund_id=word(fields, "refund_id", 32),
        amount_fen=codec.fen(fields, "refund_fee"),
        status=status,
        signed=signed,
        refunded_at=codec.epoch(fields["success_time"]) if done else None,
    )


def _digest(fields: Fields) -> str:
    """SHA-256 over every field that the signature covers; the key is no part of it."""
    return hashlib.sha256(codec.sign_string(fields, "").encode()).hexdigest()
