"""Numbers that look like WeChat's and are random: ids, nonces, codes. It decides nothing."""

from __future__ import annotations

import secrets
import string
from datetime import datetime

from simulator.clock import BEIJING

_ALPHANUMERIC = string.ascii_letters + string.digits


def text(length: int, alphabet: str = _ALPHANUMERIC) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def digits(length: int) -> str:
    return text(length, string.digits)


def prepay_id(now: float) -> str:
    """``wx`` and 34 more characters, with the time in front."""
    return "wx" + datetime.fromtimestamp(now, BEIJING).strftime("%d%H%M%S") + digits(6) + secrets.token_hex(8) + "0000"


def transaction_id(now: float) -> str:
    """28 digits: ``4200``, six of the channel, the day, ten more."""
    return "4200" + digits(6) + datetime.fromtimestamp(now, BEIJING).strftime("%Y%m%d") + digits(10)


def refund_id(now: float) -> str:
    """29 digits: ``5030``, seven of the channel, the day, ten more."""
    return "5030" + digits(7) + datetime.fromtimestamp(now, BEIJING).strftime("%Y%m%d") + digits(10)


def openid() -> str:
    """``o`` and 27 more characters."""
    return "o" + text(27)
