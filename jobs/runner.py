"""Runs every job again and again until told to stop. A job that fails is logged and comes again at its next turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from jobs import ask, close, inbox, keys
from services.bundle import Services
from services.errors import DatabaseUnavailable, Refused

logger = logging.getLogger("pay.jobs")

Job = Callable[[Services], Awaitable[int]]
SCHEDULE: tuple[tuple[str, Job, float], ...] = (
    ("ask", ask.run_once, 2.0),
    ("close", close.run_once, 2.0),
    ("inbox", inbox.run_once, 5.0),
    ("keys", keys.run_once, 6 * 3600.0),
)


class Runner:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._repeat(*row), name=row[0]) for row in SCHEDULE]

    async def stop(self) -> None:
        """Let the passes under way finish; begin no new one."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _repeat(self, name: str, job: Job, pause: float) -> None:
        while not self._stopping.is_set():
            await self._once(name, job)
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
            except TimeoutError:
                continue

    async def _once(self, name: str, job: Job) -> None:
        try:
            if done := await job(self._services):
                logger.info("job=%s done=%d", name, done)
        except (DatabaseUnavailable, Refused) as error:
            logger.warning("job=%s put off: %s", name, type(error).__name__)
        except Exception:
            logger.exception("job=%s failed", name)
