"""The rules of refunds, the same for both generations and the merchant platform: what is allowed, what comes of it.

A refund is PROCESSING for a few virtual seconds, then SUCCESS, ABNORMAL or CLOSED; ABNORMAL may be sent another way and
is PROCESSING again (v2.md 8, v3.md 13). It knows orders and the clock; it must not know XML, JSON, signatures or HTTP.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from simulator import numbers
from simulator.agenda import Agenda
from simulator.clock import Clock
from simulator.entities import ABNORMAL, CLOSED, PROCESSING, REFUND, SUCCESS, Order, Refund
from simulator.ledger import Ledger

OUTCOMES = (SUCCESS, ABNORMAL, CLOSED)
_YEAR = 365 * 86400
_MOST_REFUNDS = 50


class Why(enum.Enum):
    NO_ORDER = "no such order, or it is not paid"
    OTHER_ORDER = "transaction_id and out_trade_no are not of one order"
    OTHER_CONTENT = "the number was used with other content"
    OTHER_TOTAL = "the total is not the order's"
    OVERDUE = "paid more than a year ago"
    TOO_MANY = "fifty refunds already"
    ALL_REFUNDED = "nothing is left to refund"
    TOO_MUCH = "more than what is left to refund"
    TOO_SOON = "less than a minute after the last refund of the order"
    NOT_ENOUGH = "the merchant's balance is too low"
    NO_REFUND = "no such refund"
    NOT_ABNORMAL = "the refund is not abnormal"


class RefundRefused(Exception):
    """WeChat would not do this. ``why`` says why."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class RefundDraft:
    """A refund as requested. ``content`` decides whether a repeat is the same refund; ids may be empty, not both."""

    out_refund_no: str
    out_trade_no: str
    transaction_id: str
    amount_fen: int
    total_fen: int
    api: str
    reason: str = ""
    notify_url: str = ""
    content: str = ""
    account: str = "UNSETTLED"
    key_kind: str = "public_key"
    source: str = "api"


@dataclass
class Terms:
    """What ``/_sim/refunds`` sets. ``next``: outcomes of the next refunds in turn, then SUCCESS again.

    ``balance_fen`` is what the merchant has left for refunds; None: always enough.
    """

    next: list[str] = field(default_factory=list)
    seconds: float = 3.0
    interval_seconds: float = 60.0
    balance_fen: int | None = None


