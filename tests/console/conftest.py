"""One server for all, with an operator of each role signed in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.database import Database
from tests.console.inside import Console
from tests.console.people import Hurried, Person, crowd
from tests.databases import Tables
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Simulator

LIMIT_FEN = 1000


@pytest.fixture(scope="package")
def shop(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("console")
    with Fleet(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        yield fleet


@pytest.fixture(scope="package")
def server(shop: Fleet) -> Server:
    return shop.start(Hurried, **V3.environ, OPS_REFUND_LIMIT_FEN=str(LIMIT_FEN), LOG_LEVEL="DEBUG")


@pytest.fixture(scope="package")
def people(server: Server) -> dict[str, Person]:
    return crowd(server)


def paid_order(server: Server, quantity: int = 1) -> str:
    """Of ¥28 each."""
    buyer = Buyer(server)
    order_no = str(buyer.order("latte", quantity)["order_no"])
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")
    return order_no


@pytest.fixture(scope="module")
def console(each_database: str) -> Iterator[Console]:
    database = Database(each_database, threads=2)
    database.migrate()
    yield Console(database, Tables(each_database))
    database.close()
