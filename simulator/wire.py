"""What crosses the simulator's wire, before any protocol: a message, a reply, and how a reply is sealed.

Plain values only; it must not know HTTP servers, keys or the two API generations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

PAGE = {"Content-Type": "text/html"}  # what front servers answer in
SealKind = Literal["genuine", "missing", "broken", "signtest", "forged"]


@dataclass(frozen=True, slots=True)
class Message:
    """A request as received: ``url`` is the raw path and query, ``body`` the raw bytes."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    peer: str = "127.0.0.1"
    client_certificate: bytes = b""  # DER, proven by the TLS handshake

    @property
    def path(self) -> str:
        return self.url.partition("?")[0]

    @property
    def query(self) -> str:
        return self.url.partition("?")[2]


@dataclass(slots=True)
class Reply:
    """An answer, ready to be written.

    ``verdict`` says what was found about the request's signature; a refusal has ``code`` and ``why``.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    verdict: str = "none"
    code: str = ""
    why: str = ""
    diagnosis: Diagnosis | None = None
    pieces: Iterator[bytes] | None = None  # the body, where it is too large to be held; ``body`` is empty then

    def held(self) -> Reply:
        """The same with its body in memory."""
        if self.pieces is not None:
            self.body, self.pieces = b"".join(self.pieces), None
        return self


@dataclass(frozen=True, slots=True)
class Seal:
    """How to sign something that leaves: genuinely, or wrongly in a chosen way (faults, /_sim/notify).

    ``offset`` seconds are added to the timestamp before signing, ``serial`` replaces the key's own in the header;
    ``key`` names the signing key where the sender has a choice.
    """

    kind: SealKind = "genuine"
    offset: int = 0
    serial: str | None = None
    key: str | None = None


GENUINE = Seal()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a signature did not hold. ``signed_string`` has every secret masked."""

    likely_cause: str
    signed_string: str
    first_difference: str = ""

    def as_json(self) -> dict[str, str]:
        """What is known of it, nothing empty."""
        shown = {
            "likely_cause": self.likely_cause,
            "signed_string": self.signed_string,
            "first_difference": self.first_difference,
        }
        return {name: text for name, text in shown.items() if text}


def first_difference(ours: bytes, theirs: bytes) -> str:
    """Where two strings part: offset and a few bytes of each, as ASCII."""
    length = min(len(ours), len(theirs))
    at = next((i for i in range(length) if ours[i] != theirs[i]), length)
    if at == len(ours) == len(theirs):
        return ""
    return f"byte {at}: here {_glimpse(ours, at)}, yours {_glimpse(theirs, at)}"


def _glimpse(text: bytes, at: int) -> str:
    return ascii(text[at : at + 24].decode("utf-8", "replace")) if at < len(text) else "<end>"
