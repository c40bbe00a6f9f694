"""The steps of an order's life as they are seen on the wires, and a trap that holds a process at one of them.

No step is written down here: a life is played once and what crosses the wires is recorded. A process is then held
before a message leaves it or before the answer comes in, which is also between any two of its own steps: after a row is
before the next one. Knows nothing of what the messages mean.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

from tests.crash.proxy import Watch, is_write

HELD_AT_MOST = 4.5  # seconds: a server goes on without an answer after five


@dataclass(frozen=True)
class Step:
    """The ``nth`` message of its name on its wire since the life began: "before" it arrives, "after" its effect."""

    wire: str  # database, gateway, door
    name: str
    nth: int
    moment: str = "before"

    def __str__(self) -> str:
        return f"{self.moment} {self.name} ({self.wire}, {self.nth})"

    @property
    def is_row(self) -> bool:
        return self.wire == "database" and not self.name.startswith("COMMIT")

    @property
    def moments(self) -> list[Step]:
        """Where to kill: a row that is not committed is undone either way."""
        return [self] if self.is_row else [self, Step(self.wire, self.name, self.nth, "after")]

    @property
    def is_notification(self) -> bool:
        return self.name.startswith("POST /notify/")


class Trap:
    """Watches every wire of one process. Only one life may be on the move at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self.held: list[tuple[Step, float]] = []
        self.set(None)

    def set(self, step: Step | None) -> None:
        """A life begins; hold it at this step. Without one: only record."""
        with self._lock:
            self._step, self._crossed, self.seen = step, Counter[tuple[str, str]](), list[Step]()
            self.reached = threading.Event()

    def release(self) -> list[Step]:
        """The process is dead: cut its wires. Those of the held steps at which it still was."""
        now = time.monotonic()
        met = [step for step, since in self.held if now - since < HELD_AT_MOST]
        self.held = []
        self._gone.set()
        self._gone = threading.Event()
        return met

    def on(self, wire: str) -> Watch:
        def watch(moment: str, name: str) -> int | None:
            if not _counts(wire, name):
                return None
            with self._lock:
                if moment == "before":
                    self._crossed[wire, name] += 1
                step = Step(wire, name, self._crossed[wire, name], moment)
                if moment == "before":
                    self.seen.append(step)
                if step != self._step:
                    return None
                self._step, gone = None, self._gone
                self.held.append((step, time.monotonic()))
            self.reached.set()
            gone.wait()
            return 0

        return watch


def _counts(wire: str, name: str) -> bool:
    """What changes something. Looks are no steps."""
    return {"database": is_write(name), "gateway": True, "door": name.startswith("POST ")}[wire]
