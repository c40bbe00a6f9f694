"""What happens outside the API, by ``/_sim``: refunds of the merchant platform, the buyer's receipt, both their terms.

It reads wishes and hands them to ``refunds`` and ``shipments``; it must not know HTTP.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from simulator import numbers, rules, wishes
from simulator.entities import Order, Refund, Shipment
from simulator.miniprogram import ApiRefused
from simulator.refunds import OUTCOMES, RefundDraft, RefundRefused
from simulator.trade import Refusal
from simulator.wishes import WishRefused
from simulator.world import World

TERMS = ("next", "seconds", "interval_seconds", "balance_fen")
SHIPPING_TERMS = ("delay_seconds", "managed")
NAMES = ("out_trade_no", "amount_fen", "reason", "notify_url")
_MOST_FEN = 10**12


def set_terms(world: World, wish: dict[str, Any]) -> None:
    """Change what is named, leave the rest."""
    outcomes = [wish["next"]] if isinstance(wish.get("next"), str) else wish.get("next", [])
    if not isinstance(outcomes, list) or not all(outcome in OUTCOMES for outcome in outcomes):
        raise WishRefused(f"next is one of {', '.join(OUTCOMES)}, or a list of them")
    for name in ("seconds", "interval_seconds"):
        wishes.seconds(wish, name, 0)
    balance = wish.get("balance_fen")
    if balance is not None and (type(balance) is not int or not 0 <= balance <= _MOST_FEN):
        raise WishRefused("balance_fen must be an integer, or null for always enough")
    changed = {name: value for name, value in wish.items() if name in TERMS}
    if "next" in wish:
        changed["next"] = list(outcomes)
    world.refunds.terms = dataclasses.replace(world.refunds.terms, **changed)


def refund(world: World, wish: dict[str, Any]) -> Refund:
    """A refund without the API: WeChat makes its number. Raises ``WishRefused``."""
    number, amount = wish.get("out_trade_no"), wish.get("amount_fen")
    if not isinstance(number, str) or type(amount) is not int or amount < 1:
        raise WishRefused("out_trade_no must be a text and amount_fen an integer of at least 1")
    reason, notify_url = wish.get("reason", ""), wish.get("notify_url", "")
    if not isinstance(reason, str) or (reason and rules.text_problem(reason, 80)):
        raise WishRefused("reason must be a text of at most 80 bytes")
    if not isinstance(notify_url, str) or (notify_url and rules.notify_url_problem(notify_url, https_only=True)):
        raise WishRefused("notify_url must be an absolute address with a path and without a query")
    try:
        order = world.refunds.order_of("", number)
        return world.refunds.create(_draft(order, amount, reason, notify_url))
    except RefundRefused as refused:
        raise WishRefused(f"WeChat would not: {refused.why.value}") from refused


def pay_against_the_rules(world: World, wish: dict[str, Any]) -> None:
    """Money that WeChat would never take, for a server that must notice it all the same."""
    try:
        world.trade.pay_against_the_rules(world.trade.find(str(wish.get("out_trade_no"))))
    except Refusal as refused:
        raise WishRefused(f"out_trade_no must be of an order that is not paid: {refused.kind.value}") from refused


def set_shipping_terms(world: World, wish: dict[str, Any]) -> None:
    """Change what is named, leave the rest."""
    terms = world.shipments.terms
    managed, delay = wish.get("managed", terms.managed), wishes.seconds(wish, "delay_seconds", terms.delay_seconds)
    if not isinstance(managed, bool):
        raise WishRefused("managed must be true or false")
    terms.managed, terms.delay_seconds = managed, delay


def receive(world: World, wish: dict[str, Any]) -> Shipment:
    """The buyer has it. Raises ``WishRefused`` unless the order is on its way."""
    try:
        return world.shipments.receive(str(wish.get("out_trade_no")))
    except ApiRefused as refused:
        raise WishRefused("out_trade_no must be of an order that is on its way") from refused


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
