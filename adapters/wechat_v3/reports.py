"""What verified v3 objects mean: the provider's words become the neutral values of ``adapters.base``. Pure."""

from __future__ import annotations

from adapters.base import Notification, RefundReport, RefundStatus, Source, TradeReport, TradeStatus
from adapters.errors import Malformed
from adapters.wechat_v3 import codec
from adapters.wechat_v3.codec import Envelope, Object
from adapters.wechat_words import trade_status, word

NAME = "wechat_v3"


def trade_report(trade: Object, source: Source) -> TradeReport:
    """A transaction object (v3.md 11). ``amount.total`` is the order's amount; payer_total is what coupons left of it.

    Raises Malformed if a paid order lacks its transaction id, amount or time. Without ``amount.currency`` the currency
    is CNY: the field is optional when ordering, with that default (v3.md 9), and one that is stated is always compared.
    """
    trade_state = word(trade, "trade_state", 32)
    status = trade_status(trade_state)
    paid = status is TradeStatus.PAID
    amount, payer = codec.part(trade, "amount"), codec.part(trade, "payer")
    return TradeReport(
        source=source,
        adapter=NAME,
        out_trade_no=word(trade, "out_trade_no", 32),
        status=status,
        trade_state=trade_state,
        appid=word(trade, "appid", 32),
        mchid=word(trade, "mchid", 32),
        provider_transaction_id=word(trade, "transaction_id", 32) if paid else None,
        amount_fen=codec.fen(amount, "total") if paid or "total" in amount else None,
        currency=word(amount, "currency", 16) if "currency" in amount else "CNY",
        openid=word(payer, "openid", 128) if "openid" in payer else None,
        paid_at=codec.epoch(trade, "success_time") if paid else None,
        scheme="RSA",
        refunded=trade_state == "REFUND",
    )


def refund_answer(refund: Object) -> RefundReport:
    """The refund object that calls answer with (v3.md 13.1): its state is called ``status``."""
    return _refund_report(refund, "status", "query")


def _refund_report(refund: Object, state: str, source: Source) -> RefundReport:
    status = refund_status(word(refund, state, 32))
    return RefundReport(
        source=source,
        adapter=NAME,
        out_trade_no=word(refund, "out_trade_no", 32),
        provider_transaction_id=word(refund, "transaction_id", 32),
        out_refund_no=word(refund, "out_refund_no", 64),
        provider_refund_id=word(refund, "refund_id", 32),
        amount_fen=codec.fen(codec.part(refund, "amount"), "refund"),
        status=status,
        signed=True,
        refunded_at=codec.epoch(refund, "success_time") if status is RefundStatus.SUCCESS else None,
    )


def refund_status(word: str) -> RefundStatus:
    """v3's words are the neutral ones. Malformed for any other: what it would mean for the money, nobody knows."""
    try:
        return RefundStatus(word)
    except ValueError:
        raise Malformed("a refund in no documented state") from None


def notified(envelope: Envelope) -> Notification:
    """The state is read from the object inside; type and event only say which kind of object it is (v3.md 15.2).

    Other events (profit sharing also calls itself TRANSACTION.SUCCESS, v3.md 19) are none of ours.
    """
    key = f"v3:{envelope.id}"
    if envelope.original_type == "transaction" and envelope.event_type == "TRANSACTION.SUCCESS":
        return Notification(key, "payment", trade_report(envelope.resource, "notification"))
    if envelope.original_type == "refund" and envelope.event_type.startswith("REFUND."):
        return Notification(key, "refund", _refund_report(envelope.resource, "refund_status", "notification"))
    return Notification(key, "other", None)
