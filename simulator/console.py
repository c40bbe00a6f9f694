"""``/_sim/refunds`` and ``/_sim/refund``: what refunds come to, and refunds made in the merchant platform.

It reads wishes and hands them to ``refunds``; it must not know HTTP.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from simulator import numbers, rules
from simulator.ledger import Order, Refund
from simulator.refunds import OUTCOMES, RefundDraft, RefundRefused
from simulator.world import World

TERMS = ("next", "seconds", "interval_seconds", "balance_fen")
NAMES = ("out_trade_no", "amount_fen", "reason", "notify_url")
_MOST_SECONDS = 10 * 365 * 86400
_MOST_FEN = 10**12


class ConsoleRefused(Exception):
    """The wish was not understood, or WeChat would not do it."""


def set_terms(world: World, wish: dict[str, Any]) -> None:
    """Change what is named, leave the rest."""
    outcomes = [wish["next"]] if isinstance(wish.get("next"), str) else wish.get("next", [])
    if not isinstance(outcomes, list) or not all(outcome in OUTCOMES for outcome in outcomes):
        raise ConsoleRefused(f"next is one of {', '.join(OUTCOMES)}, or a list of them")
    for name in ("seconds", "interval_seconds"):
        if not _is_number(wish.get(name, 0)) or not 0 <= wish.get(name, 0) <= _MOST_SECONDS:
            raise ConsoleRefused(f"{name} must be a number of seconds from 0 to ten years")
    balance = wish.get("balance_fen")
    if balance is not None and (type(balance) is not int or not 0 <= balance <= _MOST_FEN):
        raise ConsoleRefused("balance_fen must be an integer, or null for always enough")
    changed = {name: value for name, value in wish.items() if name in TERMS}
    if "next" in wish:
        changed["next"] = list(outcomes)
    world.refunds.terms = dataclasses.replace(world.refunds.terms, **changed)


def refund(world: World, wish: dict[str, Any]) -> Refund:
    """A refund without the API: WeChat makes its number. Raises ``ConsoleRefused``."""
    number, amount = wish.get("out_trade_no"), wish.get("amount_fen")
    if not isinstance(number, str) or type(amount) is not int or amount < 1:
        raise ConsoleRefused("out_trade_no must be a text and amount_fen an integer of at least 1")
    reason, notify_url = wish.get("reason", ""), wish.get("notify_url", "")
    if not isinstance(reason, str) or (reason and rules.text_problem(reason, 80)):
        raise ConsoleRefused("reason must be a text of at most 80 bytes")
    if not isinstance(notify_url, str) or (notify_url and rules.notify_url_problem(notify_url, https_only=True)):
        raise ConsoleRefused("notify_url must be an absolute address with a path and without a query")
    try:
        order = world.refunds.order_of("", number)
        return world.refunds.create(_draft(order, amount, reason, notify_url))
    except RefundRefused as refused:
        raise ConsoleRefused(f"WeChat would not: {refused.why.value}") from refused


def _draft(order: Order, amount: int, reason: str, notify_url: str) -> RefundDraft:
    return RefundDraft(
        out_refund_no="SIMCONSOLE" + numbers.digits(20),
        out_trade_no=order.out_trade_no,
        transaction_id="",
        amount_fen=amount,
        total_fen=order.amount_fen,
        api=order.api,
        reason=reason,
        notify_url=notify_url,
        key_kind=order.key_kind,
        source="console",
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
