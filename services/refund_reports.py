"""The funnel for refunds: every authentic word about one ends in ``apply_refund_reports``, and nothing else books it.

Runs inside one database transaction that the caller owns. Idempotent, and indifferent to order, like the funnel for
payments. An unsigned notice (v2) never gets past the door: it is a hint to ask.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adapters.base import RefundReport, RefundStatus
from models import Order, Payment, Refund, Transaction
from models.database import locked
from models.states import REFUND
from services.asking import FIRST_QUESTION
from services.discrepancies import flag
from services.moves import begin, move

logger = logging.getLogger("pay.refunds")


def apply_refund_reports(reports: Sequence[RefundReport], actor: str, now: int) -> list[RefundReport]:
    """Book what authentic reports say: payment, number and amount are compared here, every time.

    Returns those that came before their payment: its attempt is asked about soon, and they are to be applied again.
    """
    early = []
    for report in sorted(dict.fromkeys(reports), key=lambda item: item.provider_transaction_id):
        payment = locked(
            Payment.select().where(Payment.provider_transaction_id == report.provider_transaction_id)
        ).first()
        if payment is not None:
            _about(payment, report, actor, now)
        elif _ask_about_payment(report, now):
            early.append(report)
        else:
            _flag("UNKNOWN_REFUND", report, None, f"refund of {report.provider_transaction_id}, which is not ours", now)
    return early


def release(refund: Refund) -> None:
    """A refund that can never happen gives its money back to what may still be refunded."""
    Payment.update(held_fen=Payment.held_fen - refund.amount_fen).where(Payment.id == refund.payment_id).execute()


def _ask_about_payment(report: RefundReport, now: int) -> bool:
    """Whether the refund is of an attempt of ours whose payment has not been heard of yet; it is then asked about."""
    attempt = Transaction.get_or_none(Transaction.out_trade_no == report.out_trade_no, Transaction.state != "PAID")
    if attempt is None:
        return False
    soon = now + FIRST_QUESTION  # and no sooner: this is asked for at every pass until the payment is known
    later = Transaction.ask_at.is_null() | (Transaction.ask_at > soon)
    Transaction.update(ask_at=soon).where(Transaction.id == attempt.id, later).execute()
    return True


def _about(payment: Payment, report: RefundReport, actor: str, now: int) -> None:
    refund = Refund.get_or_none(Refund.out_refund_no == report.out_refund_no)
    if refund is None:
        _external(payment, report, actor, now)
    elif (refund.payment_id, refund.amount_fen) != (payment.id, report.amount_fen):
        detail = f"ours {refund.amount_fen} fen, reported {report.amount_fen} fen of {report.provider_transaction_id}"
        _flag("REFUND_MISMATCH", report, refund.order_id, detail, now)
    else:
        _advance(payment, refund, report, actor, now)


def _advance(payment: Payment, refund: Refund, report: RefundReport, actor: str, now: int) -> None:
    target = report.status.value
    if target == refund.state:
        return
    if REFUND.ranks[target] <= REFUND.ranks[refund.state]:
        if REFUND.ranks[refund.state] == REFUND.ranks[target]:
            _flag("CONTRADICTION", report, refund.order_id, f"{refund.state} here, {target} reported", now)
        return  # stale
    final = target in ("SUCCESS", "CLOSED")
    columns = {"provider_refund_id": report.provider_refund_id, "refunded_at": report.refunded_at}
    if final:
        columns["ask_at"] = None
    move(refund, target, actor, now, f"by {report.source} of {report.adapter}", **columns)
    if target == "SUCCESS":
        _returned(payment, refund)
    elif target == "CLOSED":
        _kept(payment, refund)
    elif target == "ABNORMAL":
        _flag("ABNORMAL_REFUND", report, refund.order_id, "the payer's account cannot take it; resolve it", now)


def _external(payment: Payment, report: RefundReport, actor: str, now: int) -> None:
    """Made on the merchant platform, past us: recorded, so that nobody refunds the same money here."""
    refund = Refund.create(
        out_refund_no=report.out_refund_no,
        payment=payment.id,
        order=payment.order_id,
        adapter=report.adapter,
        source="EXTERNAL",
        requester="external",
        amount_fen=report.amount_fen,
        reason="",
        request="",
        fingerprint="",
        state=report.status.value,
        version=1,
        provider_refund_id=report.provider_refund_id,
        refusal="",
        created_at=now,
        refunded_at=report.refunded_at,
        asked=0,
        ask_at=now + 60 if report.status in (RefundStatus.PROCESSING, RefundStatus.ABNORMAL) else None,
    )
    begin(refund, actor, now)
    _flag("EXTERNAL_REFUND", report, payment.order_id, f"{report.amount_fen} fen, made on the merchant platform", now)
    if report.status is not RefundStatus.CLOSED:
        Payment.update(external_fen=Payment.external_fen + report.amount_fen).where(Payment.id == payment.id).execute()
        if payment.held_fen + payment.external_fen + report.amount_fen > payment.amount_fen:
            _flag("OVER_REFUND", report, payment.order_id, "refunds here and there exceed what was paid", now)
    if report.status is RefundStatus.SUCCESS:
        _returned(payment, refund)


def _returned(payment: Payment, refund: Refund) -> None:
    if refund.source == "LOCAL":
        grown = Payment.refunded_fen + refund.amount_fen
        Payment.update(refunded_fen=grown).where(Payment.id == payment.id).execute()
    if payment.applied_slot:
        # Over-refunding past us is a discrepancy; the order shows at most what was paid.
        order = Order.get_by_id(payment.order_id)
        whole = min(order.refunded_fen + refund.amount_fen, order.paid_fen)
        Order.update(refunded_fen=whole).where(Order.id == order.id).execute()


def _kept(payment: Payment, refund: Refund) -> None:
    if refund.source == "LOCAL":
        release(refund)
    else:
        less = Payment.external_fen - refund.amount_fen
        Payment.update(external_fen=less).where(Payment.id == payment.id).execute()


def _flag(kind: str, report: RefundReport, order_id: int | None, detail: str, now: int) -> None:
    order = Order.get_or_none(Order.id == order_id) if order_id else None
    flag(logger, kind, report.out_refund_no, order.order_no if order else None, detail, now)
