"""When something is asked about again: what failed together does not come again together."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from models import Transaction
from models.database import Database
from services.asking import BACK_OFF, Asking
from services.closing import AGAIN, Closing
from services.ports import spread
from tests.unit.test_funnel import NOW, an_order


@given(st.integers(1, 10_000), st.binary(min_size=1, max_size=1))
def test_never_sooner_and_at_most_a_fifth_later(seconds: int, thrown: bytes) -> None:
    assert seconds <= spread(seconds, lambda _: thrown) <= seconds + seconds / 5


def turns(database: Database, state: str) -> list[int]:
    """The next turns of three attempts that had theirs in the same second, with three throws of the dice."""
    thrown = iter((b"\x00", b"\x80", b"\xff"))

    def three() -> None:
        an_order("CLOSING" if state == "CLOSING" else "PAYING", attempts=[(letter, state) for letter in "ABC"])
        Transaction.update(ask_at=NOW).execute()

    async def one_pass() -> None:
        asking = Asking(database, {}, lambda: NOW, lambda _: next(thrown))
        await asking.ask_due()
        await Closing(database, {}, asking, lambda: NOW, lambda _: next(thrown)).close_due()

    database.run_here(three)
    asyncio.run(one_pass())
    return sorted(row.ask_at - NOW for row in Transaction.select())


def test_questions_are_spread(database: Database) -> None:
    assert turns(database, "PREPAID") == [BACK_OFF[0], BACK_OFF[0] + 2, BACK_OFF[0] + 3]


def test_closes_are_spread(database: Database) -> None:
    assert turns(database, "CLOSING") == [AGAIN, AGAIN + 6, AGAIN + 11]
