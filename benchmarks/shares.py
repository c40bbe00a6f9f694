"""Where the server's CPU time goes, as shares, written into docs/performance.md.

    python -m benchmarks.shares        a minute, with nothing else running; SECONDS a cell, databases in FOLDER

The server looks at itself while it gets the hot path's load (benchmarks/sampled.py).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.about import about
from benchmarks.cases import Cell, Group
from benchmarks.measure import Bench
from benchmarks.sampled import WORDS
from benchmarks.servers import Machine
from benchmarks.systems import sampled

ROOT = Path(__file__).resolve().parent.parent
SECTION = "shares"
SECONDS = float(os.environ.get("SECONDS") or 5)
FOLDER = Path(os.environ.get("FOLDER") or ROOT / "var" / "bench").resolve()
CELLS = (Cell("distinct", 64), Cell("order + pay", 32))
GROUPS = [Group("sampled", database, 1, "v3", (cell,)) for cell in CELLS for database in report.DATABASES]

Seconds = Mapping[str, float]  # by what they went for


def spent(bench: Bench, group: Group, file: Path) -> Seconds:
    """By the server, while this group's cell was measured."""
    os.environ["SHARES"] = str(file)
    [row] = bench.group(1, group)
    if row.wrong:
        raise RuntimeError(row.wrong)
    found: Seconds = json.loads(file.read_text("utf-8"))
    return found


def table(groups: Sequence[Group], found: Sequence[Seconds]) -> str:
    names = [f"{group.cells[0].case}, {report.DATABASES[group.database]}" for group in groups]
    lines = [f"| of its CPU time | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for word in dict.fromkeys([*WORDS.values(), "the rest"]):
        shares = [f"{100 * each.get(word, 0) / sum(each.values()):.0f} %" for each in found]
        lines.append(f"| {word} | {' | '.join(shares)} |")
    return "\n".join(lines)


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    machine = Machine(FOLDER, mariadb=True)
    bench = Bench(machine, sampled(), SECONDS, warm_up=0.4)
    try:
        found = [spent(bench, group, FOLDER / "shares.json") for group in GROUPS]
    finally:
        bench.close()
        machine.close()
    told = about(FOLDER)
    seconds = ", ".join(f"{sum(each.values()):.1f}" for each in found)
    head = f"Run on {told['date']} at commit {told['commit']}, on {told['processor']}; of {seconds} seconds of CPU."
    report.put(ROOT, SECTION, f"{head}\n\n{table(GROUPS, found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
