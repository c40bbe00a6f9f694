"""The state tables as data: every move raises the rank, and what is not in the table is a bug."""

from __future__ import annotations

import itertools

import pytest

from models.states import ORDER, TABLES, IllegalMove, StateTable


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_move_raises_the_rank(table: StateTable) -> None:
    for move in table.moves:
        for source in move.sources:
            assert table.ranks[source] < table.ranks[move.target], f"{source} -> {move.target}"


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_only_what_the_table_says_may_happen(table: StateTable) -> None:
    legal = {(source, move.target) for move in table.moves for source in move.sources}
    for source, target in itertools.product(table.ranks, repeat=2):
        if (source, target) in legal:
            table.check(source, target)
        else:
            with pytest.raises(IllegalMove):
                table.check(source, target)


def test_a_paid_order_never_moves_again() -> None:
    assert not [move for move in ORDER.moves if "PAID" in move.sources or "PAID_LATE" in move.sources]
