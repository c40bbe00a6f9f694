"""What this process has to tell now and then: when its jobs last ran, and which notifications it refused.

It is counted in memory and written a few times a minute, so that a flood of forged messages costs the database nothing.
Nothing of a refused message is kept. What was counted since the last beat is lost with a killed process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from models import JobRun, Refusal
from models.database import Database
from models.statements import insert_new
from services.ports import Clock

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Ran:
    at: int  # epoch seconds
    every: int  # seconds until the next one
    well: bool


class Heartbeat:
    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now
        self._ran: dict[str, Ran] = {}
        self._refused: Counter[tuple[int, str, str]] = Counter()

    def ran(self, job: str, every: float, *, well: bool) -> None:
        """A pass of that job has ended; there is one every so many seconds."""
        self._ran[job] = Ran(int(self._now()), int(every), well)

    def refused(self, adapter: str, reason: str) -> None:
        """A notification was not accepted. ``reason`` is one of our own few words, never the sender's."""
        now = int(self._now())
        self._refused[now - now % HOUR, adapter, reason[:64]] += 1

    async def beat(self) -> None:
        """Write down what is new. What could not be written is kept for the next beat."""
        ran, refused = self._ran, self._refused
        if not ran and not refused:
            return
        self._ran, self._refused = {}, Counter()
        try:
            await self._database.run(_write, ran, refused)
        except BaseException:
            self._ran = {**ran, **self._ran}
            self._refused += refused
            raise


def _write(ran: dict[str, Ran], refused: Counter[tuple[int, str, str]]) -> None:
    runs = sorted(ran.items())
    insert_new(JobRun, [{"name": name, "every": run.every, "ran_at": run.at} for name, run in runs], "name")
    for name, run in runs:
        told = {"every": run.every, "ran_at": run.at, **({"well_at": run.at} if run.well else {})}
        JobRun.update(told).where(JobRun.name == name).execute()
    rows = {f"{hour} {adapter} {reason}": (hour, adapter, reason) for hour, adapter, reason in sorted(refused)}
    new = [
        {"slot": slot, "hour": hour, "adapter": adapter, "reason": reason, "times": 0}
        for slot, (hour, adapter, reason) in rows.items()
    ]
    insert_new(Refusal, new, "slot")
    for slot, key in rows.items():
        Refusal.update(times=Refusal.times + refused[key]).where(Refusal.slot == slot).execute()
