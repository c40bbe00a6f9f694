"""The neutral interface to a payment provider: ``PaymentAdapter`` and the values that cross it.

Nothing here knows WeChat, HTTP or the tables. Services see providers through this module and
``adapters.errors`` only. Amounts are whole fen (int); times are epoch seconds (int, UTC).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol


class TradeStatus(enum.StrEnum):
    """What the provider says of one ``out_trade_no``, reduced to what a merchant may conclude from it."""

    OPEN = "OPEN"  # NOTPAY, USERPAYING, PAYERROR, ACCEPT: not paid, may still be paid
    PAID = "PAID"  # SUCCESS, and REFUND, which means "was paid, then refunded at least in part"
    CLOSED = "CLOSED"  # CLOSED, REVOKED: can never be paid again
    UNSEEN = "UNSEEN"  # a value this adapter has never heard of: change nothing, alarm


Source = Literal["notification", "query", "close", "bill"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to take money for an order, before anything is sent. It becomes one ``out_trade_no``, for ever."""

    out_trade_no: str  # 6 to 32 characters of [0-9A-Za-z]
    amount_fen: int  # >= 1
    currency: str  # "CNY"
    description: str  # at most 127 bytes of UTF-8 without 4-byte characters
    openid: str  # the payer, from our session
    client_ip: str  # IPv4 or IPv6, as the trusted proxy gave it
    notify_url: str  # absolute, without a query
    created_at: int  # epoch seconds
    expires_at: int  # epoch seconds: the last moment to pay


@dataclass(frozen=True, slots=True)
class PrepayRequest:
    """The exact parameters of one prepay call. Stored with the attempt before the first send, and sent again as stored.

    ``parameters`` holds no key and no signature: nonce, timestamp and signature are made afresh at each send.
    """

    parameters: str
    scheme: str  # how this attempt is signed for life: "MD5", "HMAC-SHA256" or "RSA"


@dataclass(frozen=True, slots=True)
class Prepay:
    """The provider's answer to ``prepay``: what a client needs besides a signature."""

    prepay_id: str
    scheme: str


@dataclass(frozen=True, slots=True)
class TradeReport:
    """Authentic evidence about one ``out_trade_no``: the only value that moves money in our tables.

    A notification, a query answer and (later) a bill line all become this. Fields the provider left out are
    None; a PAID report always has ``provider_transaction_id``, ``amount_fen``, ``currency`` and ``paid_at``.
    """

    source: Source
    adapter: str  # name of the adapter that authenticated it
    out_trade_no: str
    status: TradeStatus
    trade_state: str  # the provider's own word, for logs and people
    appid: str | None = None
    mchid: str | None = None
    provider_transaction_id: str | None = None
    amount_fen: int | None = None  # the order's amount, not what remained after coupons
    currency: str | None = None
    openid: str | None = None
    paid_at: int | None = None  # epoch seconds
    scheme: str = ""  # how it was signed: a notification in another scheme than its attempt's is only a hint to query
    refunded: bool = False  # the provider says REFUND: at least a part went back

    @property
    def happened_at(self) -> int | None:
        return self.paid_at


class RefundStatus(enum.StrEnum):
    """What the provider says of one refund."""

    PROCESSING = "PROCESSING"  # accepted, not finished: ask again
    SUCCESS = "SUCCESS"  # the money is back with the payer
    CLOSED = "CLOSED"  # refused for good, the money stays: another try needs a new number
    ABNORMAL = "ABNORMAL"  # the payer's bank account cannot take it: a person must resolve it


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund, before anything is sent. It becomes one ``out_refund_no``, for ever."""

    out_refund_no: str  # at most 64 characters of [0-9A-Za-z]
    out_trade_no: str
    provider_transaction_id: str
    amount_fen: int  # >= 1, at most what is left of total_fen
    total_fen: int  # what was paid
    currency: str
    reason: str  # shown to the payer; at most 80 bytes of UTF-8
    notify_url: str


@dataclass(frozen=True, slots=True)
class RefundReport:
    """What the provider says of one refund. ``signed`` is False for v2's notice: a hint to ask, never evidence."""

    source: Source
    adapter: str
    out_trade_no: str
    provider_transaction_id: str
    out_refund_no: str
    provider_refund_id: str
    amount_fen: int  # refunded by this refund
    status: RefundStatus
    signed: bool
    refunded_at: int | None = None

    @property
    def happened_at(self) -> int | None:
        return self.refunded_at


BillKind = Literal["trade", "fund"]  # what was paid and refunded; what moved on the merchant's account


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of the provider's trade bill: a payment, or a refund. Amounts in fen, exactly."""

    kind: Literal["payment", "refund"]
    out_trade_no: str
    provider_transaction_id: str
    amount_fen: int  # the order's amount, or what this refund gave back
    settled_fen: int  # what of it moves on the merchant's account: less where the provider does not pay for a coupon
    at: int  # epoch seconds
    appid: str
    mchid: str
    openid: str
    out_refund_no: str = ""
    provider_refund_id: str = ""
    refund_status: str = ""  # SUCCESS, PROCESSING, ...: the provider's word


@dataclass(frozen=True, slots=True)
class FundLine:
    """One line of the provider's fund-flow bill: a movement of the merchant's account, in fen, exactly."""

    kind: Literal["payment", "refund", "other"]  # other: fees, withdrawals and whatever is none of ours
    provider_number: str  # of a payment its transaction id, of a refund the provider's refund id
    amount_fen: int  # positive came in, negative went out
    at: int  # epoch seconds


