"""What every door does with a request before it knows what is asked: number it, hold its body, remember it is there."""

from __future__ import annotations

import secrets
from itertools import count

from services.bundle import Services
from services.errors import Invalid

MAX_BODY = 64 * 1024
NUMBERS = count(secrets.randbits(63))  # from a number by chance, so that no two processes have the same
in_flight: set[object] = set()  # requests accepted and not yet answered: a stop waits for them


def request_id() -> str:
    return f"{next(NUMBERS):016x}"


def is_closing(services: Services) -> bool:
    """On the way in and out a client is sent elsewhere with its answer: one that kept its connection and went on asking
    would be cut off in the end."""
    return bool(services.leaving or services.starting)


def headers_of_all(closing: bool) -> dict[str, str]:
    """What every answer says."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return {**headers, "Connection": "close"} if closing else headers


class Body:
    """Up to 64 KB. What is longer is read to its end and thrown away, so that the client gets our 413 instead of a
    broken connection; what is longer than the server's own limit is cut."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size <= MAX_BODY:
            self._chunks.append(chunk)

    def whole(self) -> bytes:
        """Raises Invalid if it was longer."""
        if self.size > MAX_BODY:
            raise Invalid("body_too_large", limit=str(MAX_BODY))
        return b"".join(self._chunks)
