"""A row that another process keeps for too long: who needs it is told to come again, and nobody else waits for that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from models.database import ALONE_FOR
from models.engine import Contended
from services.attempts import OpenAttempt, open_attempts
from tests.databases import MariaDb, Tables
from tests.integration.shop import NOW, SOLD, Shop, tap, wish


@pytest.fixture(scope="module")
def shop(mariadb: MariaDb) -> Iterator[Shop]:
    """On SQLite a writer is alone, and keeps no row."""
    shop = Shop(mariadb.create())
    yield shop
    shop.database.close()


def test_an_order_that_somebody_keeps_costs_nobody_else_a_payment(shop: Shop) -> None:
    kept, *others = (each.order for each in shop.placed(*(wish(shop.ann) for _ in range(4))))
    opening = shop.database.batched(lambda taps: open_attempts(taps, SOLD, NOW))
    took: list[float] = []

    async def later() -> OpenAttempt:
        """Begins beside the batch that is held up."""
        await asyncio.sleep(ALONE_FOR / 2)
        began = time.monotonic()
        opened = await opening.submit(tap(shop.ann, others[2]))
        took.append(time.monotonic() - began)
        return opened

    async def all_at_once() -> list[OpenAttempt | BaseException]:
        first = asyncio.create_task(opening.submit(tap(shop.ann, others[0])))
        await asyncio.sleep(0)  # the next two wait for it, and go together
        together = [opening.submit(tap(shop.ann, order)) for order in (kept, others[1])]
        return await asyncio.gather(first, *together, later(), return_exceptions=True)

    with Tables(shop.url).connect() as connection:
        connection.cursor().execute(f"SELECT id FROM orders WHERE id = {kept.id} FOR UPDATE")
        one, theirs, two, late = asyncio.run(all_at_once())
    assert [type(each) for each in (one, theirs, two, late)] == [OpenAttempt, Contended, OpenAttempt, OpenAttempt]
    assert took[0] < 2, "it waited for a lock that it does not need"
