"""Plays many histories, on as many processors as there are, each with a simulator of its own.

    python -m tests.faults.soak                       5,000 histories from a random seed
    SEED=17 HISTORIES=1 python -m tests.faults.soak   the one history of seed 17
    python -m tests.faults.soak FILE...               histories that are kept in files

A history that fails is cut down to what makes it fail, and printed with its seed; the exit status is then 1.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.history import History, generate, shrink
from tests.faults.play import Play
from tests.faults.stage import Stage

CHUNK = 125  # histories for one simulator: its ledger only grows
ENOUGH = 3  # failures of one chunk that are worth the time to cut them down


@dataclass
class Result:
    played: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        self.played += other.played
        self.counts += other.counts
        self.failures += other.failures


class Company:
    """Plays histories one after another; after one that failed, on a new stage: what it left undone would disturb."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages = 0
        self._stage: Stage | None = None
        self.result = Result()

    async def play(self, name: str, history: History) -> None:
        self.result.played += 1
        words = await self._failure(history)
        if words and len(self.result.failures) < ENOUGH:
            self.result.failures.append(await self._told(name, history, words))

    async def _failure(self, history: History) -> str:
        """Why it fails, in words; empty if it holds."""
        if self._stage is None:
            self._stages += 1
            folder = self._folder / str(self._stages)
            folder.mkdir()
            self._stage = Stage(folder)
        try:
            self.result.counts.update(await Play(self._stage, history).run())
        except Exception as error:
            await self.leave()
            return f"{type(error).__name__}: {error}"
        return ""

    async def _told(self, name: str, history: History, words: str) -> str:
        seen = words

        async def fails(shorter: History) -> bool:
            nonlocal seen
            seen = await self._failure(shorter) or seen
            return seen == "" or self._stage is None

        if await fails(history):
            history = await shrink(history, fails)
        else:
            words += " (but not when it was played again)"
        return "\n".join([f"# {name}", f"# {words}", f"# cut down: {seen}", *history])

    async def leave(self) -> None:
        if self._stage is not None:
            await self._stage.close()
            self._stage = None


async def _play(named: list[tuple[str, History]]) -> Result:
    with tempfile.TemporaryDirectory(prefix="histories-") as folder:
        company = Company(Path(folder))
        for name, history in sorted(named, key=lambda item: item[1]):  # those that open alike together
            await company.play(name, history)
        await company.leave()
        return company.result


def play(named: list[tuple[str, History]]) -> Result:
    return asyncio.run(_play(named))


def play_all(named: list[tuple[str, History]]) -> Result:
    """On every processor; prints how far it is, and what fails when it does."""
    chunks = [named[start : start + CHUNK] for start in range(0, len(named), CHUNK)]
    total = Result()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as workers:
        for done in as_completed([workers.submit(play, chunk) for chunk in chunks]):
            total.add(done.result())
            print(f"{total.played} of {len(named)} histories, {len(total.failures)} failed", flush=True)
            print("".join(f"{failure}\n" for failure in done.result().failures), end="", flush=True)
    return total


def read(path: Path) -> History:
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def wanted(files: list[str]) -> list[tuple[str, History]]:
    """From the files, or from SEED and HISTORIES of the environment."""
    if files:
        return [(Path(file).name, read(Path(file))) for file in files]
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**9))
    count = int(os.environ.get("HISTORIES") or 5000)
    print(f"SEED={seed} HISTORIES={count}", flush=True)
    return [(f"SEED={number} HISTORIES=1", generate(number)) for number in range(seed, seed + count)]


def report(total: Result, seconds: float) -> Iterable[str]:
    yield f"{total.played} histories in {seconds:.0f} s, {1000 * seconds / max(1, total.played):.0f} ms each"
    yield from (f"  {name}: {count}" for name, count in sorted(total.counts.items()))


def main(files: list[str]) -> int:
    began = time.monotonic()
    total = play_all(wanted(files))
    print("\n".join(report(total, time.monotonic() - began)))
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
