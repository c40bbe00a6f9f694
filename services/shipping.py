"""Shipping information: the merchant's wish is stored first, then WeChat is told, as often as it takes.

For merchants whose money WeChat holds until it knows what was shipped (mini-program.md 4). What was sent and not
answered is looked up before it is sent again: an order may be corrected only once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from adapters.base import Check
from adapters.delivery import ShippingProvider
from adapters.errors import Conflict, NotReady, PaymentError, Rejected
from models.database import Database
from services import overdue, shipments
from services.access_tokens import AccessTokens
from services.errors import ProviderRefused, Refused
from services.gateway import refusal
from services.metrics import SHIPMENTS
from services.ports import Clock
from services.shipments import Task, Wanted

logger = logging.getLogger("pay.shipping")

AT_ONCE = 8  # claimed together and sent together: all are answered long before the next turn of one of them


class Shipping:
    def __init__(
        self, database: Database, provider: ShippingProvider, tokens: AccessTokens, within_hours: int, now: Clock
    ) -> None:
        """``within_hours`` after its payment an order must be reported as shipped; 0: this merchant need not."""
        self._database = database
        self._provider = provider
        self._tokens = tokens
        self._within = within_hours * 3600
        self._now = now
        self._looked = 0  # what was paid up to then has been looked at

    async def request(self, wanted: Wanted) -> tuple[dict[str, Any], bool]:
        """The shipment, and whether it is new. Raises NotFound, Invalid, Conflicting.

        The answer is what is known when WeChat was asked once, if it could be asked already: "pending" is no failure.
        """
        shipments.check(wanted)
        shipment_no, new = await self._database.run(shipments.request, wanted, int(self._now()))
        if new:
            await self._send_due(shipment_no, 1)
        return await self._database.read(shipments.read, wanted.order_no), new

    async def read(self, order_no: str) -> dict[str, Any]:
        """The order's last shipment. Raises NotFound("order_not_found" | "shipment_not_found")."""
        return await self._database.read(shipments.read, order_no)

    async def run_due(self) -> int:
        """One pass of the shipping job; returns how many shipments were carried on."""
        return await self._send_due(None, AT_ONCE)

    async def alarm(self, limit: int = 500) -> int:
        """One pass of the alarm: paid orders that nobody reported in time are put before a person, once."""
        if not self._within:
            return 0
        until = int(self._now()) - self._within
        told = 0
        for part in overdue.parts(self._looked, until):
            while found := await self._database.read(overdue.find, part, limit):
                await self._database.run(overdue.record, found, self._within, int(self._now()))
                SHIPMENTS.labels("overdue").inc(len(found))
                told += len(found)
        self._looked = until
        return told

    async def self_check(self) -> Check:
        """For the doctor: does WeChat want it of this mini-program? Fails if that is not known and an alarm is set."""
        name = "shipping information"
        try:
            must = await self._tokens.call(self._provider.must_ship)
        except (PaymentError, Refused) as error:
            return Check(name, not self._within, f"WeChat does not say whether it is wanted: {error}")
        if must and not self._within:
            return Check(name, True, "WeChat wants it of this mini-program; SHIPPING_WITHIN_HOURS sets an alarm")
        return Check(name, True, "WeChat wants it of this mini-program" if must else "WeChat does not want it")

    # --- one shipment, carried on ---

    async def _send_due(self, shipment_no: str | None, limit: int) -> int:
        """Nothing is claimed without a token at hand: what cannot be sent keeps its turn."""
        now = int(self._now())
        if not await self._database.read(shipments.due, shipment_no, now, limit):
            return 0
        try:
            await self._tokens.current()
        except Refused as error:
            level = logging.WARNING if isinstance(error, ProviderRefused) else logging.INFO
            logger.log(level, "nothing shipped without an access token: %s", error)
            return 0
        tasks = await self._database.run(shipments.claim, shipment_no, now, limit)
        await asyncio.gather(*(self._carry_on(task) for task in tasks))
        return len(tasks)

    async def _carry_on(self, task: Task) -> None:
        now = int(self._now())
        try:
            outcome, words = await self._sent(task)
        except (PaymentError, Refused) as error:
            self._count(task, error)
            absent = isinstance(error, NotReady)
            outcome = await self._database.run(shipments.record_again, task.shipment_no, absent, str(error), now)
        else:
            await self._database.run(shipments.record, task.shipment_no, outcome, words, now)
        SHIPMENTS.labels(outcome.lower()).inc()

    async def _sent(self, task: Task) -> tuple[str, str]:
        """UPLOADED or REFUSED, and why. Raises PaymentError or Refused while that is not known."""
        if task.state != "REQUESTED" and await self._is_there(task):
            return "UPLOADED", "found there"
        try:
            await self._tokens.call(lambda token: self._provider.upload(token, task.shipment))
        except Conflict as error:
            self._count(task, error)
            return ("UPLOADED", "found there") if await self._is_there(task) else ("REFUSED", str(error))
        except Rejected as error:
            self._count(task, error)
            return "REFUSED", str(error)
        return "UPLOADED", ""

    async def _is_there(self, task: Task) -> bool:
        number = task.shipment.provider_transaction_id
        there = await self._tokens.call(lambda token: self._provider.shipped(token, number))
        return shipments.same(there, task.shipment)

    def _count(self, task: Task, error: PaymentError | Refused) -> None:
        if isinstance(error, PaymentError):
            refusal("ship", task.shipment_no, error)
