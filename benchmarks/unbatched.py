"""The server with one thing changed: each notification is committed by itself, by whoever brought it.

    python -m benchmarks.unbatched        (the settings are the server's)

For one figure: what a lone connection pays for the batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from adapters.transport import Transport
from bootstrap import build, configure_logging, find_merchant, prepare_tables
from jobs.runner import Runner
from models.batcher import Batcher
from server import listen
from services.notifications import Notifications, Received
from settings import load
from supervisor import told_to_stop


class OneByOne(Batcher[Received, None]):
    """No queue, no task: the caller does the work."""

    def __init__(self, work: Callable[[list[Received]], Awaitable[list[None]]]) -> None:
        super().__init__(work)

    async def submit(self, item: Received) -> None:
        await self._work([item])


class Unbatched(Notifications):
    def __init__(self, whole: Notifications) -> None:
        super().__init__(whole._database, whole._adapters, whole._now)
        self._batcher = OneByOne(self._store)


async def main() -> None:
    settings, merchant = load()
    configure_logging(settings.log_level)
    transport = Transport()
    program = build(settings, await find_merchant(settings, merchant, transport), transport)
    direct = replace(program.services, notifications=Unbatched(program.services.notifications))
    program = replace(program, services=direct)
    await asyncio.to_thread(prepare_tables, program)
    runner = Runner(program.services)
    await runner.start()
    server = listen(program)
    await told_to_stop()
    server.stop()
    await runner.stop(within=5)
    await program.close()


if __name__ == "__main__":
    asyncio.run(main())
