"""Refunds. None are made from here yet, so every one WeChat tells of was made in the merchant console.

It is put before a person, never booked: v2's notice is not even signed (v2.md 12.2).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adapters.base import RefundReport
from models import Discrepancy, Order, Transaction
from models.database import insert_new

logger = logging.getLogger("pay.refunds")


def note_refunds(reports: Sequence[RefundReport], now: int) -> None:
    """One discrepancy a refund, however often it is told of. Runs inside the caller's transaction."""
    rows = [_row(report, now) for report in reports]
    insert_new(Discrepancy, rows, "ref")
    for row in rows:
        logger.warning("discrepancy kind=%s ref=%s order=%s", row["kind"], row["ref"], row["order_no"] or "-")


def _row(report: RefundReport, now: int) -> dict[str, object]:
    found = Transaction.select().where(Transaction.out_trade_no == report.out_trade_no).join(Order).first()
    proof = "signed notice" if report.signed else "unsigned notice, to be checked on the merchant platform"
    return {
        "kind": "EXTERNAL_REFUND" if report.signed else "REFUND_NOTICE",
        "ref": (report.provider_refund_id or report.out_refund_no)[:64],
        "order_no": found.order.order_no if found else None,
        "detail": f"{report.status}, {report.amount_fen} fen of {report.provider_transaction_id}; {proof}"[:500],
        "state": "OPEN",
        "created_at": now,
    }
