"""``kill -9`` at any moment while a crowd buys, cancels and is given money back: of a server, and of the database."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.aftermath import DATABASE_AWAY, nothing_lost_nothing_doubled, told
from tests.crash.rounds import SEED, times
from tests.databases import MariaDb
from tests.faults.crowd import KEY, Crowd
from tests.fleet import Fleet
from tests.harness import V2_MD5, V3, Server, Simulator

SERVERS, DATABASES = times(3, 100), times(3, 50)  # kills; an SQLite file cannot be killed
CROWD = times(2, 3)  # they go on while a server starts
APART = (0.05, 0.8)  # seconds of work between two kills


def opened(folder: Path, simulator: Simulator, url: str) -> Fleet:
    """Two servers on one database, one for new payments through each generation."""
    fleet = Fleet(folder, simulator, url)
    for api in (V2_MD5, V3):
        fleet.start(MERCHANT_API_KEY=KEY, **api.environ).expect_log(*DATABASE_AWAY)
    return fleet


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_killed_at_any_moment(kind: str, request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> None:
    mariadb = request.getfixturevalue("own_mariadb") if kind == "mariadb" else None
    url = mariadb.create() if mariadb else f"sqlite:///{tmp_path / 'pay.db'}"
    dice = random.Random(SEED)
    with opened(tmp_path, simulator, url) as fleet:
        victims: list[Server | MariaDb] = [dice.choice(fleet.servers) for _ in range(SERVERS)]
        victims += [mariadb] * DATABASES if mariadb else []
        dice.shuffle(victims)
        crowd = Crowd(fleet.servers)
        with crowd.going_on(CROWD):
            for victim in victims:
                time.sleep(dice.uniform(*APART))
                victim.process.kill()
                victim.start()
            crowd.until_each(1)
        nothing_lost_nothing_doubled(fleet, crowd)
    print(f"seed {SEED}: {SERVERS} kills of a server, {len(victims) - SERVERS} of {kind}; {told(crowd)}")


@pytest.fixture
def own_mariadb(tmp_path: Path, mariadb: MariaDb) -> Iterator[MariaDb]:
    server = MariaDb(tmp_path)
    yield server
    server.close()
