"""The load generator: wrk, told what to send by ``load.lua``.

wrk takes whole seconds, sleeps through them and then cuts its connections. So it is started for an hour, the script
says when the time is up and the last answer is there, and an interrupt (SIGINT) ends it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

SCRIPT = Path(__file__).with_name("load.lua")
MOST_WAIT = 30.0  # seconds for an answer; wrk then counts an error
AGAIN_AFTER = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What to send, in which way, and what a right answer is."""

    way: str  # once, cycle, buy: see load.lua
    requests: Sequence[bytes]
    status: int = 200
    words: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What wrk says. For ``buy`` the latency is that of an order and its payment together."""

    seconds: float  # from the first request to the last answer within the time
    good: int
    bad: int
    in_time: int  # answers, or pairs of them for ``buy``, within the time
    pairs: int  # orders that were also paid
    cut: int  # connections refused, cut or silent
    p50_ms: float
    p99_ms: float
    said: str  # the first wrong answer


def installed() -> bool:
    return shutil.which("wrk") is not None


def run(port: int, connections: int, seconds: float, load: Load, folder: Path) -> Told:
    threads = connections if load.way == "buy" else 1
    files = folder / "requests"
    for thread in range(threads):
        with Path(f"{files}-{thread + 1}").open("wb") as file:
            file.writelines(b"%08d%s" % (len(request), request) for request in load.requests[thread::threads])
    command = ["wrk", f"-t{threads}", f"-c{connections}", "-d1h", "--timeout", f"{MOST_WAIT:.0f}s", "-s", str(SCRIPT)]
    arguments = [load.way, str(files), str(load.status), load.words, str(seconds)]
    child = subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}/", "--", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = _until_finished(child, threads, seconds + MOST_WAIT)
    while True:  # told twice if it was not asleep yet
        child.send_signal(signal.SIGINT)
        try:
            out, errors = child.communicate(timeout=AGAIN_AFTER)
            break
        except subprocess.TimeoutExpired:
            pass
    told = [line for line in out.splitlines() if line.startswith("TOLD ")]
    if not told:
        raise RuntimeError(f"wrk: {said}{errors}{out}")
    return _parse(told[0])


def _until_finished(child: subprocess.Popen[str], threads: int, patience: float) -> str:
    """Every thread says so in a line; one that lost an answer never does. Returns what was said."""
    assert child.stderr
    limit = Timer(patience, child.send_signal, [signal.SIGINT])
    limit.start()
    said = ""
    while said.count("finished\n") < threads and (line := child.stderr.readline()):
        said += line
    limit.cancel()
    return said


def _parse(line: str) -> Told:
    _, took, good, bad, in_time, pairs, cut, p50, p99, *said = line.split(" ", 9)
    counts = (int(good), int(bad), int(in_time), int(pairs), int(cut))
    return Told(int(took) / 1e6, *counts, int(p50) / 1000, int(p99) / 1000, said[0] if said else "")
