"""The hot-path part of docs/performance.md, and its picture, from benchmarks/results.json. Measures nothing.

`make docs` renders both again; `tests/unit/test_docs.py` compares the document with what is committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import picture
from benchmarks.cases import CASES

DOCUMENT, SECTION, PICTURE = "docs/performance.md", "hot path", "docs/images/hot-path.svg"
RESULTS = "benchmarks/results.json"

KEY = ("system", "database", "processes", "api", "case", "connections")
FIGURES = ("requests", "per_second", "p50_ms", "p99_ms", "server_us", "database_us", "commits", "resident_mb")
WHICH = ("API", "case", "processes", "connections")
COLUMNS = (*WHICH, "requests/s", "p50 ms", "p99 ms", "server µs", "database µs", "commits", "MB")
Row = Mapping[str, Any]
SYSTEMS = {
    "server": "This server",
    "unbatched": "This server without the batch",
    "peer": "The FastAPI service",
    "bare": "Bare Tornado",
}
DATABASES = {"sqlite": "SQLite", "mariadb": "MariaDB"}


class Medians:
    """One row a cell: the median of its rounds, figure by figure."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = [_median(list(group)) for _, group in groupby(sorted(rows, key=_key), key=_key)]

    def one(self, system: str, database: str, case: str, connections: int, *, processes: int = 1) -> Row | None:
        """The figures of API v3."""
        wanted = (system, database, processes, "v3", case, connections)
        return next((row for row in self.rows if tuple(row[name] for name in KEY) == wanted), None)

    def rate(self, *cell: Any, **more: Any) -> float | None:
        row = self.one(*cell, **more)
        return row["per_second"] if row else None

    def server_us(self, *cell: Any) -> float | None:
        row = self.one(*cell)
        return row["server_us"] if row else None


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(CASES.index(row[name]) if name == "case" else row[name] for name in KEY)


def _median(rows: list[Row]) -> Row:
    middle = {name: median(row[name] for row in rows) for name in FIGURES}
    return {
        **{name: rows[0][name] for name in KEY},
        **middle,
        "wrong": next((row["wrong"] for row in rows if row["wrong"]), ""),
    }


def write(root: Path, results: Mapping[str, Any]) -> None:
    """Into the document and the picture."""
    put(root, SECTION, text(results))
    (root / PICTURE).write_text(drawing(results), "utf-8")


def put(root: Path, section: str, words: str) -> None:
    """In the place of what stands between the document's marks."""
    path = root / DOCUMENT
    begin, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->"
    before, _, rest = path.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(before + begin + words + "\n" + end + after, "utf-8")


def kept(root: Path) -> Mapping[str, Any] | None:
    """The results of the last `make bench`, if there was one."""
    path = root / RESULTS
    found: Mapping[str, Any] | None = json.loads(path.read_text("utf-8")) if path.exists() else None
    return found


def text(results: Mapping[str, Any] | None) -> str:
    if results is None:
        return "Not measured yet: `make bench` writes this part."
    medians = Medians(results["rows"])
    parts = {name: median(part[name] for part in results["parts"]) for name in ("sign", "verify", "call")}
    shown = f"![Requests a second, in bars](images/{Path(PICTURE).name})"
    blocks = [_about(results["about"]), shown, _shown(results), _parts(medians, parts), tables(medians)]
    return "\n\n".join(blocks)


