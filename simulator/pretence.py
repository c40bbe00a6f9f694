"""What a query shows instead of the truth, truly signed, when the fault plan says so. Pure: the truth is not touched.

stale_query   the order or refund as it was before its last change, as a query that left before it would show it
userpaying    an order that can still be paid as one that is being paid at this moment
"""

from __future__ import annotations

from dataclasses import replace

from simulator.entities import NOTPAY, PAYERROR, PROCESSING, REFUND, SUCCESS, USERPAYING, Order, Refund

FAULTS = frozenset({"stale_query", "userpaying"})


def order(truth: Order, fault: str) -> Order:
    """What is shown of the order under this fault; under any other, the truth."""
    if fault == "userpaying" and truth.state in (NOTPAY, PAYERROR):
        return replace(truth, state=USERPAYING)
    if fault != "stale_query":
        return truth
    return replace(truth, state=SUCCESS) if truth.state == REFUND else replace(truth, state=NOTPAY, payment=None)


def refund(truth: Refund, fault: str) -> Refund:
    return replace(truth, state=PROCESSING, success_at=None) if fault == "stale_query" else truth
