"""What arrives while a commit is under way is done together in the next one. A lone item waits for a turn of the loop.

Knows nothing of what is done: ``work`` takes a list of items and gives a list of results, in order. A result that is an
exception is raised for its item.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from models.engine import Contended, DatabaseUnavailable

logger = logging.getLogger("pay.database")

Item = TypeVar("Item")
Result = TypeVar("Result")
Told = Callable[[Any, Exception | None], None]  # the item's result, or what was raised for it


class Entry(Generic[Item]):
    """An item, who is to be told what became of it, and until when."""

    __slots__ = ("_told", "begun", "item", "until")

    def __init__(self, item: Item, told: Told, until: float) -> None:
        self.item = item
        self.until = until
        self.begun = False
        self._told: Told | None = told  # let go once it was: it may hold a whole request

    @property
    def open(self) -> bool:
        return self._told is not None

    def leave(self) -> None:
        """Nobody waits any more."""
        self._told = None

    def settle(self, result: Any = None, error: Exception | None = None) -> None:
        """Once: who was told already hears nothing more."""
        told, self._told = self._told, None
        if told is not None:
            try:
                told(result, error)
            except Exception:  # the others want to hear as well
                logger.exception("whoever waited could not be told")


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
        to_the_end: bool = False,
        alone_for: float | None = None,
    ) -> None:
        """``most`` items at once; ``queue`` may wait, each so many seconds of ``patience`` until it is begun or, with
        ``to_the_end``, until it is done. After ``alone_for`` seconds a batch holds nobody else up, on a locked row,
        say: the next one begins beside it.
        """
        self._work = work
        self._most = most
        self._limit = queue
        self._patience = patience
        self._to_the_end = to_the_end
        self._alone_for = alone_for
        self._waiting: deque[Entry[Item]] = deque()
        self._pressed: deque[Entry[Item]] = deque()  # who has only so much patience, in the order of their time
        self._timer: asyncio.TimerHandle | None = None  # for the first of them
        self._task: asyncio.Task[None] | None = None  # takes what waits
        self._slow: set[asyncio.Task[None]] = set()  # have been at one batch for long, and take no other

    async def submit(self, item: Item) -> Result:
        """Raises DatabaseUnavailable if too much waits already, or its turn did not come in time; it is then not done.
        TimeoutError if it was not done in time, and may be, later. Else what ``work`` raised for this very item."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        entry = self.hand_in(item, partial(_answer, future))
        try:
            return await future
        finally:
            entry.leave()  # who goes away before its turn does not want it any more

    def hand_in(self, item: Item, told: Told) -> Entry[Item]:
        """``submit`` for a caller that is called back. Raises DatabaseUnavailable if too much waits already."""
        if len(self._waiting) >= self._limit:
            raise DatabaseUnavailable("too much is waiting for the database")
        entry = Entry(item, told, 0.0)
        if self._patience is not None:
            entry.until = asyncio.get_running_loop().time() + self._patience
            self._pressed.append(entry)
            if self._timer is None:
                self._watch()
        self._waiting.append(entry)
        self._begin()
        return entry

    async def drain(self) -> None:
        """Wait until all that was accepted is done."""
        while under_way := {*self._slow, *([self._task] if self._task else [])}:
            await asyncio.wait(under_way)

    def _begin(self) -> None:
        if self._waiting and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _watch(self) -> None:
        """One timer for all: who came first runs out of patience first."""
        loop = asyncio.get_running_loop()
        while self._pressed and (not self._is_pressed(self._pressed[0]) or self._pressed[0].until <= loop.time()):
            entry = self._pressed.popleft()
            if self._is_pressed(entry):
                entry.settle(error=self._too_late())
        self._timer = loop.call_at(self._pressed[0].until, self._watch) if self._pressed else None

    def _is_pressed(self, entry: Entry[Item]) -> bool:
        return entry.open and (self._to_the_end or not entry.begun)

    def _too_late(self) -> Exception:
        if self._to_the_end:
            return TimeoutError(f"not done within {self._patience:.0f} s")
        return DatabaseUnavailable(f"no turn came within {self._patience:.0f} s")

    async def _run(self) -> None:
        me = asyncio.current_task()
        try:
            while self._waiting and self._task is me:
                await self._gathered()
                # Who went away before this was told nothing, or that nothing was done. What has begun goes on.
                taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                if batch := [entry for entry in taken if entry.open]:
                    for entry in batch:
                        entry.begun = True
                    await self._turn(batch)
                self._forget()
        finally:
            if self._task is me:
                self._task = None

    async def _gathered(self) -> None:
        """Until a turn of the loop brings nothing more. Who was just answered often comes again at once; what is done
        beside a busy loop has to ask for the interpreter at each step, which costs both of them more than the wait."""
        seen = 0
        while seen < len(self._waiting) < self._most:
            seen = len(self._waiting)
            await asyncio.sleep(0)

    def _forget(self) -> None:
        """Those at the head who were told, with their items; without any there is nothing to watch."""
        while self._pressed and not self._is_pressed(self._pressed[0]):
            self._pressed.popleft()
        if self._timer and not self._pressed:
            self._timer.cancel()
            self._timer = None

    async def _turn(self, batch: list[Entry[Item]]) -> None:
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

    async def _do(self, batch: list[Entry[Item]]) -> None:
        try:
            results = await self._work([entry.item for entry in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results of {len(batch)} items")
        except Exception as error:
            away = isinstance(error, DatabaseUnavailable) and not isinstance(error, Contended)
            if len(batch) > 1 and not away:
                await asyncio.gather(*(self._do([entry]) for entry in batch))  # none waits for the one that is to blame
                return
            for entry in batch:
                entry.settle(error=error)
            return
        for entry, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                entry.settle(error=result)
            else:
                entry.settle(result)


def _answer(future: asyncio.Future[Result], result: Result, error: Exception | None) -> None:
    """Nobody may wait for it any more."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
