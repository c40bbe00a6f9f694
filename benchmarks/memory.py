"""What a server keeps of a million notifications: its resident memory after each fifty thousand of them.

    nice -n 19 python -m benchmarks.memory /tmp/memory            (--mariadb)

A real process, real sockets, API v3. Every message is genuine; one in ``COPIES`` is new, and comes that often, since
to sign a million would take longer than to receive them. Nothing is asserted about the megabytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import load, seed
from benchmarks.cases import Group
from benchmarks.load import Load
from benchmarks.messages import Notices
from benchmarks.servers import Machine, resident_mb
from benchmarks.systems import TAKEN, serve, systems

MESSAGES = 1_000_000
STEP = 50_000
COPIES = 5
CONNECTIONS = 64
PATIENCE = 3600  # seconds for one step

Point = tuple[int, float]  # messages so far, MB


def measure(machine: Machine, kind: str, messages: int, step: int) -> list[Point]:
    """``kind``: sqlite or mariadb. Raises RuntimeError if a message was not acknowledged."""
    server = systems("")["server"]
    url, group = machine.database(kind, "memory"), Group("server", kind, 1, "v3", ())
    seed.migrate(url)
    seed.fill(url, "v3", messages // COPIES)
    notices, served = Notices(machine.merchant), serve(machine, server, group, url)
    served.start()
    try:
        served.settle(server.ready)
        points = [(0, resident_mb(served.pids()))]
        for sent in range(0, messages, step):
            fresh = notices.genuine("v3", range(sent // COPIES, (sent + step) // COPIES))
            told = load.run(
                served.port, CONNECTIONS, PATIENCE, Load("once", fresh * COPIES, *TAKEN["v3"]), machine.folder
            )
            if told.good < step - CONNECTIONS or told.bad or told.cut:  # wrk leaves without the last answers
                raise RuntimeError(f"{told.good} of {step} acknowledged: {told.said}")
            points.append((sent + step, resident_mb(served.pids())))
            print(f"{points[-1][0]} {points[-1][1]:.1f} MB", flush=True)
    finally:
        served.stop()
        notices.close()
    return points


def table(points: list[Point]) -> list[str]:
    lines = ["| notifications | MB resident |", "|---:|---:|"]
    return lines + [f"| {sent:,} | {size:.1f} |" for sent, size in points]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("folder", type=Path)
    options.add_argument("--mariadb", action="store_true")
    options.add_argument("--messages", type=int, default=MESSAGES)
    options.add_argument("--step", type=int, default=STEP)
    chosen = options.parse_args()
    machine = Machine(chosen.folder, mariadb=chosen.mariadb)
    try:
        points = measure(machine, "mariadb" if chosen.mariadb else "sqlite", chosen.messages, chosen.step)
    finally:
        machine.close()
    print("\n".join(table(points)))


if __name__ == "__main__":
    main()
