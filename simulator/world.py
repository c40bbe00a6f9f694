"""The parts of one simulator, put together: who the merchant is, what happened, what time it is, what goes wrong.

It builds and holds; the rules are in the parts. It must not know HTTP servers.
"""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path

from simulator import merchant as merchants
from simulator import notices
from simulator.clock import Clock
from simulator.courier import Courier
from simulator.faults import Faults
from simulator.files import private_directory
from simulator.keys import Keys
from simulator.ledger import Delivery, Ledger, Order
from simulator.login import Logins
from simulator.notices import Changes, Notice
from simulator.records import Records
from simulator.trade import Trade
from simulator.wire import Seal


class World:
    """Everything the routes work on. With ``data`` it is kept there and found again."""

    def __init__(self, data: Path | None = None, time_scale: float = 1.0, allow_remote: bool = False) -> None:
        folder = private_directory(data) if data is not None else None
        self.merchant = merchants.load(folder / "merchant.json" if folder else None)
        self.ledger = Ledger(folder / "ledger.jsonl" if folder else None)
        self.clock = Clock(time_scale, self.ledger.clock_offset)
        self.trade = Trade(self.ledger, self.clock)
        self.keys = Keys(self.merchant)
        self.faults = Faults()
        self.records = Records(self.clock, self.merchant.secrets)
        self.logins = Logins(self.merchant, self.ledger, self.clock)
        self.courier = Courier(self.ledger, self.clock, self.faults, self.records, self._write, allow_remote)
        self._turns: Counter[str] = Counter()

    def turn(self, kind: str) -> int:
        """Counts up: what WeChat does "now and then" is done at every second or third turn, the same in each run."""
        self._turns[kind] += 1
        return self._turns[kind]

    def notify(self, order: Order) -> Delivery:
        """Tell the merchant that the order is paid, now and on the schedule."""
        delivery = Delivery(str(uuid.uuid4()), order.out_trade_no, order.api, order.notify_url, self.clock.now())
        self.courier.post(delivery)
        return delivery

    async def close(self) -> None:
        await self.courier.close()
        self.ledger.keep_clock(self.clock.offset)
        self.ledger.close()

    def _write(self, delivery: Delivery, seal: Seal) -> Notice:
        """Sign the notification of a delivery afresh, in the form of the API that made the order."""
        order = self.ledger.orders[delivery.out_trade_no]
        facts, now_and_then = notices.facts_of(order), self.turn(f"notice {order.api}") % 2 == 0
        if order.api == "v2":
            named = now_and_then and order.scheme != "MD5"
            return notices.v2_notice(facts, self.merchant.v2_api_key, order.scheme, seal, named)
        kind = seal.key or self.keys.for_notice(order.key_kind)
        changes = Changes(envelope={"sim_future_key": "ignore me"} if now_and_then else {})
        times = (self.clock.wire(), self.clock.now())
        sealed = Seal(seal.kind, seal.offset, seal.serial, kind)
        return notices.v3_notice(delivery.id, facts, self.merchant, self.keys, sealed, times, changes)
