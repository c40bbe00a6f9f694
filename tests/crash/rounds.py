"""How often, and from which seed. ``make test`` is short; ``make crash`` sets ROUNDS=10, the full numbers."""

from __future__ import annotations

import os

ROUNDS = int(os.environ.get("ROUNDS", "1"))
FULL = ROUNDS > 1
SEED = int(os.environ.get("SEED", "1"))


def times(short: int, full: int) -> int:
    return full if FULL else short
