"""What a service refuses, by what the client may do about it. Doors turn these into answers; nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from models.engine import DatabaseUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Refused(Exception):
    """Root. ``code`` is stable and for programs; the words for people are the door's."""

    def __init__(self, code: str, **details: str) -> None:
        super().__init__(": ".join([code, *details.values()]))
        self.code = code
        self.details = details  # named values for the words: never a secret, never another user's data


class NotFound(Refused):
    """No such thing, or none of this user's."""


class Unauthorized(Refused):
    """Who asks is not known: log in (again)."""


class Forbidden(Refused):
    """Who asks is known, and may not: another person must."""


class Invalid(Refused):
    """The request names something that cannot be."""


class Conflicting(Refused):
    """Sound, but not now: the state is another one."""


class TryLater(Refused):
    """Nothing is lost and nothing was decided: the same request again, a little later."""


class TooMany(Refused):
    """The same again after ``details["seconds"]``."""


class ProviderRefused(Refused):
    """WeChat said no, and will go on saying no until somebody mends something."""


def each_answered(serve: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer | Refused]:
    """What each got, be it a refusal: of many that are served together."""
    told: list[Answer | Refused] = []
    for item in items:
        try:
            told.append(serve(item))
        except Refused as refused:
            told.append(refused.with_traceback(None))  # which would keep all that was served alive
    return told


__all__ = [
    "Conflicting",
    "DatabaseUnavailable",
    "Forbidden",
    "Invalid",
    "NotFound",
    "ProviderRefused",
    "Refused",
    "TooMany",
    "TryLater",
    "Unauthorized",
    "each_answered",
]
