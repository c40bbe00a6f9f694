"""Notices credentials that could be a real merchant's in a message to the simulator, so that nobody keeps sending them.

Pure. It names kinds, never values, and decides nothing: the protocol refuses unknown merchants by itself.
"""

from __future__ import annotations

import re

from simulator.merchant import Merchant, looks_real
from simulator.wire import Message

_PLACES = (
    ("appid", re.compile(r"\b(wx[0-9a-f]{16})\b")),
    ("mchid", re.compile(r"(?:mch_id>\s*(?:<!\[CDATA\[)?|mchid\"?\s*[:=]\s*\"?)([0-9]{8,10})\b")),
    ("serial", re.compile(r"serial_no=\"([0-9A-Fa-f]{40})\"")),
    ("secret", re.compile(r"\bsecret(?:=|\"\s*:\s*\")([0-9a-f]{32})\b")),
)


def real_looking(message: Message, merchant: Merchant) -> list[str]:
    """Kinds of credentials in this message that are not the test merchant's and look real."""
    text = "\n".join([message.url, message.headers.get("Authorization", ""), message.body.decode("utf-8", "replace")])
    own = {merchant.appid, merchant.mchid, merchant.merchant_serial_no, merchant.app_secret}
    return [
        kind
        for kind, place in _PLACES
        if any(
            value not in own and looks_real(kind, value.upper() if kind == "serial" else value)
            for value in place.findall(text)
        )
    ]
