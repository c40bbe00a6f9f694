"""How often, and from which seed. ``make test`` is short; ``make crash`` sets ROUNDS=10, the full numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import V2_HMAC, V3

ROUNDS = int(os.environ.get("ROUNDS", "1"))
FULL = ROUNDS > 1
SEED = int(os.environ.get("SEED", "1"))


# On SQLite there is no wire to the database: what is seen is what comes in, and what is asked of the gateway.
KINDS = [("mariadb", V3), ("sqlite", V2_HMAC)] if FULL else [("mariadb", V3)]


def times(short: int, full: int) -> int:
    return full if FULL else short


def fresh(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty database."""
    return str(request.getfixturevalue("mariadb").create()) if kind == "mariadb" else f"sqlite:///{folder / 'pay.db'}"
