"""What the simulator remembers to show people: exchanges over the wire, and everything it had to refuse.

Both are bounded. Nothing secret comes out: known secrets are masked, and a message that bears what looks like a real
merchant's credentials is withheld whole. It must not decide anything.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.clock import Clock, rfc3339
from simulator.ledger import Ledger
from simulator.merchant import Merchant
from simulator.unfolding import Part, numbers_in, unfold
from simulator.wire import Diagnosis

log = logging.getLogger("simulator")

WITHHELD = "(withheld: it bears what looks like real credentials)"
_MOST_TEXT = 20_000
_MOST_KEPT = 2 * _MOST_TEXT  # bytes: masking shortens a text, and no secret may stand across the cut
_SECRET_WORDS = ("secret", "access_token", "session_key")  # to look for one is a hundredth of the work below
_SECRET_PLACES = (
    re.compile(r"((?:^|[?&])(?:secret|access_token)=)[^&]*"),
    re.compile(r'("(?:session_key|secret|access_token)"\s*:\s*")[^"]*'),
)


@dataclass
class Exchange:
    """One request and its answer. ``direction``: ``in`` to WeChat, ``out`` from it. ``verdict`` on its signature.

    ``fault`` is what the fault plan or a wish made of it, ``code`` and ``why`` a refusal; times are real.
    ``out_trade_no`` is given where the message may not tell it.
    """

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
    fault: str = ""
    code: str = ""
    why: str = ""
    diagnosis: Diagnosis | None = None
    out_trade_no: str = ""
    began: float = field(default_factory=time.time)
    ended: float = 0.0
    at: float = 0.0
    number: int = 0


class Records:
    def __init__(self, clock: Clock, merchant: Merchant, ledger: Ledger) -> None:
        # The number of the exchange remembered last. It begins at the hour: those of a life after a restart are higher.
        self.newest = int(time.time() * 1000)
        self.complaints: deque[dict[str, object]] = deque(maxlen=1000)
        self._exchanges: deque[Exchange] = deque(maxlen=500)
        self._news = asyncio.Event()
        self._clock = clock
        self._merchant = merchant
        self._ledger = ledger
        self._secrets = list(merchant.secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """These are secret, too; what was secret before remains so."""
        self._secrets += [secret for secret in secrets if secret not in self._secrets]

    def exchange(self, crossed: Exchange) -> None:
        """Remember it, and tell who waits for news. It is masked and unfolded only when somebody looks."""
        self.newest += 1
        if crossed.withheld:
            empty = Exchange(crossed.direction, crossed.op, crossed.method, WITHHELD, {}, b"", withheld=True)
            crossed = replace(empty, status=crossed.status, verdict=crossed.verdict, code=crossed.code)
        asked, answered = crossed.request_body[:_MOST_KEPT], crossed.response_body[:_MOST_KEPT]
        kept = replace(crossed, request_body=asked, response_body=answered, at=self._clock.now(), ended=time.time())
        kept.number = self.newest
        self._exchanges.append(kept)
        self.announce()

    def announce(self) -> None:
        """Wake everybody who waits for news."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, within: float) -> bool:
        """Wait until there may be something new; False if so many real seconds go by without."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                return await self._news.wait()
        return False

    def shown(self, after: int = 0, openid: str = "") -> Iterator[dict[str, Any]]:
        """Exchanges with a higher number than ``after``, oldest first; of this buyer alone if ``openid`` is given."""
        for crossed in list(self._exchanges):
            if crossed.number > after:
                shown = self._shown(crossed)
                if openid in ("", shown["openid"]):
                    yield self.masked(shown)

    def _shown(self, crossed: Exchange) -> dict[str, Any]:
        asked = Part(crossed.request_headers, crossed.request_body, crossed.method, crossed.url)
        answered = Part(crossed.response_headers, crossed.response_body)
        request, response = ({**self._part(part), **unfold(part, self._merchant)} for part in (asked, answered))
        texts = (crossed.url, asked.text, request.get("decrypted", ""), answered.text)
        number, openid = self._about(crossed.out_trade_no, "\n".join(texts))
        shown: dict[str, Any] = {
            "id": crossed.number,
            "at": rfc3339(crossed.at),
            "began": round(crossed.began, 3),
            "ended": round(crossed.ended, 3),
            "direction": crossed.direction,
            "op": crossed.op,
            "method": crossed.method,
            "url": crossed.url,
            "status": crossed.status,
            "verdict": crossed.verdict,
            "fault": crossed.fault,
            "code": crossed.code,
            "why": crossed.why,
            "out_trade_no": number,
            "openid": openid,
        }
        explanation = {"explanation": crossed.diagnosis.as_json()} if crossed.diagnosis else {}
        parts = {} if crossed.withheld else {"request": request, "response": response}
        return shown | explanation | parts

    def _about(self, known: str, text: str) -> tuple[str, str]:
        """Whose payment this is: its out_trade_no and the buyer's openid, as far as known."""
        named, prepay_id, openid = numbers_in(text)
        number = known or named or self._ledger.by_prepay_id.get(prepay_id, "")
        order = self._ledger.orders.get(number)
        return number, order.openid if order else openid

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
        if any(word in text for word in _SECRET_WORDS):
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

    def _part(self, part: Part) -> dict[str, Any]:
        text = self.mask(part.text)
        cut = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}... ({len(part.body)} bytes were kept)"
        return {"headers": dict(part.headers), "body": cut}
