"""A server between three wires, which can be held at any step, killed and started again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from tests.crash.aftermath import DATABASE_AWAY
from tests.crash.lives import Client
from tests.crash.proxy import Http, Sql, Wire, through
from tests.crash.steps import Step, Trap
from tests.faults.crowd import KEY
from tests.fleet import Fleet
from tests.harness import Server

DAYS = {"ORDER_EXPIRES_MINUTES": str(3 * 24 * 60)}  # WeChat's clock goes on faster than ours
Life = Callable[[Client], None]


class Shop:
    """A server between wires: to the gateway, from those who ask it and, unless it has a file, to the database."""

    def __init__(self, fleet: Fleet, **environ: str) -> None:
        self.fleet = fleet
        self.trap = Trap()
        self._wires = {"gateway": Wire(fleet.simulator.port, Http), "door": Wire(0, Http)}
        url = fleet.tables.url
        if port := urlsplit(url).port:
            self._wires["database"] = Wire(port, Sql)
            url = through(self._wires["database"], url)
        for name, wire in self._wires.items():
            wire.watch = self.trap.on(name)
        environ |= {
            "DATABASE_URL": url,
            "SIMULATOR_URL": self._wires["gateway"].url,
            "PUBLIC_URL": self._wires["door"].url,
        }
        self.server: Server = fleet.start(MERCHANT_API_KEY=KEY, **DAYS, **environ)
        self.server.expect_log(*DATABASE_AWAY)
        self._wires["door"].target = self.server.port

    def play(self, life: Life) -> None:
        with closing(Client(self._wires["door"].url, self.fleet.simulator)) as client:
            life(client)

    def kill(self) -> list[Step]:
        """The steps at which it was."""
        self.server.process.kill()
        return self.trap.release()

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()
