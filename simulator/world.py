"""The parts of one simulator, put together: who the merchant is, what happened, what time it is, what goes wrong.

It builds and holds; the rules are in the parts. It must not know HTTP servers.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulator import merchant as merchants
from simulator import notices, pretence, refund_views
from simulator.agenda import Agenda
from simulator.billmaking import Making
from simulator.bills import Bills
from simulator.clock import Clock
from simulator.courier import Courier
from simulator.entities import Delivery, Order, Refund
from simulator.faults import REFUND_OUTCOMES, Faults
from simulator.files import private_directory
from simulator.keys import Keys
from simulator.ledger import Ledger
from simulator.links import Links
from simulator.login import Logins
from simulator.notices import Changes, Notice
from simulator.records import Records
from simulator.refunds import Refunds
from simulator.shipments import Shipments
from simulator.tokens import Tokens
from simulator.trade import Trade
from simulator.wire import Seal


class World:
    """Everything the routes work on. With ``data`` it is kept there and found again."""

    def __init__(self, data: Path | None = None, time_scale: float = 1.0, allow_remote: bool = False) -> None:
        folder = private_directory(data) if data is not None else None
        self._merchant_file = folder / "merchant.json" if folder else None
        self.merchant = merchants.load(self._merchant_file)
        self.ledger = Ledger(folder / "ledger.jsonl" if folder else None)
        self.clock = Clock(time_scale, self.ledger.clock_offset)
        self.agenda = Agenda(self.clock)
        self.trade = Trade(self.ledger, self.clock, self.agenda, self.notify)
        self.keys = Keys(self.merchant, self.ledger, self.clock)
        self.faults = Faults()
        self.records = Records(self.clock, self.merchant, self.ledger)
        self.logins = Logins(self.merchant, self.ledger, self.clock)
        self.tokens = Tokens(self.merchant, self.clock)
        self.shipments = Shipments(self.ledger, self.clock)
        self.courier = Courier(self.ledger, self.clock, self.faults, self.records, self._write, allow_remote)
        self.refunds = Refunds(self.ledger, self.clock, self.agenda, self._notify_refund)
        self.bills = Bills(self.ledger, self.clock, self.merchant.appid, self.merchant.mchid)
        self.making = Making(self.bills)
        self.links = Links(self.clock)
        self.secapi_url = ""  # known once it listens
        self.pretended = ""  # the fault whose pretence queries show at this moment
        self._turns: Counter[str] = Counter()

    def turn(self, kind: str) -> int:
        """Counts up: what WeChat does "now and then" is done at every second or third turn, the same in each run."""
        self._turns[kind] += 1
        return self._turns[kind]

    def change_keys(self, changed: dict[str, str | None]) -> None:
        """The merchant sets new API keys; the old ones die at once, also for notifications that are under way."""
        self.merchant.change_keys(changed)
        self.records.hide(self.merchant.secrets)
        if self._merchant_file is not None:
            merchants.keep(self._merchant_file, self.merchant)

    @contextmanager
    def under(self, fault: str) -> Iterator[None]:
        """While an operation is done with this fault: what queries pretend, what a new refund will come to."""
        self.pretended, self.refunds.forced = fault, REFUND_OUTCOMES.get(fault)
        try:
            yield
        finally:
            self.pretended, self.refunds.forced = "", None

    def shown_order(self, order: Order) -> Order:
        return pretence.order(order, self.pretended)

    def shown_refund(self, refund: Refund) -> Refund:
        return pretence.refund(refund, self.pretended)

    def notify(self, order: Order) -> Delivery:
        """Tell the merchant that the order is paid, now and on the schedule."""
        delivery = Delivery(str(uuid.uuid4()), order.out_trade_no, order.api, order.notify_url, self.clock.now())
        self.courier.post(delivery)
        return delivery

    async def run(self) -> None:
        """Everything that happens by time alone; ends by cancellation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.courier.run())
            group.create_task(self.agenda.run())

    def time_moved(self) -> None:
        """The clock was set on: what is due happens now."""
        self.agenda.settle()
        self.agenda.wake()
        self.courier.wake()

    async def close(self) -> None:
        await self.courier.close()
        self.ledger.keep_clock(self.clock.offset)
        self.ledger.close()

    def _notify_refund(self, refund: Refund) -> None:
        """In the form of the API that made the refund, to the address that it gave; without one, to nobody."""
        if refund.notify_url:
            self.courier.post(
                Delivery(
                    str(uuid.uuid4()),
                    refund.out_trade_no,
                    refund.api,
                    refund.notify_url,
                    self.clock.now(),
                    out_refund_no=refund.out_refund_no,
                    event=refund.state,
                )
            )

    def _write(self, delivery: Delivery, seal: Seal) -> Notice:
        """Sign the notification of a delivery afresh, in the form of the API that made the order."""
        order = self.ledger.orders[delivery.out_trade_no]
        if delivery.out_refund_no:
            return self._write_refund(delivery, order, seal)
        facts, now_and_then = notices.facts_of(order), self.turn(f"notice {order.api}") % 2 == 0
        if order.api == "v2":
            named = now_and_then and order.scheme != "MD5"
            return notices.v2_notice(facts, self.merchant.v2_api_key, order.scheme, seal, named)
        kind = seal.key or self.keys.notice_kind(order.key_kind)
        sealed = Seal(seal.kind, seal.offset, seal.serial, kind)
        changes = self._future() if now_and_then else notices.UNCHANGED
        return notices.v3_notice(delivery.id, facts, self.merchant, self.keys, sealed, self._times(), changes)

    def _write_refund(self, delivery: Delivery, order: Order, seal: Seal) -> Notice:
        refund = self.ledger.refunds[delivery.out_refund_no]
        if delivery.api == "v2":
            return refund_views.v2_notice(refund, order, delivery.event, self.merchant.v2_api_key, seal)
        kind = seal.key or self.keys.notice_kind(refund.key_kind)
        sealed = Seal(seal.kind, seal.offset, seal.serial, kind)
        changes = self._future() if self.turn("notice refund") % 2 == 0 else notices.UNCHANGED
        event = refund_views.v3_event(refund, order, delivery.event)
        return notices.v3_envelope(delivery.id, event, self.merchant, self.keys, sealed, self._times(), changes)

    def _times(self) -> tuple[int, float]:
        return self.clock.wire(), self.clock.now()

    @staticmethod
    def _future() -> Changes:
        """An unknown key in the envelope: WeChat adds fields."""
        return Changes(envelope={"sim_future_key": "ignore me"})
