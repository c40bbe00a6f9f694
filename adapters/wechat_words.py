"""What both of WeChat's APIs write alike: trade states, and the form of numbers and codes. Pure; knows neither API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.base import TradeStatus
from adapters.errors import Malformed

_VISIBLE = re.compile(r"[!-~]+")

# v2.md 6, v3.md 11
TRADE_STATES = {
    "SUCCESS": TradeStatus.PAID,
    "REFUND": TradeStatus.PAID,
    "NOTPAY": TradeStatus.OPEN,
    "USERPAYING": TradeStatus.OPEN,
    "PAYERROR": TradeStatus.OPEN,
    "ACCEPT": TradeStatus.OPEN,
    "CLOSED": TradeStatus.CLOSED,
    "REVOKED": TradeStatus.CLOSED,
}


def trade_status(trade_state: str) -> TradeStatus:
    """UNSEEN for a word that nobody documented."""
    return TRADE_STATES.get(trade_state, TradeStatus.UNSEEN)


def word(fields: Mapping[str, object], name: str, limit: int) -> str:
    """A number or code of 1 to ``limit`` visible ASCII characters. Malformed otherwise."""
    value = fields.get(name)
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value) or len(value) > limit:
        raise Malformed(f"{name} is missing or not of its form")
    return value
