"""What the seeded rows, the requests and the gateway stub must agree on: the numbers of the n-th order and buyer.

``peers/seed.py`` keeps to them as well, except for its buyers: it has one, whose token is PEERS_TOKEN.
"""

from __future__ import annotations

BUYERS = 5000  # so many that the limits of one buyer, which stay as they are by default, are never met
AMOUNT = 1800  # fen
PRODUCT = "latte"
PEERS_TOKEN = "bench-token"  # noqa: S105 - of rows that live for a minute


def order_no(n: int) -> str:
    return f"BENCHORDER{n:022d}"


def out_trade_no(n: int) -> str:
    return f"BENCH{n:027d}"


def transaction_id(n: int) -> str:
    return f"4200{n:024d}"


def openid(n: int) -> str:
    return f"bench-{n}"


def token(n: int) -> str:
    """The session of the n-th order's buyer."""
    return f"mp1_{n % BUYERS:043d}"
