"""The start is measured as it is described: each of the three by its own process."""

from __future__ import annotations

from benchmarks import start


def test_a_start_is_measured_beside_a_bare_python() -> None:
    costs = start.measure(1)
    (cpu, took, size), nothing = costs[start.OURS][0], costs["python -c pass"][0]
    assert cpu > nothing[0] > 0
    assert took > 0
    assert 30 < size < 300, "megabytes of one process"
    assert [line.count("|") for line in start.table(costs)] == [5] * 5
