"""The simulator as its own process on a free port, and the merchant's notify addresses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.simulator.client import Sim
from tests.simulator.site import Merchant, opened

settings.register_profile("calm", deadline=None)  # a busy machine is not a failure
settings.load_profile("calm")


@pytest.fixture(scope="session")
def sim() -> Iterator[Sim]:
    """One simulator for the tests that do not move its clock or break its keys."""
    running = Sim()
    yield running
    assert running.stop() == 0
    assert not [line for line in running.log if "Traceback" in line or " ERROR " in line]


@pytest.fixture
def fault(sim: Sim) -> Iterator[Callable[..., None]]:
    """Set one fault of the shared simulator: ``fault("v3.*", "tamper", field="total")``. It is gone after the test."""

    def put(op: str, name: str, **more: Any) -> None:
        sim.control("PUT", "faults", [{"op": op, "fault": name, "count": 1, **more}])

    yield put
    sim.control("DELETE", "faults")


@pytest.fixture(scope="session")
def merchant_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A merchant made once: three RSA pairs for every simulator would take longer than the tests."""
    folder = tmp_path_factory.mktemp("merchant")
    Sim("--data", str(folder)).stop()
    return folder / "merchant.json"


@pytest.fixture
def own_sim(merchant_json: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sim]]:
    """Start a simulator of one's own: ``own_sim("--data", ...)``; without a folder, one with the merchant made once."""
    started: list[Sim] = []

    def start(*options: str) -> Sim:
        if "--data" not in options:
            folder = tmp_path_factory.mktemp("sim")
            shutil.copy(merchant_json, folder)
            options = (*options, "--data", str(folder))
        started.append(Sim(*options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def merchant_site() -> Iterator[Merchant]:
    with opened() as merchant:
        yield merchant
