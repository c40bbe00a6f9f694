"""What every adapter does with answers that it cannot rely on. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.errors import BadSignature, Malformed, OutcomeUnknown


@contextmanager
def believing() -> Iterator[None]:
    """Around the reading of an answer: one that does not verify, or is not understood, leaves the outcome unknown."""
    try:
        yield
    except (BadSignature, Malformed) as error:
        raise OutcomeUnknown(f"answer not believed: {error}") from error


def plain(code: str) -> str:
    """A provider's code for comparing: spellings vary with page and year in ``_`` and a final S (v3.md 16)."""
    return code.replace("_", "").removesuffix("S")
