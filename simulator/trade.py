"""The rules of trade, one for both generations: what may be ordered, paid, closed, and when.

It knows orders and the clock; it must not know XML, JSON, signatures or HTTP. What is refused is a ``Refusal`` with a
neutral kind; ``v2`` and ``v3`` turn it into their own codes and texts.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from simulator import numbers
from simulator.agenda import Agenda
from simulator.clock import Clock
from simulator.entities import (
    CLOSED,
    NOTPAY,
    PAYERROR,
    PREPAY_LIFE,
    REFUND,
    SUCCESS,
    USERPAYING,
    Order,
    Paying,
    Payment,
)
from simulator.ledger import Ledger

SEVEN_DAYS = 7 * 86400
_SHORTEST, _LONGEST = 60, 90 * 86400


class Kind(enum.Enum):
    PAID = "the order is paid"
    CLOSED = "the order is closed"
    PAYING = "the order is being paid"
    OTHER_CONTENT = "the number was used with other content"
    USED = "the number was used with other content, and is paid"
    UNKNOWN = "no such order"
    STRANGER = "the openid is not a user of this appid"
    PREPAY_EXPIRED = "the prepay_id is older than two hours"
    ORDER_EXPIRED = "time_expire has passed"


class Refusal(Exception):
    """WeChat would not do this. ``kind`` says why."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True)
class Draft:
    """An order as requested, checked field by field. ``content`` decides whether a repeat is the same order."""

    out_trade_no: str
    api: str
    scheme: str
    appid: str
    mchid: str
    openid: str
    amount_fen: int
    description: str
    attach: str
    notify_url: str
    content: str
    expires_at: float | None
    key_kind: str
    device_info: str = ""


class Trade:
    """The ledger with its rules. ``announce`` is told of every order that was paid."""

    def __init__(self, ledger: Ledger, clock: Clock, agenda: Agenda, announce: Callable[[Order], object]) -> None:
        self.ledger = ledger
        self.clock = clock
        self._agenda = agenda
        self._announce = announce
        for order in ledger.orders.values():
            self._schedule(order)

    def prepay(self, draft: Draft) -> str:
        """The prepay_id of a new or repeated order (v2.md 4, v3.md 9): a repeat within two hours gets the same one."""
        if draft.openid not in self.ledger.users:
            raise Refusal(Kind.STRANGER)
        order = self.ledger.orders.get(draft.out_trade_no) or self._new(draft)
        if order.content != draft.content and order.state != CLOSED:
            raise Refusal(Kind.USED if order.payment else Kind.OTHER_CONTENT)
        _still_open(order)
        now = self.clock.now()
        if not order.prepay_ids or now - order.prepay_ids[-1][1] >= PREPAY_LIFE:
            order.prepay_ids.append((numbers.prepay_id(now), now))
            self.ledger.keep(order)
        return order.prepay_ids[-1][0]

    def find(self, out_trade_no: str) -> Order:
        order = self.ledger.orders.get(out_trade_no)
        if order is None:
            raise Refusal(Kind.UNKNOWN)
        return order

    def find_paid(self, transaction_id: str) -> Order:
        return self.find(self.ledger.by_transaction_id.get(transaction_id, ""))

    def close(self, out_trade_no: str) -> Order:
        """Make an order unpayable for ever. Refused when it is paid, being paid, closed or unknown."""
        order = self.find(out_trade_no)
        _free(order)
        order.state, order.closed_at = CLOSED, self.clock.now()
        self.ledger.keep(order)
        return order

    def payable(self, prepay_id: str) -> Order:
        """The order a user would pay with this prepay_id now; refused as WeChat's client would."""
        order = self.find(self.ledger.by_prepay_id.get(prepay_id, ""))
        _free(order)
        now = self.clock.now()
        age = order.prepay_age(prepay_id, now)
        if age is None or age > PREPAY_LIFE:
            raise Refusal(Kind.PREPAY_EXPIRED)
        if now > order.expires_at:
            raise Refusal(Kind.ORDER_EXPIRED)
        return order

    def pay(self, order: Order, coupon_fen: int = 0) -> None:
        """Money moves. ``coupon_fen`` of it is a coupon's, so that the user pays less than the order's amount."""
        _free(order)
        self._move_money(order, coupon_fen, self.clock.now())

    def pay_later(self, order: Order, paying: Paying) -> None:
        """The buyer is at it; what comes of it is known later. Nobody else can pay or close the order until then."""
        _free(order)
        order.state, order.paying = USERPAYING, paying
        self.ledger.keep(order)
        self._schedule(order)

    def pay_against_the_rules(self, order: Order) -> None:
        """Money moves whatever the order's state is: WeChat never does this. Refused only if it is paid already."""
        if order.payment:
            raise Refusal(Kind.PAID)
        order.closed_at = order.paying = None
        self._move_money(order, 0, self.clock.now())

    def fail_payment(self, order: Order) -> None:
        """The bank said no; the user may try again (v2.md 6, PAYERROR)."""
        order.state = PAYERROR
        self.ledger.keep(order)

    def _schedule(self, order: Order) -> None:
        if order.paying:
            self._agenda.at(order.paying.until, partial(self._settle, order, order.paying))

    def _settle(self, order: Order, paying: Paying, moment: float) -> None:
        if order.paying is not paying:  # it was paid against the rules meanwhile
            return
        order.paying = None
        if paying.outcome == SUCCESS:
            self._move_money(order, paying.coupon_fen, moment)
        else:
            order.state = NOTPAY
            self.ledger.keep(order)

    def _move_money(self, order: Order, coupon_fen: int, moment: float) -> None:
        bank = "CMB_CREDIT" if len(self.ledger.by_transaction_id) % 2 else "OTHERS"
        order.payment = Payment(numbers.transaction_id(moment), moment, order.amount_fen - coupon_fen, bank)
        order.state = SUCCESS
        self.ledger.keep(order)
        self._announce(order)

    def _new(self, draft: Draft) -> Order:
        now = self.clock.now()
        wished = draft.expires_at if draft.expires_at is not None else now + SEVEN_DAYS
        return Order(
            **(vars(draft) | {"expires_at": min(max(wished, now + _SHORTEST), now + _LONGEST)}),
            created_at=now,
            state=NOTPAY,
        )


def _still_open(order: Order) -> None:
    if order.state in (SUCCESS, REFUND):
        raise Refusal(Kind.PAID)
    if order.state == CLOSED:
        raise Refusal(Kind.CLOSED)


def _free(order: Order) -> None:
    """Open, and nobody is paying it at this moment."""
    _still_open(order)
    if order.paying:
        raise Refusal(Kind.PAYING)
