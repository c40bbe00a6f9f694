"""What WeChat knows: users, orders, payments, refunds, shipments, notifications. Plain values, times in virtual epoch
seconds; they know no rule and not how they are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NOTPAY, SUCCESS, CLOSED, PAYERROR, REFUND = "NOTPAY", "SUCCESS", "CLOSED", "PAYERROR", "REFUND"
USERPAYING = "USERPAYING"
PROCESSING, ABNORMAL = "PROCESSING", "ABNORMAL"
PREPAY_LIFE = 2 * 3600


@dataclass
class Payment:
    """Money that moved. ``payer_total`` is what the user paid after coupons; times are virtual epoch seconds."""

    transaction_id: str
    paid_at: float
    payer_total: int
    bank_type: str


@dataclass
class Paying:
    """The buyer is at it: until then the order is USERPAYING, then ``outcome``: SUCCESS or NOTPAY."""

    until: float
    outcome: str
    coupon_fen: int


@dataclass
class Order:
    """One ``out_trade_no``, whichever API made it. ``scheme`` is MD5, HMAC-SHA256 or RSA, for life."""

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
    created_at: float
    expires_at: float
    key_kind: str = "public_key"
    device_info: str = ""
    state: str = NOTPAY
    closed_at: float | None = None
    prepay_ids: list[tuple[str, float]] = field(default_factory=list)
    payment: Payment | None = None
    paying: Paying | None = None

    def prepay_age(self, prepay_id: str, now: float) -> float | None:
        """Seconds since this prepay_id was issued; None if it is not this order's."""
        return next((now - issued for known, issued in self.prepay_ids if known == prepay_id), None)


@dataclass
class Refund:
    """One ``out_refund_no``. ``outcome`` is what it will be at ``due_at``; ``source`` api or console.

    ``payer_fen`` is what the user gets back of what they paid themselves, the rest is a coupon's.
    """

    out_refund_no: str
    refund_id: str
    out_trade_no: str
    transaction_id: str
    amount_fen: int
    payer_fen: int
    api: str
    source: str
    reason: str
    notify_url: str
    content: str
    created_at: float
    outcome: str
    due_at: float | None
    account: str = "UNSETTLED"
    channel: str = "ORIGINAL"
    key_kind: str = "public_key"
    state: str = PROCESSING
    success_at: float | None = None


@dataclass
class Try:
    """One sending of a notification: ``result`` is ``acknowledged`` or why not; ``status`` 0 without an answer."""

    at: float
    status: int
    result: str


@dataclass
class Delivery:
    """One notification and its repeats. ``state``: waiting, acknowledged or given_up.

    Of a refund if ``out_refund_no`` is set: ``event`` is the refund's state that it tells of, also when repeated later.
    """

    id: str
    out_trade_no: str
    api: str
    url: str
    first_at: float
    state: str = "waiting"
    tries: list[Try] = field(default_factory=list)
    out_refund_no: str = ""
    event: str = SUCCESS

    @property
    def op(self) -> str:
        """What the fault plan calls it."""
        return "notify.refund" if self.out_refund_no else f"notify.{self.api}"


@dataclass
class Shipment:
    """What was uploaded of an order's shipping (mini-program.md 4). ``parcels`` are items of ``shipping_list``.

    ``finished`` counts how often it was said that all is on its way: 2 after the one correction.
    """

    out_trade_no: str
    logistics_type: int
    delivery_mode: int
    parcels: list[dict[str, Any]]
    upload_time: float
    finished: int = 0
    received_at: float | None = None


@dataclass
class Certificate:
    """A platform certificate of WeChat's with its private key, as PEM texts. A retired one is published no more."""

    serial_no: str
    certificate: str
    private_key: str
    effective_at: float
    retired: bool = False


@dataclass
class User:
    """A WeChat user of this mini program; only the newest session_key is valid."""

    openid: str
    session_key: str = ""


Entity = User | Order | Refund | Delivery | Shipment | Certificate
