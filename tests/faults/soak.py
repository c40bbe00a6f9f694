"""Plays many histories, in as many processes as there are processors, each with a simulator of its own.

    python -m tests.faults.soak                            50,000 histories from a random seed
    SEED=17 HISTORIES=250 python -m tests.faults.soak      the 250 of seed 17
    PROCESSES=1 python -m tests.faults.soak                one after another
    python -m tests.faults.soak FILE...                    histories that are kept in files

Hypothesis draws them, 250 from a seed. One that fails is cut down to what makes it fail, printed, and kept in
``var/histories``; the rest of its seed's are then not played, and the exit status is 1.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.faults.history import OPENINGS, History, histories
from tests.faults.play import Play
from tests.faults.stage import Stage
from tests.processes import ROOT

EACH = 250  # histories of one seed
FAILED = ROOT / "var" / "histories"
MEMORY = Path("/dev/shm")


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

    def __init__(self) -> None:
        # A commit that waits for a disk is the same commit: what a disk does is not what histories are about.
        self._folder = Path(tempfile.mkdtemp(prefix="histories-", dir=MEMORY if MEMORY.is_dir() else None))
        self._runner = asyncio.Runner()
        self._stage: Stage | None = None
        self.failed: tuple[History, str] | None = None  # the last one, and why
        self.result = Result()

    def __enter__(self) -> Company:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._leave())
        self._runner.close()
        shutil.rmtree(self._folder)

    def play(self, history: History) -> None:
        """Raises what is wrong with it."""
        self.result.played += self.failed is None  # what follows is only to cut it down
        try:
            self.result.counts.update(self._runner.run(self._play(history)))
        except Exception as error:
            self.failed = (history, f"{type(error).__name__}: {error}")
            self._runner.run(self._leave())
            raise

    def search(self, number: int, count: int) -> None:
        """Histories of one seed, until one fails and cannot be made shorter."""

        @seed(number)
        @settings(max_examples=count, database=None, deadline=None, report_multiple_bugs=False, print_blob=False,
                  phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(histories(OPENINGS[number % len(OPENINGS)]))
        def holds(history: History) -> None:
            self.play(history)

        holds()

    async def _play(self, history: History) -> dict[str, int]:
        if self._stage is None:
            self._stage = Stage(Path(tempfile.mkdtemp(dir=self._folder)))
        return await Play(self._stage, history).run()

    async def _leave(self) -> None:
        if self._stage is not None:
            await self._stage.close()
            self._stage = None


def play_seed(number: int, count: int) -> Result:
    """All histories of a seed, in this process."""
    with Company() as company:
        try:
            company.search(number, count)
        except Exception as error:
            company.result.failures.append(_told(f"SEED={number} HISTORIES={count}", company, error))
        return company.result


def play_files(files: list[str]) -> Result:
    with Company() as company:
        for file in files:
            try:
                company.play(read(Path(file)))
            except Exception as error:
                company.result.failures.append(_told(Path(file).name, company, error))
        return company.result


def _told(name: str, company: Company, error: Exception) -> str:
    """The last history that failed, as text to be kept. Hypothesis ends with the shortest; if it held then, says so."""
    assert company.failed is not None, error
    history, words = company.failed
    notes = [name, *words.splitlines()] + ([] if str(error) in words else str(error).splitlines())
    return "\n".join([*(f"# {note}" for note in notes), *history])


def play_all(first: int, count: int, processes: int) -> Result:
    """Seeds from ``first`` on, side by side; prints how far it is, and what fails when it does."""
    total = Result()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as workers:
        parts = [min(EACH, count - begun) for begun in range(0, count, EACH)]
        running = [workers.submit(play_seed, first + number, part) for number, part in enumerate(parts)]
        for done in as_completed(running):
            total.add(done.result())
            print(f"{total.played} of {count} histories, {len(total.failures)} failed", flush=True)
            for failure in done.result().failures:
                print(failure, _kept(failure), sep="\n", flush=True)
    return total


def _kept(failure: str) -> str:
    FAILED.mkdir(parents=True, exist_ok=True)
    path = FAILED / f"{failure.split()[1].replace('=', '-').lower()}.txt"
    path.write_text(failure + "\n", "utf-8")
    return f"kept in {path.relative_to(ROOT)}"


def read(path: Path) -> History:
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def report(total: Result, seconds: float) -> Iterable[str]:
    yield f"{total.played} histories in {seconds:.0f} s, {1000 * seconds / max(1, total.played):.0f} ms each"
    yield from (f"  {name}: {count}" for name, count in sorted(total.counts.items()))


def main(files: list[str]) -> int:
    began = time.monotonic()
    if files:
        total = play_files(files)
        print("\n".join(total.failures))
    else:
        first = int(os.environ.get("SEED") or secrets.randbelow(10**6))
        count = int(os.environ.get("HISTORIES") or 50_000)
        processes = int(os.environ.get("PROCESSES") or os.cpu_count() or 1)
        print(f"SEED={first} HISTORIES={count} PROCESSES={processes}", flush=True)
        total = play_all(first, count, processes)
    print("\n".join(report(total, time.monotonic() - began)))
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
