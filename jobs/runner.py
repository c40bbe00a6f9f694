"""Runs every job again and again until told to stop. A job that fails is logged and comes again at its next turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from jobs import ask, bill, close, heartbeat, hint, inbox, keys, money, overdue, refund, ship
from services.bundle import Services
from services.errors import DatabaseUnavailable, Refused
from services.metrics import PASSES

logger = logging.getLogger("pay.jobs")

Job = Callable[[Services], Awaitable[int]]
SOON = 60.0  # seconds until a pass that failed is tried again, if its turn is later than that
Schedule = tuple[tuple[str, Job, float], ...]
OWN: Schedule = (  # every process holds its own keys, and tells of itself
    ("keys", keys.run_once, 6 * 3600.0),
    ("heartbeat", heartbeat.run_once, 15.0),
)
SHARED: Schedule = (  # claim their work in the tables: one process is enough, and any number may run them
    ("ask", ask.run_once, 2.0),
    ("close", close.run_once, 2.0),
    ("inbox", inbox.run_once, 5.0),
    ("refund", refund.run_once, 2.0),
    ("ship", ship.run_once, 2.0),
    ("overdue", overdue.run_once, 60.0),
    ("hint", hint.run_once, 5.0),
    ("bill", bill.run_once, 600.0),
    ("money", money.run_once, 60.0),
)


class Runner:
    def __init__(self, services: Services, *, shared: bool = True) -> None:
        self._services = services
        self._schedule = OWN + SHARED if shared else OWN
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Every job once from now on. The keys come first, and before any traffic: without them nothing verifies."""
        for name, _, _ in self._schedule:
            PASSES.labels(name)  # a job that never went well is told of, too
        fetched = await self._once(*OWN[0])
        for name, job, pause in self._schedule:
            delay = (pause if fetched else SOON) if job is keys.run_once else 0
            self._tasks.append(asyncio.create_task(self._repeat(name, job, pause, delay), name=name))

    async def stop(self, within: float) -> list[str]:
        """Begin no new pass, let those under way finish, cut off what takes longer than ``within`` seconds.

        Returns the names of the jobs that were cut off: what they had claimed comes again at its next turn.
        """
        self._stopping.set()
        if not self._tasks:
            return []
        _, late = await asyncio.wait(self._tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return sorted(task.get_name() for task in late)

    async def _repeat(self, name: str, job: Job, pause: float, delay: float) -> None:
        while not await self._told_to_stop(delay):
            well = await self._once(name, job, pause)
            delay = pause if well else min(pause, SOON)

    async def _told_to_stop(self, within: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), within)
        except TimeoutError:
            return False
        return True

    async def _once(self, name: str, job: Job, pause: float) -> bool:
        """Whether the pass went well."""
        well = await self._pass(name, job)
        self._services.heartbeat.ran(name, pause, well=well)
        if well:
            PASSES.labels(name).set(self._services.now())
        return well

    async def _pass(self, name: str, job: Job) -> bool:
        try:
            if done := await job(self._services):
                logger.info("job=%s done=%d", name, done)
        except (DatabaseUnavailable, Refused) as error:
            logger.warning("job=%s put off: %s", name, error)
        except Exception:
            logger.exception("job=%s failed", name)
        else:
            return True
        return False
