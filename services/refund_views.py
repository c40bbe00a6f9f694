"""A refund as a merchant sees it. Reads, and decides nothing; runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from models import Order, Refund
from services.errors import NotFound
from services.orders import rfc3339

STATUS = {
    "REQUESTED": "pending",
    "SUBMITTING": "pending",
    "UNKNOWN": "pending",
    "PROCESSING": "processing",
    "ABNORMAL": "abnormal",
    "SUCCESS": "success",
    "CLOSED": "closed",
    "REJECTED": "rejected",
}


def refunds_of(order_no: str) -> list[dict[str, Any]]:
    """Raises NotFound("order_not_found")."""
    order = Order.get_or_none(Order.order_no == order_no)
    if order is None:
        raise NotFound("order_not_found")
    return [view(row, order_no) for row in Refund.select().where(Refund.order == order.id).order_by(Refund.id)]


def find(order_no: str, refund_no: str) -> Refund:
    """By the merchant's number or ours. Raises NotFound("refund_not_found")."""
    named = (Refund.refund_no == refund_no) | (Refund.out_refund_no == refund_no)
    row: Refund | None = Refund.select().join(Order).where(Order.order_no == order_no, named).first()
    if row is None:
        raise NotFound("refund_not_found")
    return row


def read(order_no: str, refund_no: str) -> dict[str, Any]:
    """As ``find``, in the shape of an answer."""
    return view(find(order_no, refund_no), order_no)


def view(row: Refund, order_no: str) -> dict[str, Any]:
    return {
        "refund_no": row.refund_no or row.out_refund_no,
        "out_refund_no": row.out_refund_no,
        "order_no": order_no,
        "amount_fen": row.amount_fen,
        "reason": row.reason,
        "status": STATUS[row.state],
        "source": row.source.lower(),
        "message": row.refusal,
        "created_at": rfc3339(row.created_at),
        "refunded_at": rfc3339(row.refunded_at) if row.refunded_at else None,
    }
