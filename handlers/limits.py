"""How often one buyer, one address, or everybody together may ask. Second to what a proxy before us limits, and counted
in each process by itself.

Notifications are never limited here: a forged one costs a signature check, and a true one is money.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address

from services.errors import TooMany
from services.ports import Clock

ROUNDING = 0.001  # seconds: sums of fractions, beside the time of day
MOST = 100_000  # askers that are remembered; the one longest silent is forgotten first
Network = IPv4Network | IPv6Network
Rate = tuple[int, float]  # so many, in so many seconds
EVERYBODY = ""  # the asker, where all are counted together


class Limits:
    """``rates``: how many of each kind one asker may make in any such time, at once or spread; 0: any number.

    Kept as one time an asker (the generic cell rate algorithm): the moment at which all that was asked so far would
    have been due at an even pace.
    """

    def __init__(self, rates: Mapping[str, Rate], now: Clock) -> None:
        self._rates = rates
        self._now = now
        self._due: dict[tuple[str, str], float] = {}

    def take(self, kind: str, asker: str) -> None:
        """Count one request. Raises TooMany, with the seconds to wait, if it is one too many."""
        limit, within = self._rates[kind]
        if not limit:
            return
        now, pace = self._now(), within / limit
        due = max(now, self._due.pop((kind, asker), now))
        if (late := due + pace - now - within) > ROUNDING:
            self._due[kind, asker] = due
            raise TooMany("too_many_requests", seconds=str(int(late) + 1))
        self._due[kind, asker] = due + pace
        if len(self._due) > MOST:
            self._due.pop(next(iter(self._due)))


def client_address(peer: str, forwarded: str | None, trusted: tuple[Network, ...]) -> str:
    """Who asks: the ``peer`` of the connection or, if that is a trusted proxy, the address it names in X-Real-Ip."""
    try:
        if forwarded and any(ip_address(peer) in network for network in trusted):
            return str(ip_address(forwarded))
    except ValueError:
        pass  # not an address: a Unix socket, or a header that nobody should have set
    return peer
