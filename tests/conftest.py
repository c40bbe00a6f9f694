"""Fixtures for tests that need processes. What a machine cannot run is skipped with a line that says what to install;
under ``CI=true`` it fails instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import MariaDb, Tables, broken_invariants
from tests.harness import APIS, Api, Server, Simulator

# Kept bytecode, also where the environment forbids it, as container images do: without it every server that is started
# compiles itself, and every worker all the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Files that take longest, longest first: a worker that began one of them last would keep the others waiting.
LONG = (
    "faults/test_histories.py",
    "faults/test_storm.py",
    "crash/test_steps.py",
    "browser/test_console.py",
    "browser/test_purchase.py",
    "faults/test_switch_under_load.py",
    "integration/test_reconciliation.py",
    "browser/test_look.py",
    "integration/test_large_bill.py",
    "integration/test_notifications.py",
    "crash/test_many_processes.py",
    "crash/test_cuts.py",
    "crash/test_random_kills.py",
    "integration/test_cli.py",
    "integration/test_gateway_faults.py",
    "integration/test_order_life.py",
    "integration/test_shipping.py",
    "integration/test_switch.py",
    "integration/test_secrets.py",
    "faults/test_gateway_away.py",
    "integration/test_refund_race.py",
    "fuzz/test_fuzz.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first; the order of the others is as it was."""
    turn = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: turn.get("/".join(item.path.parts[-2:]), len(LONG)))


def lacking(what: str) -> None:
    """Skip, unless nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def simulator_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the test merchant's keys and ledger, for the simulator of the session."""
    return tmp_path_factory.mktemp("simulator")


@pytest.fixture(scope="session")
def shared_simulator(tmp_path_factory: pytest.TempPathFactory, simulator_data: Path) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("logs"), data=simulator_data)
    yield simulator
    simulator.close()


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Iterator[Simulator]:
    """The session's simulator, without faults before and after. Its ledger holds other tests' orders too."""
    shared_simulator.clear_faults()
    yield shared_simulator
    shared_simulator.clear_faults()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    if not MariaDb.installed():
        lacking("MariaDB is not installed: apt-get install mariadb-server")
    server = MariaDb(tmp_path_factory.mktemp("mariadb"))
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pay.db'}"
    mariadb: MariaDb = request.getfixturevalue("mariadb")
    return mariadb.create()


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def each_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh, empty database of each kind, for a module."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database') / 'pay.db'}"
    mariadb: MariaDb = request.getfixturevalue("mariadb")
    return mariadb.create()


@pytest.fixture
def tables(database_url: str) -> Tables:
    return Tables(database_url)


@pytest.fixture(params=APIS, ids=lambda api: api.name)
def api(request: pytest.FixtureRequest) -> Api:
    """Each way to be configured for new payments."""
    chosen: Api = request.param
    return chosen


Start = Callable[..., Server]


@pytest.fixture
def start_server(tmp_path: Path, simulator: Simulator, database_url: str) -> Iterator[Start]:
    """Starts servers on the test's database; at the end: clean exit, no unexpected log line, no broken invariant."""
    started: list[Server] = []
    since = simulator.newest_exchange()

    def start(**environ: str) -> Server:
        server = Server(tmp_path, simulator, database_url, **environ)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()
    assert [line for server in started for line in server.surprises()] == []
    if started:
        assert broken_invariants(Tables(database_url), simulator, since) == {}


@pytest.fixture
def server(start_server: Start, api: Api) -> Server:
    """One server, once for each API generation and database."""
    return start_server(**api.environ)