def _about(about: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    return (
        f"Run on {about['date']} at commit {about['commit']}: {about['cores']} cores of {about['processor']},"
        f" {about['memory_gb']} GB, {about['system']}, databases on {about['file_system']}; Python {about['python']},"
        f" OpenSSL {about['openssl']}, SQLite {about['sqlite']}, MariaDB {about['mariadb']}, wrk {about['wrk']},"
        f" {packages}. {about['rounds']} rounds of {about['seconds']} s a cell;"
        f" load average at the end {about['load']:.1f}."
    )


# --- what must be shown ---


Parts = Mapping[str, float]  # microseconds of CPU of what a payment cannot do without
Figure = Callable[["Medians", Parts, str], float | None]  # of one round, for a database


def _shown(results: Mapping[str, Any]) -> str:
    """Each figure is formed within a round, where what it compares stood side by side: a machine that others use has
    another speed in the next. Of these the middle one, and in brackets the least and the most."""
    rounds = [
        (Medians([row for row in results["rows"] if row["round"] == number]), parts)
        for number, parts in enumerate(results["parts"], 1)
    ]
    lines = ["| what | wanted | SQLite | MariaDB |", "|---|---|---|---|"]
    for what, wanted, form, figure in FIGURES_WANTED:
        cells = [_middle([figure(*one, database) for one in rounds], form) for database in DATABASES]
        lines.append(f"| {what} | {wanted} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _middle(found: Sequence[float | None], form: str) -> str:
    known = sorted(value for value in found if value is not None)
    if not known:
        return "–"
    return f"{form} ({form} to {form})".format(median(known), known[0], known[-1])


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def _rates(case: str, connections: int, other: str) -> Figure:
    """Requests a second, of another system's. The bare one answers all alike, and has no database."""

    def figure(medians: Medians, _: Parts, db: str) -> float | None:
        beside = (other, "none", "distinct", 64) if other == "bare" else (other, db, case, connections)
        return _ratio(medians.rate("server", db, case, connections), medians.rate(*beside))

    return figure


def _twice(figure: str, *, upside_down: bool) -> Figure:
    """Two processes beside one."""

    def of(medians: Medians, _: Parts, db: str) -> float | None:
        one, two = (medians.one("server", db, "distinct", 64, processes=number) for number in (1, 2))
        if one is None or two is None:
            return None
        return _ratio(one[figure], two[figure]) if upside_down else _ratio(two[figure], one[figure])

    return of


def _bought(medians: Medians, parts: Parts, db: str) -> float | None:
    return _ratio(medians.server_us("server", db, "order + pay", 32), unavoidable(medians, parts))


def _alone(medians: Medians, _: Parts, db: str) -> float | None:
    ours, unbatched = (medians.one(system, db, "distinct", 1) for system in ("server", "unbatched"))
    return _ratio(ours["p50_ms"], unbatched["p50_ms"]) if ours and unbatched else None


FIGURES_WANTED: Sequence[tuple[str, str, str, Figure]] = [
    (
        "v3 notification, 64 connections: of bare Tornado",
        "60 % SQLite, 50 % MariaDB",
        "{:.0%}",
        _rates("distinct", 64, "bare"),
    ),
    ("the same: times the FastAPI service", "5", "{:.2f}", _rates("distinct", 64, "peer")),
    ("the same: two processes, times one", "1.7", "{:.2f}", _twice("per_second", upside_down=False)),
    (
        "the same, by CPU a request: one process, times two",
        "0.85",
        "{:.2f}",
        _twice("server_us", upside_down=True),
    ),
    ("order + pay, v3, 32 connections: server CPU, times its unavoidable parts", "at most 1.6", "{:.2f}", _bought),
    ("the same: times the FastAPI service", "3", "{:.2f}", _rates("order + pay", 32, "peer")),
    ("forged notification, 64 connections: of bare Tornado", "80 %", "{:.0%}", _rates("forged", 64, "bare")),
    ("one connection: p50 with the batch, of that without", "at most 110 %", "{:.0%}", _alone),
]


def unavoidable(medians: Medians, parts: Parts) -> float | None:
    """Microseconds of CPU: two signatures, two verifications, one call, one request that does nothing."""
    bare = medians.server_us("bare", "none", "order + pay", 32)
    return bare and 2 * parts["sign"] + 2 * parts["verify"] + parts["call"] + bare


def _parts(medians: Medians, parts: Parts) -> str:
    bare, whole = medians.server_us("bare", "none", "order + pay", 32), unavoidable(medians, parts)
    if not bare or not whole:
        return ""
    return (
        f"The unavoidable parts, CPU: an RSA-2048 signature {parts['sign']:.0f} µs, a verification"
        f" {parts['verify']:.0f} µs, a kept-alive TLS call through the transport {parts['call']:.0f} µs (32 at once), a"
        f" request to bare Tornado {bare:.0f} µs; two, two, one and one of them are {whole:.0f} µs."
    )


# --- everything ---


def tables(medians: Medians) -> str:
    """A table for each system and database."""
    found = []
    for system, title in SYSTEMS.items():
        for database in (*DATABASES, "none"):
            rows = [row for row in medians.rows if (row["system"], row["database"]) == (system, database)]
            if rows:
                name = f"{title}, {DATABASES[database]}" if database in DATABASES else title
                found.append(f"**{name}**\n\n{_table(rows)}")
    return "\n\n".join(found)


def _table(rows: list[Row]) -> str:
    order = sorted(rows, key=lambda row: (-int(row["api"][1]), row["processes"], _key(row)))
    return "\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *(_line(row) for row in order)])


def _line(row: Row) -> str:
    cells = [
        row["api"],
        row["case"],
        str(row["processes"]),
        str(row["connections"]),
        f"{row['per_second']:,.0f}" + (" (wrong answers)" if row["wrong"] else ""),
        f"{row['p50_ms']:.1f}",
        f"{row['p99_ms']:.1f}",
        f"{row['server_us']:,.0f}",
        f"{row['database_us']:,.0f}",
        f"{row['commits']:.3f}",
        f"{row['resident_mb']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def drawing(results: Mapping[str, Any]) -> str:
    """Requests a second, for what an operator waits for."""
    medians = Medians(results["rows"])
    panels = [
        ("Payment notifications a second, v3, 64 connections", "distinct", 64),
        ("Orders made and prepaid a second, v3, 32 connections", "order + pay", 32),
    ]
    return picture.bars([(title, _bars(medians, case, number)) for title, case, number in panels])


def _bars(medians: Medians, case: str, connections: int) -> list[tuple[str, float, bool]]:
    """Label, value, whether it is ours."""
    wanted = [("server", db) for db in DATABASES] + [("peer", db) for db in DATABASES] + [("bare", "none")]
    found = []
    for system, database in wanted:
        value = medians.rate(system, database, case, connections)
        if value and not (system == "bare" and case == "order + pay"):
            label = f"{SYSTEMS[system]}, {DATABASES[database]}" if database in DATABASES else SYSTEMS[system]
            found.append((label, value, system == "server"))
    return found
