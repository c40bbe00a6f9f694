"""All services of one process, as the doors and the jobs get them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from adapters.base import Adapters
from models import Transaction
from models.database import Database
from models.engine import DatabaseUnavailable
from services.asking import UNSETTLED, Asking
from services.bills import Bills
from services.catalogue import Catalogue
from services.checkout import Checkout
from services.closing import Closing
from services.console.approvals import Approvals
from services.console.audit import Audit
from services.console.chain import Chain
from services.console.flags import Flags
from services.console.operators import Operators
from services.console.reading import Reading
from services.console.signin import SignIn
from services.heartbeat import Heartbeat
from services.login import Login
from services.notifications import Notifications, apply_waiting, waiting_messages
from services.orders import Orders
from services.ports import Clock
from services.reconciliation import Reconciliation
from services.refunds import Refunds
from services.resolving import Resolving
from services.shipping import Shipping
from services.watch import Watch

logger = logging.getLogger("pay.notifications")

UNFIT_SKEW = 240  # seconds (money.md F60): another minute, and nothing is believed, neither by WeChat nor by us


@dataclass(frozen=True, slots=True)
class Services:
    database: Database
    adapters: Adapters
    login: Login
    catalogue: Catalogue
    orders: Orders
    checkout: Checkout
    asking: Asking
    closing: Closing
    notifications: Notifications
    refunds: Refunds
    bills: Bills
    reconciliation: Reconciliation
    resolving: Resolving
    watch: Watch
    shipping: Shipping
    operators: Operators
    signin: SignIn
    approvals: Approvals
    audit: Audit
    chain: Chain
    flags: Flags
    heartbeat: Heartbeat
    reading: Reading
    now: Clock
    skew: Callable[[], int]  # seconds that our clock is ahead of WeChat Pay's, as far as that is known
    starting: list[str] = field(default_factory=list)  # why nobody is served yet
    leaving: list[str] = field(default_factory=list)  # filled when the server begins to stop

    async def readiness(self) -> list[str]:
        """Why no traffic should come here; empty if it may."""
        if self.starting:
            return list(self.starting)
        problems = list(self.leaving)
        if abs(skew := self.skew()) > UNFIT_SKEW:
            problems.append(f"our clock is {skew:+d} s from WeChat's")
        try:
            await self.database.answers()
        except DatabaseUnavailable:
            problems.append("the database does not answer")
        return problems

    async def apply_inbox(self) -> int:
        """One pass of the inbox job: apply what was acknowledged but could not be applied at once.

        One by one: a message that cannot be applied is here because it failed before, and must not keep others back.
        """
        done = 0
        for key in await self.database.read(waiting_messages, 100):
            try:
                done += await self.database.run(apply_waiting, key, int(self.now()))
            except DatabaseUnavailable:
                raise
            except Exception:
                logger.exception("notification still not applied key=%s", key)
        return done

    async def orphans(self) -> Mapping[str, int]:
        """Unsettled attempts whose adapter is not configured: nobody asks about their money."""
        return await self.database.read(_orphans, list(self.adapters))


def _orphans(configured: list[str]) -> dict[str, int]:
    """Among those that have a turn to be asked about: an index of few, however many were settled."""
    lost = Transaction.select().where(Transaction.ask_at > 0, Transaction.adapter.not_in(configured))
    names = [row.adapter for row in lost if row.state in UNSETTLED]
    return {name: names.count(name) for name in sorted(set(names))}
