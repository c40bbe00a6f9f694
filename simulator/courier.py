"""Carries notifications to the merchant: sends, judges the acknowledgement, repeats on WeChat's schedule.

v3 is judged by status alone, v2 by the XML alone (v2.md 12.3, v3.md 15.3). Each repeat is signed afresh. It must not
decide what a notification says (``notices``), and it sends to loopback only unless told otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from simulator import rules, v2wire
from simulator.clock import Clock
from simulator.entities import Delivery, Try
from simulator.faults import Faults, Rule, tampered
from simulator.ledger import Ledger
from simulator.notices import Notice
from simulator.records import Exchange, Records
from simulator.wire import GENUINE, Seal

log = logging.getLogger("simulator")

# Seconds between one try and the next: 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h.
INTERVALS = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
_DUE = (0, *accumulate(INTERVALS))  # seconds after the first try
_LIMIT = 5.0  # real seconds to answer within
_AT_ONCE = 100
_UNTIL_ANOTHER = math.inf

Write = Callable[[Delivery, Seal], Notice]  # signs a notification afresh


@dataclass(frozen=True)
class Label:
    """What the records say of a notification beside itself: its operation, its order, and what was done to it."""

    op: str
    out_trade_no: str
    fault: str = ""


@dataclass(frozen=True)
class Judgement:
    status: int
    result: str


class Courier:
    """``run`` is the one task that looks at the schedule; ``wake`` it after time or work has changed."""

    def __init__(
        self, ledger: Ledger, clock: Clock, faults: Faults, records: Records, write: Write, allow_remote: bool
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._faults = faults
        self._records = records
        self._write = write
        self._allow_remote = allow_remote
        self._woken = asyncio.Event()
        self._held: dict[str, float] = {}  # by the fault plan: not before this virtual time
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._client = SimpleAsyncHTTPClient(force_instance=True, max_clients=_AT_ONCE, max_body_size=1 << 20)
        self._places = asyncio.Semaphore(_AT_ONCE)  # waiting for a place must not count against the 5 s

    def wake(self) -> None:
        self._woken.set()

    def post(self, delivery: Delivery) -> None:
        """Take on a new notification; its first try is made at once."""
        self._ledger.keep(delivery)
        self.wake()

    def state(self) -> dict[str, int]:
        """How much is still to come: unfinished deliveries, those being sent now, those whose time has come."""
        return {
            "pending_deliveries": len(self._waiting()),
            "in_flight": len(self._under_way),
            "due": sum(self._due_at(d) <= self._clock.now() for d in self._waiting()),
        }

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing is being sent and nothing is due, at most so many real seconds."""
        until = time.monotonic() + seconds
        while (self._under_way or self.state()["due"]) and time.monotonic() < until:
            await asyncio.sleep(0.002)

    async def run(self) -> None:
        """Send what is due, sleep until the next is; ends by cancellation."""
        while True:
            self._woken.clear()
            for delivery in self._waiting():
                if self._due_at(delivery) <= self._clock.now() and delivery.id not in self._under_way:
                    self._start(delivery)
            try:
                async with asyncio.timeout(self._pause()):  # wait_for could swallow the cancellation
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._client.close()

    def _waiting(self) -> list[Delivery]:
        return list(self._ledger.waiting.values())

    def _due_at(self, delivery: Delivery) -> float:
        return max(delivery.first_at + _DUE[len(delivery.tries)], self._held.get(delivery.id, 0.0))

    def _pause(self) -> float:
        """Real seconds until the next try of a delivery that is not being sent now; at most an hour."""
        moments = [self._due_at(d) for d in self._waiting() if d.id not in self._under_way]
        return min(self._clock.real_seconds_until(m) for m in [*moments, self._clock.now() + 3600.0])

    def _start(self, delivery: Delivery) -> None:
        """Send it, unless the fault plan holds it back: that is no try."""
        rule = self._faults.pick(delivery.op)
        if rule and rule.fault in ("late", "out_of_order"):
            self._held[delivery.id] = self._clock.now() + rule.seconds if rule.fault == "late" else _UNTIL_ANOTHER
            return
        self._under_way[delivery.id] = asyncio.create_task(self._work(delivery, rule))

    def _let_go(self, gone: Delivery) -> None:
        """This one was sent: what waited for another may go, and it has waited long enough itself."""
        self._held = {i: until for i, until in self._held.items() if until != _UNTIL_ANOTHER and i != gone.id}

    async def _work(self, delivery: Delivery, rule: Rule | None) -> None:
        try:
            judgement = await self._judged(delivery, rule)
            delivery.tries.append(Try(self._clock.now(), judgement.status, judgement.result))
            if judgement.result == "acknowledged":
                delivery.state = "acknowledged"
            elif len(delivery.tries) == len(_DUE):
                delivery.state = "given_up"
            self._ledger.keep(delivery)
        finally:
            self._let_go(delivery)
            del self._under_way[delivery.id]
            self.wake()

    async def _judged(self, delivery: Delivery, rule: Rule | None) -> Judgement:
        """A mistake of our own counts as a try, or the same delivery would be due for ever."""
        try:
            return await self._attempt(delivery, rule)
        except Exception:
            log.exception("a notification of %s could not be made", delivery.out_trade_no)
            return Judgement(0, "not sent: an error in the simulator")

    async def _attempt(self, delivery: Delivery, rule: Rule | None) -> Judgement:
        fault = rule.fault if rule else ""
        if rule and fault == "delay":
            await asyncio.sleep(rule.seconds)
        notice = self._write(delivery, rule.seal if rule else GENUINE)
        if rule and fault == "tamper":
            notice = Notice(notice.headers, tampered(notice.body, rule))
        label = Label(delivery.op, delivery.out_trade_no, fault)
        judgements = await self.send(delivery.api, delivery.url, notice, label, _copies(rule))
        self._probed(delivery, rule, judgements[0])
        return next((j for j in judgements if j.result == "acknowledged"), judgements[0])

    def _probed(self, delivery: Delivery, rule: Rule | None, judgement: Judgement) -> None:
        """A merchant that takes a forged notification for a true one does not verify (v3.md 5)."""
        if rule and _forges(rule, delivery.api) and judgement.result == "acknowledged":
            text = f"{delivery.out_trade_no}: a notification made with {rule.fault} was acknowledged"
            self._records.complain(delivery.op, "SIGNATURE_NOT_VERIFIED", text)

    async def send(self, api: str, url: str, notice: Notice, label: Label, copies: int = 1) -> list[Judgement]:
        """The same bytes, ``copies`` times at once; how each was taken."""
        return list(await asyncio.gather(*(self._send_one(api, url, notice, label) for _ in range(copies))))

    async def _send_one(self, api: str, url: str, notice: Notice, label: Label) -> Judgement:
        crossed = Exchange("out", label.op, "POST", url, notice.headers, notice.body)
        crossed.fault, crossed.out_trade_no = label.fault, label.out_trade_no
        lost = Judgement(0, "dropped by the fault plan")
        judgement = lost if label.fault == "drop" else await self._call(api, url, notice, crossed)
        crossed.verdict = judgement.result
        self._records.exchange(crossed)
        return judgement

    async def _call(self, api: str, url: str, notice: Notice, crossed: Exchange) -> Judgement:
        if not self._allow_remote and not rules.is_loopback(urlsplit(url).hostname or ""):
            return Judgement(0, "not sent: the address is not on this machine")
        headers = {"User-Agent": "Mozilla/4.0", "Accept": "*/*", "Connection": "close", **notice.headers}
        try:
            request = HTTPRequest(
                url, "POST", headers, notice.body, connect_timeout=_LIMIT, request_timeout=_LIMIT,
                follow_redirects=False, decompress_response=False,
            )  # fmt: skip
            async with self._places:
                response = await self._client.fetch(request, raise_error=False)
        except HTTPTimeoutError:
            return Judgement(0, f"no answer within {_LIMIT:.0f} s")
        except (HTTPClientError, OSError, ValueError) as error:
            return Judgement(0, f"not delivered: {type(error).__name__}")
        crossed.status, crossed.response_headers = response.code, dict(response.headers.get_all())
        crossed.response_body = response.body or b""
        return judge(api, response)


def _copies(rule: Rule | None) -> int:
    return rule.times if rule and rule.fault == "duplicate" else 1


def _forges(rule: Rule, api: str) -> bool:
    """v2 signs neither a time nor a serial number: with a wrong one of those its message is still true."""
    touched = rule.seal.kind != GENUINE.kind if api == "v2" else rule.seal != GENUINE
    return touched or rule.fault == "tamper"


def judge(api: str, response: HTTPResponse) -> Judgement:
    """Was this an acknowledgement?"""
    well = response.code in (200, 204) if api == "v3" else _is_v2_success(response.code, response.body or b"")
    return Judgement(response.code, "acknowledged" if well else "not acknowledged")


def _is_v2_success(status: int, body: bytes) -> bool:
    """Status 200 and XML whose return_code is SUCCESS; nothing else counts, not even the bare word."""
    try:
        return status == 200 and v2wire.parse_xml(body).get("return_code") == "SUCCESS"
    except v2wire.XmlRefused:
        return False
