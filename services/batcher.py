"""What arrives while a commit is under way is done together in the next one. A lone item waits for nobody.

Knows nothing of what is done: ``work`` takes a list of items and gives a list of results, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.errors import TryLater

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """``submit`` answers after the commit that holds its item. One bad item hurts nobody else: a batch that fails is
    done again one by one, and only the item that fails by itself gets the exception."""

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[list[Result]]],
        *,
        most: int = 100,
        queue: int = 2000,
        nobodys_fault: tuple[type[Exception], ...] = (),
    ) -> None:
        """``nobodys_fault``: errors that no single item can be blamed for; trying one by one would only take longer."""
        self._work = work
        self._nobodys_fault = nobodys_fault
        self._most = most
        self._limit = queue
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Raises TryLater if too much waits already, else what ``work`` raised for this very item."""
        if len(self._waiting) >= self._limit:
            raise TryLater("busy")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_heard)
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        # The batch goes on when the caller has gone away: that cancels its own wait, and not the work.
        return await future

    async def drain(self) -> None:
        """Wait until all that was accepted is done."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                await self._do(batch)
        finally:
            self._task = None

    async def _do(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._work([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1 or isinstance(error, self._nobodys_fault):
                for _, future in batch:
                    _settle(future, error=error)
                return
            for pair in batch:
                await self._do([pair])
            return
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result)


def _heard(future: asyncio.Future[Result]) -> None:
    """Nobody may wait for it any more; asyncio would take that for a mistake, and shout."""
    if not future.cancelled():
        future.exception()


def _settle(future: asyncio.Future[Result], result: Result | None = None, error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)  # type: ignore[arg-type]  # without an error there is one, which may be None itself
    else:
        future.set_exception(error)
