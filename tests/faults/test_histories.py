"""Random histories of users, merchants, WeChat, networks, clocks and jobs: at the end our money is WeChat's.

What a history is: ``history``. What a step does: ``play``. What must hold at the end: ``verdict``. ``make soak`` plays
a great many more; a failure prints its seed and the least that still fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.history import LATE, RETURN, SALE, SELDOM, STEPS, TWICE
from tests.faults.play import Play
from tests.processes import ROOT

KEPT = sorted(Path(__file__).with_name("kept").glob("*.txt"))


def soak(*files: str, **environ: str) -> str:
    command = [sys.executable, "-m", "tests.faults.soak", *files]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_random_histories() -> None:
    """The same ones for the same code, unless SEED says otherwise. (Hypothesis also draws on constants of the code.)"""
    environ = {"SEED": os.environ.get("SEED", "1"), "HISTORIES": os.environ.get("HISTORIES", "2000")}
    assert f"{environ['HISTORIES']} histories in" in soak(**environ)


def test_histories_that_once_failed() -> None:
    assert f"{len(KEPT)} histories in" in soak(*map(str, KEPT))


def test_every_step_that_can_be_drawn_can_be_played() -> None:
    assert {words.split()[0] for words in (*(words for _, words in STEPS), *SELDOM, *SALE, *RETURN, *LATE, *TWICE)} == {
        name.removeprefix("do_") for name in dir(Play) if name.startswith("do_")
    }
