"""The funnel. Notification, query, close and (later) bill all end in ``apply_reports``, and nothing else books money.

Everything here runs inside one database transaction that the caller owns, and reads and writes sets of rows: what
arrived while the last commit was under way is decided and committed together. Applying is idempotent: any report, in
any order, any number of times, leaves the same tables.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adapters.base import TradeReport, TradeStatus
from models import Order, Payment, Transaction
from services.batch import Batch
from services.metrics import DOWNGRADES
from services.moves import note_resolution

logger = logging.getLogger("pay.payments")

OPEN_STATES = ("PREPARED", "UNKNOWN", "PREPAID")


def apply_reports(reports: Sequence[TradeReport], actor: str, now: int) -> None:
    """Book what authentic reports say. Amount, currency, appid, mchid and number are compared here, every time."""
    batch = Batch.load(reports, now)
    for report in batch.reports:
        if _hint_only(batch, report):
            continue
        if report.status is TradeStatus.PAID:
            _paid(batch, report)
        elif report.status is TradeStatus.CLOSED:
            _closed(batch, report)
        elif report.status is TradeStatus.UNSEEN:
            batch.flag("UNSEEN_STATE", report.out_trade_no, report, f"trade_state {report.trade_state}")
    batch.write(actor)


def reconsider(report: TradeReport, transaction_id: str, actor: str, note: str, now: int) -> None:
    """Book a MISMATCH after all, if what WeChat says today about the same payment agrees in all that is compared.

    The payment's row becomes what is said today, and the log has a line of it. Money that was sent back is left alone.
    """
    batch = Batch.load([report], now)
    known, transaction = batch.payments.get(transaction_id), batch.transactions.get(report.out_trade_no)
    if known is None or transaction is None or not _fits_today(known, transaction, report):
        return
    _genuine(batch, report, transaction, batch.orders[transaction.order_id])
    batch.write(actor)
    disposition = batch.payments[transaction_id].disposition
    note_resolution("payment", transaction_id, "MISMATCH", disposition, actor, note, now)


def _fits_today(known: Payment, transaction: Transaction, report: TradeReport) -> bool:
    told = (report.status, report.provider_transaction_id, report.out_trade_no)
    same = told == (TradeStatus.PAID, known.provider_transaction_id, known.out_trade_no)
    untouched = known.disposition == "MISMATCH" and known.held_fen + known.external_fen == 0
    return same and untouched and not _differences(transaction, report)


def _hint_only(batch: Batch, report: TradeReport) -> bool:
    """A notification signed in another way than its attempt was made is no evidence: ask WeChat instead.

    Otherwise whoever can break the weaker of two signatures could speak about payments made under the stronger.
    """
    transaction = batch.transactions.get(report.out_trade_no)
    if report.source != "notification" or transaction is None or transaction.scheme == report.scheme:
        return False
    DOWNGRADES.labels(report.adapter).inc()
    logger.info("signed in another scheme, asking instead out_trade_no=%s", report.out_trade_no)
    batch.ask_soon(transaction)
    return True


def _paid(batch: Batch, report: TradeReport) -> None:
    known = batch.payments.get(report.provider_transaction_id or "")
    if known is not None:
        if (known.out_trade_no, known.amount_fen) != (report.out_trade_no, report.amount_fen):
            batch.flag("CONTRADICTION", known.provider_transaction_id, report, "same transaction id, other content")
        return
    transaction = batch.transactions.get(report.out_trade_no)
    if transaction is None:
        payment = batch.pay(report, None, "UNKNOWN_ORDER")
        batch.flag("UNKNOWN_ORDER", payment.provider_transaction_id, report, f"no attempt {report.out_trade_no}")
        return
    order = batch.orders[transaction.order_id]
    if wrong := _differences(transaction, report):
        payment = batch.pay(report, order, "MISMATCH")
        batch.flag("MISMATCH", payment.provider_transaction_id, report, "; ".join(wrong))
        return
    _genuine(batch, report, transaction, order)


def _differences(transaction: Transaction, report: TradeReport) -> list[str]:
    compared = {
        "amount_fen": (transaction.amount_fen, report.amount_fen),
        "currency": (transaction.currency, report.currency),
        "appid": (transaction.appid, report.appid),
        "mchid": (transaction.mchid, report.mchid),
    }
    return [
        f"{name}: expected {ours}, reported {theirs}" for name, (ours, theirs) in compared.items() if ours != theirs
    ]


def _genuine(batch: Batch, report: TradeReport, transaction: Transaction, order: Order) -> None:
    """Money that is ours and of the right size: book it on the order, or beside it if the order is paid already."""
    if transaction.state != "PAID":
        batch.step(transaction, "PAID", report, open_slot=None, ask_at=None)
    if order.id in batch.paid:
        payment = batch.pay(report, order, "DUPLICATE")
        batch.flag("DUPLICATE", payment.provider_transaction_id, report, f"{order.order_no} is paid already")
        return
    payment = batch.pay(report, order, "APPLIED")
    if report.openid and report.openid != transaction.openid:
        batch.flag("OTHER_PAYER", payment.provider_transaction_id, report, "paid by another openid than ordered")
    paid = {"paid_fen": payment.amount_fen, "paid_at": payment.paid_at}
    if order.state == "CLOSED":
        batch.step(order, "PAID_LATE", report, **paid)
        batch.flag("PAID_LATE", payment.provider_transaction_id, report, f"{order.order_no} was closed; refund it")
        return
    batch.step(order, "PAID", report, **paid)
    batch.fulfil(order)
    for sibling in batch.siblings[order.id]:
        if sibling.state in OPEN_STATES:  # an old or newer prepay_id must not take the money twice
            batch.step(sibling, "CLOSING", report, open_slot=None, ask_at=batch.now)
        elif sibling.state == "CLOSING":
            batch.release(sibling)


def _closed(batch: Batch, report: TradeReport) -> None:
    transaction = batch.transactions.get(report.out_trade_no)
    if transaction is None or transaction.state == "CLOSED":
        return
    if transaction.state == "PAID":
        batch.flag("CONTRADICTION", report.out_trade_no, report, "reported closed, but it was paid")
        return
    proof = f"{report.source}:{report.trade_state}"
    batch.step(transaction, "CLOSED", report, open_slot=None, ask_at=None, close_proof=proof[:32])
    order = batch.orders[transaction.order_id]
    if order.state == "CLOSING" and all(row.state == "CLOSED" for row in batch.siblings[order.id]):
        batch.step(order, "CLOSED", report)  # no attempt of it can take money any more
