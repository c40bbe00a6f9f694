"""Words on their way to a provider and back: cut to its limits, and made safe for a log line. Pure."""

from __future__ import annotations


def fit(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8, without the characters that both APIs refuse.

    Gone are 4-byte characters such as emoji (v2.md 1, v3.md 1), control characters, surrogates and joiners left over
    from an emoji; the cut falls between characters, never inside one.
    """
    spaced = (" " if char.isspace() else char for char in text)
    kept = "".join(char for char in spaced if char.isprintable() and char <= "\uffff" and char != "\ufe0f")
    return kept.strip().encode()[:limit].decode(errors="ignore").rstrip()


def tidy(text: object, limit: int = 200) -> str:
    """A provider's own words, fit for a log line: one line of printable characters, not too long."""
    words = text if isinstance(text, str) else ""
    return "".join(char if char.isprintable() else " " for char in words[:limit]).strip()
