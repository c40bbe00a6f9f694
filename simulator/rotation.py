"""``/_sim/keys``: which of WeChat's keys signs what, how platform certificates come and go (v3.md 6, 7).

    notify_key               as_ordered | public_key | certificate | alternate: what signs notifications
    platform_certificates    false for a merchant that has none
    new_certificate          {"effective_seconds"?: 0}: one more is published at once, and signs from then on
    answers_by, notifications_by   the serial number of the certificate that signs them; null: the newest effective one
    retire_certificate       the serial number of one that is published no more
    answer_share, notify_share     0 to 1: the share of what a certificate would sign that is signed by the public key's
                             pair all the same, as while a merchant migrates; evenly spread, the same in every run

GET and PUT answer with the switches and ``certificates``: serial_no, certificate (PEM), effective_at, signs. What one
PUT says is done in the order of this list. It reads wishes; the keys are ``keys``' business.
"""

from __future__ import annotations

from typing import Any

from simulator import wishes
from simulator.keys import ANSWERS, NOTIFICATIONS, NOTIFY_KEYS, Keys, Share
from simulator.wishes import WishRefused

_NAMED = {"answers_by": ANSWERS, "notifications_by": NOTIFICATIONS}
_SHARES = {"answer_share": ANSWERS, "notify_share": NOTIFICATIONS}
NAMES = ("notify_key", "platform_certificates", "new_certificate", *_NAMED, "retire_certificate", *_SHARES)


def change(keys: Keys, wish: dict[str, Any]) -> None:
    """Do what is named, leave the rest. Raises ``WishRefused``."""
    notify_key = wish.get("notify_key", keys.notify_key)
    has_certificates = wish.get("platform_certificates", keys.platform_certificates)
    if notify_key not in NOTIFY_KEYS or not isinstance(has_certificates, bool):
        raise WishRefused(f"notify_key is one of {', '.join(NOTIFY_KEYS)}; platform_certificates true or false")
    shares = {use: _share(wish[name]) for name, use in _SHARES.items() if name in wish}
    keys.notify_key, keys.platform_certificates = notify_key, has_certificates
    keys.shares |= shares
    if "new_certificate" in wish:
        _add(keys, wish["new_certificate"])
    for name, use in _NAMED.items():
        if name in wish:
            keys.name(use, wish[name])
    if "retire_certificate" in wish:
        keys.retire(wish["retire_certificate"])


def _share(part: object) -> Share:
    if not isinstance(part, int | float) or isinstance(part, bool) or not 0 <= part <= 1:
        raise WishRefused("answer_share and notify_share are numbers from 0 to 1")
    return Share(part)


def _add(keys: Keys, wish: object) -> None:
    if not isinstance(wish, dict) or not wish.keys() <= {"effective_seconds"}:
        raise WishRefused('new_certificate is {} or {"effective_seconds": 86400}')
    keys.add(wishes.seconds(wish, "effective_seconds", 0))
