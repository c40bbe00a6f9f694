"""Servers that live as long as a module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import Fleet, Trio
from tests.harness import Simulator
from tests.scene import Scene


@pytest.fixture(scope="module")
def shop(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Servers on one SQLite file, for what does not depend on the database."""
    folder = tmp_path_factory.mktemp("shop")
    with Fleet(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def trio(each_database: str, shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """One server for each way to pay, all on one database of each kind."""
    with Trio(tmp_path_factory.mktemp("trio"), shared_simulator, each_database) as fleet:
        yield fleet.open()


@pytest.fixture(scope="module")
def sqlite_trio(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """The same on SQLite alone, for what does not depend on the database."""
    folder = tmp_path_factory.mktemp("trio")
    with Trio(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        yield fleet.open()


@pytest.fixture(scope="module")
def scene(shop: Fleet) -> Scene:
    return Scene.opened(shop)


@pytest.fixture
def nothing_is_written(scene: Scene) -> Iterator[None]:
    """Every row of every table is afterwards what it was before."""
    before = scene.tables.snapshot()
    yield
    assert scene.tables.snapshot() == before
