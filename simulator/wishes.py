"""What the controls share in reading wishes: one refusal, and the two kinds of number. It knows no control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_SECONDS = 10 * 365 * 86400


class WishRefused(Exception):
    """A control was not understood, or WeChat would not do it; the text says what to send."""


def seconds(wish: Mapping[str, Any], name: str, otherwise: float) -> float:
    """The number of seconds that the wish names, from 0 to ten years."""
    value = wish.get(name, otherwise)
    if not is_number(value) or not 0 <= value <= MOST_SECONDS:
        raise WishRefused(f"{name} must be a number of seconds from 0 to ten years")
    return float(value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
