"""Paying: one open attempt per order, committed before WeChat hears of it, asked for again with the same parameters.

A prepay_id is stored and handed out for two hours, signed afresh at every tap. A new ``out_trade_no`` is made only
when the old one is proven closed: two open numbers of one order could both be paid.
"""

from __future__ import annotations

import asyncio

from adapters.base import Adapters, PaymentAdapter, Prepay, PrepayRequest
from adapters.errors import Conflict, NotSent, OutcomeUnknown, PaymentError, Throttled
from models.database import Database
from services.asking import Asking, adapter_of
from services.attempts import OpenAttempt, Prepaid, Sold, Tap, open_attempts, record_prepays, record_unknown
from services.errors import Refused, TryLater
from services.gateway import refusal
from services.login import Person
from services.ports import Clock

NOT_SENT_AGAIN = (0.1, 0.4)  # seconds before each repeat of a request that certainly did not arrive


class Checkout:
    def __init__(
        self, database: Database, adapters: Adapters, default: str, asking: Asking, sold: Sold, now: Clock
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._default = default
        self._asking = asking
        self._sold = sold
        self._now = now
        self._opening = database.batched(self._open_attempts)
        self._recording = database.batched(self._record_prepays)

    async def pay(
        self, person: Person, order_no: str, client_ip: str, composer: PaymentAdapter | None = None
    ) -> dict[str, str]:
        """What ``wx.requestPayment`` needs. Raises NotFound, Conflicting, TryLater, ProviderRefused.

        ``composer`` makes a new attempt instead of the configured generation: the demo page's choice.
        """
        composer = composer or self._adapters[self._default]
        for _ in range(2):  # the second time if the first attempt proves closed at WeChat
            attempt = await self._opening.submit(Tap(person, order_no, client_ip, composer))
            adapter = adapter_of(self._adapters, attempt.question.adapter)
            try:
                prepay_id = attempt.prepay_id or await self._prepay(adapter, attempt)
            except Conflict:
                await self._asking.ask(attempt.question)  # paid, or closed: WeChat says which
                continue
            return adapter.client_payment(Prepay(prepay_id, attempt.request.scheme), int(self._now()))
        raise TryLater("gateway_uncertain")

    def _open_attempts(self, taps: list[Tap]) -> list[OpenAttempt | Refused]:
        return open_attempts(taps, self._sold, int(self._now()))

    def _record_prepays(self, prepaid: list[Prepaid]) -> list[str | Refused]:
        return record_prepays(prepaid, int(self._now()))

    async def _prepay(self, adapter: PaymentAdapter, attempt: OpenAttempt) -> str:
        """Ask for a prepay_id and store it. Raises Conflict for the caller to settle."""
        number_ = attempt.question.out_trade_no
        try:
            prepay = await _send(adapter, attempt.request)
        except Conflict:
            raise
        except PaymentError as error:
            if isinstance(error, OutcomeUnknown):
                await self._database.run(record_unknown, number_, int(self._now()))
            raise refusal("prepay", number_, error) from error
        return await self._recording.submit(Prepaid(number_, prepay.prepay_id))


async def _send(adapter: PaymentAdapter, request: PrepayRequest) -> Prepay:
    """Byte-equal parameters each time. Not delivered: twice more. Outcome unknown: once more, which also finds out."""
    for delay in NOT_SENT_AGAIN:
        try:
            return await adapter.prepay(request)
        except NotSent:
            await asyncio.sleep(delay)
        except OutcomeUnknown as unknown:
            return await _once_more(adapter, request, unknown)
    return await adapter.prepay(request)


async def _once_more(adapter: PaymentAdapter, request: PrepayRequest, unknown: OutcomeUnknown) -> Prepay:
    """What the first call did stays unknown unless the second one says so: not reached is no answer to that."""
    try:
        return await adapter.prepay(request)
    except (NotSent, Throttled):
        raise unknown from None
