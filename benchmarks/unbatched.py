"""The server with one thing changed: each notification, and on SQLite each other unit, is committed by itself.

    python -m benchmarks.unbatched        (the settings are the server's)

For one figure: what a lone connection pays for the batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from adapters.transport import Transport
from bootstrap import build, configure_logging, find_merchant, prepare_tables
from jobs.runner import Runner
from models.batcher import Batcher, Entry, Told
from server import listen
from services.notifications import Notifications
from settings import load
from supervisor import told_to_stop


class OneByOne(Batcher[Any, Any]):
    """No queue: the caller does the work or, where it is called back, a task of its own."""

    def __init__(self, work: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        super().__init__(work)

    async def submit(self, item: Any) -> Any:
        [done] = await self._work([item])
        return done

    def hand_in(self, item: Any, told: Told) -> Entry[Any]:
        entry = Entry(item, told, 0.0)
        task = asyncio.create_task(self._do([entry]))
        self._slow.add(task)  # kept, as the loop does not
        task.add_done_callback(self._slow.discard)
        return entry


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
    direct.database._writing = OneByOne(direct.database._write)
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
