"""The systems that are measured: how each is started and seeded, and what its answers are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from benchmarks import numbers, seed
from benchmarks.cases import Group
from benchmarks.servers import Machine, Served
from tests.processes import ROOT, free_port

# A right acknowledgement, and a right refusal: status, and words of the body.
TAKEN = {"v3": (204, ""), "v2": (200, "<return_code><![CDATA[SUCCESS]]>")}
REFUSED = {"v3": (401, ""), "v2": (200, "<return_code><![CDATA[FAIL]]>")}


@dataclass(frozen=True, slots=True)
class System:
    command: tuple[str, ...]
    ready: str  # answers once the server does
    prepaid: str  # how many attempts have a prepay_id
    shares: bool = False  # one listening socket among its processes, instead of one each

    def tokens(self) -> Iterator[str]:
        return (numbers.token(n) for n in count())

    def seed(self, url: str, group: Group, orders: int) -> None:
        seed.fill(url, group.api, orders)


class Peer(System):
    def tokens(self) -> Iterator[str]:
        return (numbers.PEERS_TOKEN for _ in count())

    def seed(self, url: str, group: Group, orders: int) -> None:  # noqa: ARG002 - as every system
        command = [self.command[0], "-m", "benchmarks.peers.seed", "--orders", str(orders)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True)


class Bare(System):
    def seed(self, url: str, group: Group, orders: int) -> None:
        """It has nothing."""


OURS = "SELECT COUNT(*) FROM transactions WHERE state = 'PREPAID'"
THEIRS = "SELECT COUNT(*) FROM attempts WHERE state = 'PREPAID'"
BOOKED = "SELECT COUNT(*) FROM payments WHERE disposition = 'APPLIED'"


def systems(peer_python: str) -> Mapping[str, System]:
    """``peer_python``: of the peer's own virtual environment; empty: without the peer."""
    python = sys.executable
    found = {
        "server": System((python, "server.py"), "/readyz", OURS),
        "unbatched": System((python, "-m", "benchmarks.unbatched"), "/readyz", OURS),
        "bare": Bare((python, "-m", "benchmarks.bare"), "/", ""),
    }
    if peer_python:
        found["peer"] = Peer((peer_python, "-m", "benchmarks.peers.serve"), "/api/products", THEIRS, shares=True)
    return found


def sampled() -> Mapping[str, System]:
    """The server that looks at itself."""
    return {"sampled": System((sys.executable, "-m", "benchmarks.sampled"), "/readyz", OURS)}


def serve(machine: Machine, system: System, group: Group, url: str) -> Served:
    """Settings are as they are installed, jobs, logs and limits included, but for that of all logins together."""
    port = free_port()
    environ = {
        **machine.merchant.environ(machine.gateway),
        "DATABASE_URL": url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WECHAT_PAY_API": group.api,
        "LIMIT_ALL_LOGINS": "0",
    }
    name = group.name.replace(" ", "-")
    return Served(
        machine.folder,
        name,
        list(system.command),
        port,
        group.processes,
        environ,
        1 if system.shares else group.processes,
    )
