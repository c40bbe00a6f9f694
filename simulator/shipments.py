"""The rules of shipping information: which orders may be shipped, how often, what is known of it (mini-program.md 4).

An order is unknown here for some virtual seconds after its payment. What no source fixes: the code for another payer
than the order's (10060031), and when which "already shipped" comes (10060002: a parcel after the last one, or an upload
that is not newer than the one there is; 10060003: the one correction is used up).
It knows orders and the clock; it must not know JSON or HTTP.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from simulator.clock import Clock
from simulator.entities import SUCCESS, Order, Shipment
from simulator.ledger import Ledger
from simulator.miniprogram import ApiRefused

UNIFIED, SPLIT = 1, 2
MOST_PARCELS = 15
_UNKNOWN, _SHIPPED, _CORRECTED, _NOT_SHIPPABLE, _OTHER_PAYER = 10060001, 10060002, 10060003, 10060004, 10060031


class State(enum.IntEnum):
    """``order_state`` of get_order; 4, completed, comes some days after 3 and is not played."""

    TO_SHIP = 1
    SHIPPED = 2
    RECEIVED = 3
    REFUNDED = 5


@dataclass(frozen=True)
class Upload:
    """What upload_shipping_info says, checked field by field. ``last``: nothing more will be sent."""

    openid: str
    logistics_type: int
    delivery_mode: int
    parcels: list[dict[str, Any]]
    last: bool
    upload_time: float


@dataclass
class Terms:
    """What ``/_sim/shipping`` sets: when a paid order is known here, and whether the mini program must ship."""

    delay_seconds: float = 10.0
    managed: bool = True


class Shipments:
    """The ledger with its rules of shipping."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.terms = Terms()
        self._ledger = ledger
        self._clock = clock

    def order_of(self, transaction_id: str, mchid: str = "", out_trade_no: str = "") -> Order:
        """The paid order that is named one way or the other; 10060001 if it is not known here, or not yet."""
        number = self._ledger.by_transaction_id.get(transaction_id, "") if transaction_id else out_trade_no
        order = self._ledger.orders.get(number)
        if order is None or order.payment is None or (not transaction_id and order.mchid != mchid):
            raise ApiRefused(_UNKNOWN)
        if self._clock.now() - order.payment.paid_at < self.terms.delay_seconds:
            raise ApiRefused(_UNKNOWN)
        return order

    def upload(self, order: Order, upload: Upload) -> None:
        """Take the first upload, further parcels of a split order, and one correction."""
        if upload.openid != order.openid:
            raise ApiRefused(_OTHER_PAYER)
        if self.state(order) in (State.RECEIVED, State.REFUNDED):
            raise ApiRefused(_NOT_SHIPPABLE)
        known = self._ledger.shipments.get(order.out_trade_no)
        if known:
            _check_again(known, upload)
        added = known if known and not known.finished and upload.delivery_mode == SPLIT else None
        parcels = _joined(added.parcels if added else [], upload)
        finished = (known.finished if known else 0) + upload.last
        shipment = Shipment(
            order.out_trade_no, upload.logistics_type, upload.delivery_mode, parcels, upload.upload_time, finished
        )
        self._ledger.keep(shipment)

    def shipment(self, order: Order) -> Shipment | None:
        return self._ledger.shipments.get(order.out_trade_no)

    def state(self, order: Order) -> State:
        refunds = self._ledger.refunds_for(order.out_trade_no)
        if sum(refund.amount_fen for refund in refunds if refund.state == SUCCESS) >= order.amount_fen:
            return State.REFUNDED
        shipment = self.shipment(order)
        if shipment is None or not shipment.finished:
            return State.TO_SHIP
        return State.SHIPPED if shipment.received_at is None else State.RECEIVED

    def receive(self, out_trade_no: str) -> Shipment:
        """The buyer confirms receipt; ``ApiRefused`` unless the order is on its way."""
        order = self._ledger.orders.get(out_trade_no)
        shipment = self.shipment(order) if order else None
        if order is None or shipment is None or self.state(order) != State.SHIPPED:
            raise ApiRefused(_NOT_SHIPPABLE)
        shipment.received_at = self._clock.now()
        self._ledger.keep(shipment)
        return shipment


def _check_again(known: Shipment, upload: Upload) -> None:
    """May an order that was shipped whole be shipped once more?"""
    if known.finished > 1:
        raise ApiRefused(_CORRECTED)
    if known.finished and (upload.delivery_mode == SPLIT or upload.upload_time <= known.upload_time):
        raise ApiRefused(_SHIPPED)


def _joined(before: list[dict[str, Any]], upload: Upload) -> list[dict[str, Any]]:
    """The parcels of before and now; one that is named again is replaced."""
    named = {_name(parcel): parcel for parcel in [*before, *upload.parcels]}
    if len(named) > MOST_PARCELS:
        raise ApiRefused(47001, f"shipping_list: more than {MOST_PARCELS} parcels of one order")
    return list(named.values())


def _name(parcel: dict[str, Any]) -> tuple[str, ...]:
    """What tells it from the order's other parcels."""
    if "tracking_no" in parcel:
        return parcel.get("express_company", ""), parcel["tracking_no"]
    return (parcel["item_desc"],)
