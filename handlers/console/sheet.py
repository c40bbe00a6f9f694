"""Orders as lines of a CSV file that a spreadsheet may open: nothing in it is run, and no number is rounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from handlers.console.base import moment
from services.console.search import Found

BOM = "\ufeff"  # tells Excel that this is UTF-8
COLUMNS = (
    "order_no",
    "status",
    "amount_yuan",
    "paid_yuan",
    "refunded_yuan",
    "created_at",
    "paid_at",
    "items",
    "openid",
    "out_trade_no",
    "transaction_id",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what makes a cell a formula, somewhere


def cells(order: Found) -> list[str]:
    return [
        order.order_no,
        order.status,
        *(yuan(fen) for fen in (order.amount_fen, order.paid_fen, order.refunded_fen)),
        moment(order.created_at),
        moment(order.paid_at) if order.paid_at else "",
        order.items,
        order.openid,
        order.out_trade_no,
        # 28 digits: a spreadsheet would keep 15 of them. WeChat's own bills have the same mark.
        f"`{order.provider_transaction_id}" if order.provider_transaction_id else "",
    ]


def line(values: Sequence[str]) -> str:
    """A value that would be a formula gets an apostrophe before it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([f"'{v}" if v.startswith(FORMULA) else v for v in values])
    return out.getvalue()


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02}"
