"""The neutral interface for shipping information: ``ShippingProvider`` and the values that cross it.

As ``base`` for payments: it knows neither WeChat, HTTP nor the tables. Times are epoch seconds (int, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel or, where nothing is sent by express, what was handed over."""

    item_desc: str  # at most 120 characters
    tracking_no: str = ""  # by express alone, as the next two
    express_company: str = ""  # the provider's id of it
    receiver_contact: str = ""  # a masked telephone number: 189****1234


@dataclass(frozen=True, slots=True)
class Shipment:
    """How one paid order left the merchant, as the provider is told."""

    provider_transaction_id: str
    openid: str  # the payer
    logistics_type: str  # "express", "same_city", "virtual", "pickup"
    parcels: tuple[Parcel, ...]
    all_delivered: bool  # nothing of the order follows
    at: int  # epoch seconds: a later one is the newer word


@dataclass(frozen=True, slots=True)
class Shipped:
    """What the provider knows of an order's shipping. Fields it left out are empty."""

    logistics_type: str  # empty: nothing was uploaded yet
    all_delivered: bool
    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """``sealed`` is unreadable to all but the adapter that made it, and equal where the tokens are equal."""

    sealed: str = field(repr=False)
    expires_in: int  # seconds


class ShippingProvider(Protocol):
    """Where a merchant reports what was shipped. Each call but the first takes a sealed access token.

    They raise TokenRefused if it is dead, NotReady if the order is not known there yet, and NotSent, OutcomeUnknown,
    Throttled, Rejected.
    """

    appid: str

    async def fetch_token(self, *, force: bool) -> AccessToken:
        """The token in use or, by ``force``, a new one: whoever else uses the old one then finds it dead."""

    async def upload(self, token: str, shipment: Shipment) -> None:
        """Conflict if the order is shipped already, or cannot be shipped any more: look what is there, then decide."""

    async def shipped(self, token: str, provider_transaction_id: str) -> Shipped:
        """What is there. Changes nothing."""

    async def must_ship(self, token: str) -> bool:
        """Whether the provider holds this merchant's money until shipping was reported."""