@dataclass(frozen=True, slots=True)
class Bill:
    """A downloaded, checked bill on disk, read in bounded memory. ``lines`` and ``raw`` may be walked once each.

    Nothing is handed out of a bill that is not whole: totals and digest were checked before.
    """

    lines: Iterator[BillLine | FundLine]  # of one kind, the one that was asked for
    count: int  # how many lines there are
    sums: Mapping[str, Decimal]  # fen; trade: paid, refunded, fees (which may have parts of a fen); fund: in, out
    raw: Iterator[bytes]  # the file as the provider made it, unpacked, in pieces


@dataclass(frozen=True, slots=True)
class Notification:
    """One authentic message from the provider: its identity for de-duplication, and what it reports.

    ``report`` is None for an event this adapter knows to be none of ours (it is stored, acknowledged, ignored).
    """

    dedupe_key: str  # v3: the envelope's id; v2: SHA-256 over the signed fields. At most 80 characters
    kind: Literal["payment", "refund", "other"]
    report: TradeReport | RefundReport | None


class CloseResult(enum.StrEnum):
    """Proof that an ``out_trade_no`` can never be paid again, by the words that prove it."""

    ACCEPTED = "CLOSE_ACCEPTED"  # the provider took the close
    ALREADY_CLOSED = "ORDER_CLOSED"  # it was closed before


@dataclass(frozen=True, slots=True)
class Reply:
    """An acknowledgement, ready to be written: v3 is judged by status, v2 by body."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``self_check``: what was looked at, whether it is well, and what to do if not."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key or certificate that this process holds, to be shown: never the key itself."""

    kind: Literal["api_key", "merchant_key", "client_certificate", "public_key", "platform_certificate"]
    serial: str  # as the provider names it; empty if it has no name
    expires_at: int | None = None  # epoch seconds; None: it does not expire, or that is not known here


class PaymentAdapter(Protocol):
    """One way to take money. Implementations: ``adapters/wechat_v2``, ``adapters/wechat_v3``."""

    name: str  # "wechat_v2", "wechat_v3": stored on every attempt
    appid: str
    mchid: str
    close_wait_seconds: int  # the provider wants an order to be this old before it is closed
    bill_kinds: frozenset[BillKind]  # what ``download_bill`` can fetch with the keys that are configured

    def compose(self, attempt: Attempt) -> PrepayRequest:
        """The parameters of the prepay call, decided once. Pure: same attempt, same parameters."""

    async def prepay(self, request: PrepayRequest) -> Prepay:
        """Send what ``compose`` made. Raises NotSent, OutcomeUnknown, Throttled, Rejected, Conflict."""

    def client_payment(self, prepay: Prepay, now: int) -> dict[str, str]:
        """What ``wx.requestPayment`` needs: timeStamp, nonceStr, package, signType, paySign; signed at every tap."""

    async def query(self, out_trade_no: str) -> TradeReport:
        """Ask the provider. Raises NotFound if it knows no such number, else as ``prepay``."""

    async def close(self, out_trade_no: str) -> CloseResult:
        """Make the number unpayable. Conflict(ORDERPAID) if it is paid; NotFound if it never existed."""

    def compose_refund(self, refund: Refund) -> str:
        """The parameters of the refund call, decided once. Pure: same refund, same parameters."""

    async def refund(self, parameters: str) -> RefundReport:
        """Send what ``compose_refund`` made. PROCESSING means accepted, no more.

        Raises Rejected only where nothing was created; NOTENOUGH and the like are Throttled: the same again, later.
        """

    async def query_refund(self, out_refund_no: str) -> RefundReport:
        """Ask the provider. Raises NotFound if it knows no such refund, else as ``refund``."""

    async def resolve_abnormal(self, refund_id: str, out_refund_no: str) -> RefundReport:
        """Send the money of an ABNORMAL refund to the merchant's own bank card; the merchant owes it to the payer.

        ``refund_id`` is the provider's number. Raises Unsupported if the provider has no such call, Rejected if the
        refund stays as it is, else as ``refund``.
        """

    async def download_bill(self, day: str, kind: BillKind, folder: Path) -> Bill:
        """A bill of ``day`` (YYYY-MM-DD, Beijing time), kept as a file in ``folder`` (the caller removes it).

        An empty Bill if nothing happened that day. Raises NotReady if it is not made yet, OutcomeUnknown if what came
        is cut or does not match its digest, else as ``query``.
        """

    def parse_notification(self, headers: Mapping[str, str], body: bytes, now: int) -> Notification:
        """Verify, then parse. Pure. Raises BadSignature or Malformed; returns only what is authentic."""

    def acknowledge(self, error: str | None = None) -> Reply:
        """The answer that makes the provider stop (no error) or come again (a short reason)."""

    async def refresh_keys(self) -> None:
        """Fetch the provider's verification keys anew, where it publishes them. Never called inside a request."""

    def held_keys(self) -> list[HeldKey]:
        """What signs, verifies and opens here, with its expiry. Asks nobody."""

    async def self_check(self) -> list[Check]:
        """Ask the provider something harmless: do the keys, the clock and the network work?"""


Adapters = Mapping[str, PaymentAdapter]  # by name; built by the registry, handed to the services
