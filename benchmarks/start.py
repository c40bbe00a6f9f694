"""From the start of ``python server.py`` to its first good /readyz, on a database that is there.

    python -m benchmarks.start

Beside it, in the same run and turn by turn: a Python that does nothing, and one that imports bare Tornado. CPU is user
and system time of the process, which a busy machine disturbs less than the clock. Nothing is asserted about either.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.harness import Server, Simulator

ROUNDS = 9
TICKS = os.sysconf("SC_CLK_TCK")
BARE = {"python -c pass": "pass", "import tornado.web": "import tornado.web"}
OURS = "python server.py, to /readyz"

Cost = tuple[float, float, float]  # seconds of CPU, seconds, MB resident


def bare(code: str) -> Cost:
    before, began = _children(), time.perf_counter()
    command = [sys.executable, "-c", f"{code}\nprint(open('/proc/self/statm').read())"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    took = time.perf_counter() - began
    return _children() - before, took, _megabytes(done.stdout)


def server(folder: Path, simulator: Simulator, url: str) -> Cost:
    """The clock stops at a question every thirtieth of a second, the CPU's at the first answer."""
    served, began = Server(folder, simulator, url), time.perf_counter()
    served.process.fresh = True  # it imports everything by itself
    served.start()
    took = time.perf_counter() - began
    child: Any = served.process.child
    place = Path(f"/proc/{child.pid}")
    fields = (place / "stat").read_text("utf-8").rpartition(")")[2].split()
    cost = ((int(fields[11]) + int(fields[12])) / TICKS, took, _megabytes((place / "statm").read_text("ascii")))
    served.close()
    return cost


def measure(rounds: int) -> dict[str, list[Cost]]:
    costs = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulator, url = Simulator(folder), f"sqlite:///{folder / 'pay.db'}"
        server(folder, simulator, url)  # makes the tables, and what Python keeps of the modules
        for _ in range(rounds):
            for what, code in BARE.items():
                costs[what].append(bare(code))
            costs[OURS].append(server(folder, simulator, url))
        simulator.close()
    return costs


def table(costs: dict[str, list[Cost]]) -> list[str]:
    lines = ["| start | CPU s | s | MB resident |", "|---|---:|---:|---:|"]
    for what, found in costs.items():
        cpu, took, size = (statistics.median(values) for values in zip(*found, strict=True))
        lines.append(f"| {what} | {cpu:.2f} | {took:.2f} | {size:.0f} |")
    return lines


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _megabytes(statm: str) -> float:
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    print("\n".join(table(measure(options.parse_args().rounds))))


if __name__ == "__main__":
    main()
