"""What the simulator remembers to show people: exchanges over the wire, and everything it had to refuse.

Both are bounded. Nothing secret goes in: known secrets are masked, and a message that bears what looks like a real
merchant's credentials is withheld whole. It must not decide anything.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Clock, rfc3339
from simulator.wire import Diagnosis

log = logging.getLogger("simulator")

WITHHELD = "(withheld: it bears what looks like real credentials)"
_MOST_TEXT = 20_000
_SECRET_PLACES = (
    re.compile(r"((?:^|[?&])(?:secret|access_token)=)[^&]*"),
    re.compile(r'("(?:session_key|secret|access_token)"\s*:\s*")[^"]*'),
)


@dataclass
class Exchange:
    """One request and its answer. ``direction``: ``in`` to WeChat, ``out`` from it. ``verdict`` on its signature."""

    direction: str
    op: str
    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int = 0
    response_headers: Mapping[str, str] = field(default_factory=dict)
    response_body: bytes = b""
    verdict: str = "none"
    withheld: bool = False


class Records:
    def __init__(self, clock: Clock, secrets: Iterable[str]) -> None:
        self.exchanges: deque[dict[str, object]] = deque(maxlen=500)
        self.complaints: deque[dict[str, object]] = deque(maxlen=1000)
        self._clock = clock
        self._secrets = list(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """These are secret, too; what was secret before remains so."""
        self._secrets += [secret for secret in secrets if secret not in self._secrets]

    def exchange(self, crossed: Exchange) -> None:
        """Remember it, masked."""
        shown: dict[str, object] = {
            "at": rfc3339(self._clock.now()),
            "direction": crossed.direction,
            "op": crossed.op,
            "method": crossed.method,
            "status": crossed.status,
            "verdict": crossed.verdict,
        }
        if crossed.withheld:
            self.exchanges.append(shown | {"url": WITHHELD})
            return
        shown["url"] = self.mask(crossed.url)
        shown["request"] = self._part(crossed.request_headers, crossed.request_body)
        shown["response"] = self._part(crossed.response_headers, crossed.response_body)
        self.exchanges.append(shown)

    def complain(self, op: str, code: str, text: str, diagnosis: Diagnosis | None = None) -> None:
        """Remember a refusal and say it in the log, without what the message contained."""
        entry: dict[str, object] = {
            "at": rfc3339(self._clock.now()),
            "op": op,
            "code": code,
            "message": self.mask(text),
        }
        if diagnosis is not None:
            explanation = {k: self.mask(v) for k, v in diagnosis.as_json().items()}
            entry["explanation"] = explanation
            log.warning("%s refused: %s (%s)", op, code, explanation["likely_cause"])
        else:
            log.warning("%s refused: %s", op, code)
        self.complaints.append(entry)

    def mask(self, text: str) -> str:
        """The text without any secret of the test merchant, and without whatever stands where a secret goes."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for place in _SECRET_PLACES:
            text = place.sub(r"\1***", text)
        return text

    def masked(self, value: Any) -> Any:
        """The same value with every text in it masked."""
        if isinstance(value, dict):
            return {name: self.masked(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.masked(item) for item in value]
        return self.mask(value) if isinstance(value, str) else value

    def _part(self, headers: Mapping[str, str], body: bytes) -> dict[str, object]:
        text = self.mask(body.decode("utf-8", "backslashreplace"))
        cut = text[:_MOST_TEXT] + f"... ({len(body)} bytes)" if len(text) > _MOST_TEXT else text
        return {"headers": {k: self.mask(v) for k, v in headers.items()}, "body": cut}
