"""Several servers on one database: a start costs most of a second, so a module of tests shares what it started."""

from __future__ import annotations

from pathlib import Path

from tests.databases import Tables, broken_invariants
from tests.harness import APIS, Server, Simulator
from tests.processes import eventually


class Fleet:
    """Servers on one database, started as a test needs them.

    ``close`` stops them all and demands a clean exit, no log line that nobody expected, and no broken invariant
    but for ``invented`` payments: those that a test made the gateway name, and that its ledger does not have.
    """

    def __init__(self, folder: Path, simulator: Simulator, database_url: str) -> None:
        self.folder = folder
        self.simulator = simulator
        self.tables = Tables(database_url)
        self.servers: list[Server] = []
        self.invented: set[str] = set()
        self._since = simulator.newest_exchange()

    def start(self, kind: type[Server] = Server, **environ: str) -> Server:
        server = kind(self.folder, self.simulator, self.tables.url, **environ)
        self.servers.append(server)
        return server.start()

    def settle(self) -> None:
        """Until the servers have done what they do once after their start: read the bills of the last three days."""
        eventually(lambda: self.tables.one("SELECT COUNT(*) FROM bills WHERE state = 'DONE'") == 3)

    def expect_log(self, *patterns: str) -> None:
        for server in self.servers:
            server.expect_log(*patterns)

    def close(self) -> None:
        ends = [server.end() for server in self.servers]
        assert ends == [0] * len(ends), "\n".join(server.process.text() for server in self.servers)
        surprises = [line for server in self.servers for line in server.surprises()]
        assert not surprises, surprises
        broken = broken_invariants(self.tables, self.simulator, self._since)
        strangers = broken.pop("10 no payment here that the gateway does not know", [])
        assert {row[0] for row in strangers} == self.invented, strangers
        assert not broken, broken

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is None:
            self.close()
        else:
            for server in self.servers:
                server.http.close()
                server.process.kill()


class Trio(Fleet):
    """Three servers on one database: each makes new payments in its own way, each takes every notification."""

    def open(self) -> Trio:
        self.by_api = {api.name: self.start(**api.environ) for api in APIS}
        return self

    def __getitem__(self, api: str) -> Server:
        return self.by_api[api]
