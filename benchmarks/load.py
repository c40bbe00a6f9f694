"""The load generator: wrk, told what to send by ``load.lua``.

wrk takes whole seconds and sleeps through them. It is started for an hour and interrupted (SIGINT) when the time is up,
or by the script when everything is sent; its own figures then say how long it was.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
MOST_WAIT = "30s"  # for an answer; wrk then counts an error
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

    seconds: float
    sent: int
    good: int
    bad: int
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
    command = ["wrk", f"-t{threads}", f"-c{connections}", "-d1h", "--timeout", MOST_WAIT, "-s", str(SCRIPT)]
    arguments = [load.way, str(files), str(load.status), load.words]
    child = subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}/", "--", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stderr
    first = child.stderr.readline()
    while True:  # told twice if it was not asleep yet
        try:
            out, errors = child.communicate(timeout=seconds)
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
            seconds = AGAIN_AFTER
    told = [line for line in out.splitlines() if line.startswith("TOLD ")]
    if first != "began\n" or not told:
        raise RuntimeError(f"wrk: {first}{errors}{out}")
    return _parse(told[0])


def _parse(line: str) -> Told:
    _, took, sent, good, bad, pairs, cut, p50, p99, *said = line.split(" ", 9)
    counts = (int(sent), int(good), int(bad), int(pairs), int(cut))
    return Told(int(took) / 1e6, *counts, int(p50) / 1000, int(p99) / 1000, said[0] if said else "")
