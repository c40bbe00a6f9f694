"""What arrives while a commit is under way is done together in the next one. A lone item waits for nobody.

Knows nothing of what is done: ``work`` takes a list of items and gives a list of results, in order. A result that is an
exception is raised for its item.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from models.engine import Contended, DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """``submit`` answers after the commit that holds its item. One bad item hurts nobody else: a batch that fails is
    done again one by one, and only the item that fails by itself gets the exception. Unless the database is away."""

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        most: int = 100,
        queue: int = 2000,
        patience: float | None = None,
        alone_for: float | None = None,
    ) -> None:
        """``most`` items at once; ``queue`` may wait, each so many seconds of ``patience``. After ``alone_for`` seconds
        a batch holds nobody else up, on a locked row, say: the next one begins beside it.
        """
        self._work = work
        self._most = most
        self._limit = queue
        self._patience = patience
        self._alone_for = alone_for
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None  # takes what waits
        self._slow: set[asyncio.Task[None]] = set()  # have been at one batch for long, and take no other

    async def submit(self, item: Item) -> Result:
        """Raises DatabaseUnavailable if too much waits already, or its turn did not come in time; it is then not done.
        Else what ``work`` raised for this very item."""
        if len(self._waiting) >= self._limit:
            raise DatabaseUnavailable("too much is waiting for the database")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        future.add_done_callback(_heard)
        self._waiting.append((item, future))
        self._begin()
        if self._patience is None:
            return await future
        timer = loop.call_later(self._patience, self._give_up, item, future)
        try:
            return await future
        finally:
            timer.cancel()

    async def drain(self) -> None:
        """Wait until all that was accepted is done."""
        while under_way := {*self._slow, *([self._task] if self._task else [])}:
            await asyncio.wait(under_way)

    def _begin(self) -> None:
        if self._waiting and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _give_up(self, item: Item, future: asyncio.Future[Result]) -> None:
        if (item, future) in self._waiting:
            _settle(future, error=DatabaseUnavailable(f"no turn came within {self._patience:.0f} s"))

    async def _run(self) -> None:
        me = asyncio.current_task()
        try:
            while self._waiting and self._task is me:
                # Who went away while it waited was told nothing, or that nothing was done. What has begun goes on.
                taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                if batch := [pair for pair in taken if not pair[1].done()]:
                    await self._turn(batch)
        finally:
            if self._task is me:
                self._task = None

    async def _turn(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if self._alone_for is None:
            return await self._do(batch)
        timer = asyncio.get_running_loop().call_later(self._alone_for, self._make_way)
        try:
            await self._do(batch)
        finally:
            timer.cancel()

    def _make_way(self) -> None:
        if slow := self._task:
            self._slow.add(slow)
            slow.add_done_callback(self._slow.discard)
        self._task = None
        self._begin()

    async def _do(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._work([item for item, _ in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results of {len(batch)} items")
        except Exception as error:
            away = isinstance(error, DatabaseUnavailable) and not isinstance(error, Contended)
            if len(batch) > 1 and not away:
                await asyncio.gather(*(self._do([pair]) for pair in batch))  # none waits for the one that is to blame
                return
            for _, future in batch:
                _settle(future, error=error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                _settle(future, error=result)
            else:
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