class Refunds:
    """The ledger with its rules of refunds. ``announce`` is told of every refund that came to an end."""

    def __init__(self, ledger: Ledger, clock: Clock, agenda: Agenda, announce: Callable[[Refund], None]) -> None:
        self.terms = Terms()
        self.forced: str | None = None  # by the fault plan: the outcome of a refund that is created now
        self._ledger = ledger
        self._clock = clock
        self._announce = announce
        self._agenda = agenda
        for refund in ledger.refunds.values():
            self._schedule(refund)

    def create(self, draft: RefundDraft) -> Refund:
        """A new refund, or the one that was made with this number and content. Raises ``RefundRefused``."""
        order = self.order_of(draft.transaction_id, draft.out_trade_no)
        known = self._ledger.refunds.get(draft.out_refund_no)
        if known is not None:
            if (known.out_trade_no, known.content) != (order.out_trade_no, draft.content):
                raise RefundRefused(Why.OTHER_CONTENT)
            return known
        self._check(order, draft)
        refund = self._new(order, draft)
        if self.terms.balance_fen is not None:
            self.terms.balance_fen -= draft.amount_fen
        self._ledger.keep(refund)
        self._schedule(refund)
        return refund

    def order_of(self, transaction_id: str, out_trade_no: str) -> Order:
        """The paid order that these name; transaction_id wins, and both must name the same."""
        number = self._ledger.by_transaction_id.get(transaction_id, "") if transaction_id else out_trade_no
        order = self._ledger.orders.get(number)
        if order is None or order.payment is None:
            raise RefundRefused(Why.NO_ORDER)
        if out_trade_no not in ("", number):
            raise RefundRefused(Why.OTHER_ORDER)
        return order

    def find(self, out_refund_no: str = "", refund_id: str = "") -> Refund:
        refund = self._ledger.refunds.get(self._ledger.by_refund_id.get(refund_id, "") if refund_id else out_refund_no)
        if refund is None:
            raise RefundRefused(Why.NO_REFUND)
        return refund

    def send_elsewhere(self, refund: Refund) -> Refund:
        """An abnormal refund goes to another account: PROCESSING again, and this time it succeeds (v3.md 13.3)."""
        if refund.state != ABNORMAL:
            raise RefundRefused(Why.NOT_ABNORMAL)
        refund.state, refund.outcome, refund.channel = PROCESSING, SUCCESS, "OTHER_BANKCARD"
        refund.due_at = self._clock.now() + self.terms.seconds
        self._ledger.keep(refund)
        self._schedule(refund)
        return refund

    def pending(self) -> int:
        return sum(refund.due_at is not None for refund in self._ledger.refunds.values())

    def _check(self, order: Order, draft: RefundDraft) -> None:
        if draft.total_fen != order.amount_fen:
            raise RefundRefused(Why.OTHER_TOTAL)
        now, earlier = self._clock.now(), self._ledger.refunds_for(order.out_trade_no)
        if order.payment and now - order.payment.paid_at > _YEAR:
            raise RefundRefused(Why.OVERDUE)
        left = order.amount_fen - _refunded(earlier)
        if draft.amount_fen > left:
            raise RefundRefused(Why.TOO_MUCH if left else Why.ALL_REFUNDED)
        if len(earlier) >= _MOST_REFUNDS:
            raise RefundRefused(Why.TOO_MANY)
        if earlier and draft.source == "api" and now - earlier[-1].created_at < self.terms.interval_seconds:
            raise RefundRefused(Why.TOO_SOON)
        if self.terms.balance_fen is not None and self.terms.balance_fen < draft.amount_fen:
            raise RefundRefused(Why.NOT_ENOUGH)

    def _new(self, order: Order, draft: RefundDraft) -> Refund:
        now, before = self._clock.now(), _refunded(self._ledger.refunds_for(order.out_trade_no))
        return Refund(
            out_refund_no=draft.out_refund_no,
            refund_id=numbers.refund_id(now),
            out_trade_no=order.out_trade_no,
            transaction_id=order.payment.transaction_id if order.payment else "",
            amount_fen=draft.amount_fen,
            payer_fen=_payer_part(order, before + draft.amount_fen) - _payer_part(order, before),
            api=draft.api,
            source=draft.source,
            reason=draft.reason,
            notify_url=draft.notify_url,
            content=draft.content,
            created_at=now,
            outcome=self.forced or (self.terms.next.pop(0) if self.terms.next else SUCCESS),
            due_at=now + self.terms.seconds,
            account=draft.account,
            key_kind=draft.key_kind,
        )

    def _schedule(self, refund: Refund) -> None:
        if refund.due_at is not None:
            self._agenda.at(refund.due_at, partial(self._finish, refund))

    def _finish(self, refund: Refund, moment: float) -> None:
        refund.state, refund.due_at = refund.outcome, None
        if refund.state == SUCCESS:
            refund.success_at = moment
            order = self._ledger.orders[refund.out_trade_no]
            order.state = REFUND
            self._ledger.keep(order)
        if refund.state == CLOSED and self.terms.balance_fen is not None:
            self.terms.balance_fen += refund.amount_fen
        self._ledger.keep(refund)
        self._announce(refund)


def _refunded(refunds: list[Refund]) -> int:
    """What is taken of an order, in fen: all but the closed ones, which gave it back."""
    return sum(refund.amount_fen for refund in refunds if refund.state != CLOSED)


def _payer_part(order: Order, amount: int) -> int:
    """How much of ``amount`` the user paid themselves, coupons taken off in proportion."""
    return amount * order.payment.payer_total // order.amount_fen if order.payment else 0
