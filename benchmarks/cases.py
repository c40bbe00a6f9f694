"""What is measured: systems, cases, connections. A group is one server with its cells, started once a round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

NOTIFIED = ("distinct", "duplicate", "forged")  # kinds of payment notification
CASES = (*NOTIFIED, "order + pay", "read", "login")


@dataclass(frozen=True, slots=True)
class Cell:
    case: str
    connections: int


@dataclass(frozen=True, slots=True)
class Group:
    system: str  # server, unbatched, peer, bare: see systems.py
    database: str  # sqlite, mariadb; none
    processes: int
    api: str  # of new payments, and of the notifications
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return f"{self.system} {self.api} {self.database} x{self.processes}"


def cells(cases: tuple[str, ...], *connections: int) -> tuple[Cell, ...]:
    return tuple(Cell(case, number) for case, number in product(cases, connections))


BARE = cells(("distinct",), 1, 64, 256) + cells(("order + pay",), 32)
OURS = cells(CASES, 1, 64, 256) + cells(("order + pay",), 32)
OURS_TWICE = cells(CASES, 64, 256) + cells(("order + pay",), 32)  # one connection meets one process anyway
V2 = cells(("distinct", "order + pay"), 1, 64, 256) + cells(("duplicate", "forged"), 64) + cells(("order + pay",), 32)
V2_TWICE = cells(("distinct",), 64) + cells(("order + pay",), 32)
PEER = cells(("distinct",), 1, 64, 256) + cells(("duplicate", "forged", "read", "login"), 64)
PEER += cells(("order + pay",), 1, 32, 64)
PEER_TWICE = cells(("distinct",), 64) + cells(("order + pay",), 32)
UNBATCHED = cells(("distinct",), 1, 64)


def everything() -> Iterator[Group]:
    """In the order of a round. What is compared stands close together."""
    for processes, ours, v2, peer in ((1, OURS, V2, PEER), (2, OURS_TWICE, V2_TWICE, PEER_TWICE)):
        yield Group("bare", "none", processes, "v3", BARE if processes == 1 else cells(("distinct",), 64, 256))
        for database in ("sqlite", "mariadb"):
            yield Group("server", database, processes, "v3", ours)
            if processes == 1:
                yield Group("unbatched", database, 1, "v3", UNBATCHED)
            yield Group("peer", database, processes, "v3", peer)
            yield Group("server", database, processes, "v2", v2)
