"""`make bench`: everything, round by round, then the report.

    ROUNDS=5 SECONDS=1.5 ONLY='v3 sqlite' python -m benchmarks

ONLY takes the groups (benchmarks/cases.py) whose name it matches, as a regular expression, and then writes no document.
PEER_PYTHON is the Python of the peer's virtual environment; without it there is no peer. The databases are in FOLDER.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import load, report
from benchmarks.about import about, file_system
from benchmarks.cases import everything
from benchmarks.measure import Bench, Row
from benchmarks.servers import Machine
from benchmarks.systems import systems

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / report.RESULTS
ROUNDS = int(os.environ.get("ROUNDS") or 5)
SECONDS = float(os.environ.get("SECONDS") or 1.5)
WARM_UP = 0.4
FOLDER = Path(os.environ.get("FOLDER") or ROOT / "var" / "bench").resolve()
ONLY = os.environ.get("ONLY", "")


def main() -> int:
    if not load.installed():
        return _cannot("wrk is not installed: apt-get install wrk")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    if file_system(FOLDER) == "tmpfs":
        return _cannot(f"{FOLDER} is in memory: no commit there is durable; set FOLDER to one on a disk")
    known = systems(os.environ.get("PEER_PYTHON", ""))
    groups = [group for group in everything() if group.system in known and re.search(ONLY, group.name)]
    machine = Machine(FOLDER, mariadb=any(group.database == "mariadb" for group in groups))
    try:
        rows, parts = _rounds(Bench(machine, known, SECONDS, WARM_UP), groups)
    finally:
        machine.close()
    results: dict[str, Any] = {
        "about": about(FOLDER, rounds=ROUNDS, seconds=SECONDS),
        "parts": parts,
        "rows": [asdict(row) for row in rows],
    }
    wrong = [row for row in rows if row.wrong]
    for row in wrong:
        print(f"WRONG {row}")
    if ONLY:
        print(report.tables(report.Medians(results["rows"])))
    else:
        _write(results)
    return 1 if any(row.system != "peer" for row in wrong) else 0


def _rounds(bench: Bench, groups: list[Any]) -> tuple[list[Row], list[dict[str, float]]]:
    rows: list[Row] = []
    parts = []
    for turn in range(1, ROUNDS + 1):
        parts.append(bench.parts())
        for group in groups:
            began = time.monotonic()
            rows += bench.group(turn, group)
            print(f"round {turn}/{ROUNDS} {group.name}: {time.monotonic() - began:.0f} s", flush=True)
    bench.close()
    return rows, parts


def _write(results: dict[str, Any]) -> None:
    """One row a line, so that two runs can be compared."""
    rows = ",\n".join(json.dumps(row) for row in results["rows"])
    head = json.dumps({"about": results["about"], "parts": results["parts"]}, indent=1)[:-2]
    RESULTS.write_text(f'{head},\n "rows": [\n{rows}\n]}}\n', "utf-8")
    report.write(ROOT, results)


def _cannot(why: str) -> int:
    print(why, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
