"""What will happen by time alone, in virtual time: each thing once, in the order of its moment. It knows no trade."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from simulator.clock import Clock

_MOST_SLEEP = 3600.0


class Agenda:
    """``settle`` before anything is looked at; ``run`` sees to it when nobody does; ``wake`` it when time was moved."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._woken = asyncio.Event()
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()

    def at(self, moment: float, act: Callable[[float], None]) -> None:
        """Do this at that time; it is handed the moment."""
        heapq.heappush(self._due, (moment, next(self._order), act))
        self.wake()

    def settle(self) -> None:
        """Let everything happen whose time has come."""
        while self._due and self._due[0][0] <= self._clock.now():
            moment, _, act = heapq.heappop(self._due)
            act(moment)

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Settle what is due, sleep until the next is; ends by cancellation."""
        while True:
            self._woken.clear()
            self.settle()
            pause = self._clock.real_seconds_until(self._due[0][0]) if self._due else _MOST_SLEEP
            try:
                async with asyncio.timeout(min(pause, _MOST_SLEEP)):
                    await self._woken.wait()
            except TimeoutError:
                continue
