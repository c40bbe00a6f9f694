"""``/_sim/bill``: what is wrong with the bills, how many lines they have beside the ledger's, and the answers.

    errors        [{"kind", "n"}]: missing (the line of a payment is left out), amount (one fen more), duplicate (there
                  twice), number (another transaction_id), the same of refunds (refund_missing ..., refund_number is
                  another out_refund_no), the same of what moved in the fund flow alone (flow_missing ...,
                  refund_flow_missing ...), extra (of a payment that nobody made). The lines are drawn by ``seed``, no
                  line twice
    extra_lines   so many payments that are not in the ledger, by the rule of ``billplan.generated``
    extra_refunds so many of those are refunded, by the rule of ``billplan.generated_refund``
    columns       27, or 24 for the old form of ALL
    seed          another drawing
    day           "2026-11-20": only that day's bills; null: every day's

PUT replaces the whole plan, DELETE clears it, GET ?day= adds "planted": each error with the true line's numbers.
It reads wishes; the lines are ``bills``' business.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from simulator.billplan import KINDS, BillPlan
from simulator.bills import Bills
from simulator.wishes import WishRefused

NAMES = ("errors", "extra_lines", "extra_refunds", "columns", "seed", "day")
_MOST = 2_000_000


def plan(wish: dict[str, Any]) -> BillPlan:
    """The plan that these words mean. Raises ``WishRefused``."""
    lines, seed, columns = wish.get("extra_lines", 0), wish.get("seed", 0), wish.get("columns", 27)
    refunds = wish.get("extra_refunds", 0)
    if not _is_count(lines) or type(seed) is not int:
        raise WishRefused(f"extra_lines is an integer from 0 to {_MOST}, seed an integer")
    if not _is_count(refunds) or refunds > lines:
        raise WishRefused("extra_refunds is an integer from 0 to extra_lines")
    if columns not in (24, 27) or type(columns) is not int:
        raise WishRefused("columns is 27 or 24")
    errors = wish.get("errors", [])
    if not isinstance(errors, list) or not all(map(_is_error, errors)):
        raise WishRefused(f'errors is a list of {{"kind", "n"}}; kinds are {", ".join(KINDS)}')
    day = wish.get("day")
    return BillPlan(
        tuple((error["kind"], error.get("n", 1)) for error in errors),
        lines,
        refunds,
        columns,
        seed,
        None if day is None else day_of(day),
    )


def day_of(text: object) -> date:
    """``2026-11-20`` as a date."""
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise WishRefused("day is yyyy-mm-dd") from error


def published(bills: Bills, day: str) -> dict[str, object]:
    """The plan, and with a day the answers."""
    plan = bills.plan
    shown: dict[str, object] = {
        "errors": [{"kind": kind, "n": n} for kind, n in plan.errors],
        "extra_lines": plan.extra_lines,
        "extra_refunds": plan.extra_refunds,
        "columns": plan.columns,
        "seed": plan.seed,
        "day": plan.day.isoformat() if plan.day else None,
    }
    return shown | ({"planted": bills.planted(day_of(day))} if day else {})


def _is_error(value: object) -> bool:
    known = isinstance(value, dict) and value.keys() <= {"kind", "n"} and value.get("kind") in KINDS
    return isinstance(value, dict) and known and _is_count(value.get("n", 1))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
