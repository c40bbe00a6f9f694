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
from tests.harness import V2_MD5, V3, Simulator

SERVER_KILLS = times(8, 100)  # on each database
DATABASE_KILLS = times(8, 50)
CROWD = 3  # they go on while a server starts
APART = (0.05, 0.8)  # seconds of work between two kills


def opened(folder: Path, simulator: Simulator, url: str) -> Fleet:
    """Two servers on one database, one for new payments through each generation."""
    fleet = Fleet(folder, simulator, url)
    for api in (V2_MD5, V3):
        fleet.start(MERCHANT_API_KEY=KEY, **api.environ).expect_log(*DATABASE_AWAY)
    return fleet


def moments(kills: int) -> Iterator[random.Random]:
    """Sleeps, then yields the dice for what else is to be drawn."""
    dice = random.Random(SEED)
    for _ in range(kills):
        time.sleep(dice.uniform(*APART))
        yield dice


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_server_is_killed(kind: str, request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> None:
    mariadb = kind == "mariadb"
    url = request.getfixturevalue("mariadb").create() if mariadb else f"sqlite:///{tmp_path / 'pay.db'}"
    with opened(tmp_path, simulator, url) as fleet:
        crowd = Crowd(fleet.servers)
        with crowd.going_on(CROWD):
            for dice in moments(SERVER_KILLS):
                server = dice.choice(fleet.servers)
                server.process.kill()
                server.start()
            crowd.until_each(1)
        nothing_lost_nothing_doubled(fleet, crowd)
    print(f"seed {SEED}: {SERVER_KILLS} kills of a server on {kind}; {told(crowd)}")


@pytest.mark.usefixtures("mariadb")  # which tells what to install, if it is not
def test_the_database_is_killed(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> None:
    mariadb = MariaDb(tmp_path_factory.mktemp("killed"))
    with opened(tmp_path_factory.mktemp("shop"), simulator, mariadb.create()) as fleet:
        crowd = Crowd(fleet.servers)
        with crowd.going_on(CROWD):
            for _ in moments(DATABASE_KILLS):
                mariadb.process.kill()
                mariadb.start()
            crowd.until_each(1)
        nothing_lost_nothing_doubled(fleet, crowd)
    mariadb.close()
    print(f"seed {SEED}: {DATABASE_KILLS} kills of mariadbd; {told(crowd)}")
