"""Every change of a state goes through here: compare-and-set, then a line in the log, in the caller's transaction.

``step`` decides (and moves the row in hand), ``write`` tells the tables, for many rows with one UPDATE and one INSERT.
A state is entered once in a row's life, because every move raises its rank: comparing the state compares the version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from peewee import Case

from models import Order, Refund, Shipment, StateLog, Transaction
from models.database import Raced
from models.statements import Prepared, insert, row_by_row
from models.states import ORDER, REFUND, SHIPMENT, TRANSACTION, StateTable

Row = Order | Transaction | Refund | Shipment
TABLES: dict[type[Row], StateTable] = {Order: ORDER, Transaction: TRANSACTION, Refund: REFUND, Shipment: SHIPMENT}


@dataclass(frozen=True, slots=True)
class Step:
    """One move of one row, decided and not yet written."""

    row: Row
    source: str
    target: str
    seq: int
    note: str
    columns: Mapping[str, Any]

    @property
    def kind(self) -> tuple[str, int, str, str, tuple[str, ...]]:
        """What steps of one UPDATE have in common; sorts so that a row's earlier move comes first."""
        table = _table(self.row)
        return (table.entity, table.ranks[self.target], self.source, self.target, tuple(self.columns))


def step(row: Row, target: str, note: str = "", **columns: Any) -> Step:
    """Move the row in hand to ``target``, setting ``columns`` with it. Raises IllegalMove: that is a bug."""
    source = row.state
    _table(row).check(source, target)
    version = row.version + 1
    row.__data__.update(columns, state=target, version=version)
    return Step(row, source, target, version, note[:200], columns)


def write(steps: Sequence[Step], actor: str, now: int) -> None:
    """Raises Raced if a row is not in the state its step began from: the whole unit of work is run again."""
    moved: defaultdict[tuple[Any, ...], list[Step]] = defaultdict(list)
    for item in steps:
        if item.source:
            moved[item.kind].append(item)
    for kind in sorted(moved):
        _update(moved[kind])
    insert(StateLog, [_line(item, actor, now) for item in steps])


def move(row: Row, target: str, actor: str, now: int, note: str = "", **columns: Any) -> None:
    """One step of one row, decided and written."""
    write([step(row, target, note, **columns)], actor, now)


def beginning(row: Row) -> Step:
    """The first line in the log of a row that was just inserted."""
    return Step(row, "", row.state, row.version, "", {})


def begin(row: Row, actor: str, now: int) -> None:
    """That line, written."""
    write([beginning(row)], actor, now)


def note_resolution(entity: str, number: str, source: str, target: str, actor: str, note: str, now: int) -> None:
    """What an operator resolved, as a line in the log: of a discrepancy, or of a payment that did not fit at first.

    There is one such line in the life of either: the log's unique key refuses a second.
    """
    StateLog.create(
        entity=entity, entity_id=number, seq=1, from_state=source, to_state=target, actor=actor, note=note[:200], at=now
    )


def _table(row: Row) -> StateTable:
    return TABLES[type(row)]


def _update(steps: list[Step]) -> None:
    names = tuple(steps[0].columns)
    values = [_agreed([item.columns[name] for item in steps]) for name in names]
    update = _prepared(type(steps[0].row), names)
    changed = update.run(steps[0].target, steps[0].source, [item.row.id for item in steps], *values)
    if changed != len(steps):
        raise Raced(f"{len(steps)} rows expected in {steps[0].source}, {changed} found")


def _agreed(values: list[Any]) -> Any:
    """The one value if all agree, else the list of them."""
    return values[0] if all(value == values[0] for value in values) else values


@cache
def _prepared(model: type[Row], names: tuple[str, ...]) -> Prepared[Row]:
    """Sets ``names`` beside the state: each to its one value, or to ``CASE id WHEN … THEN …``."""

    def compose(target: Any, source: Any, ids: list[Any], *values: Any) -> Any:
        news = [Case(model.id, list(zip(ids, new, strict=True))) if isinstance(new, list) else new for new in values]
        changes = dict(zip(names, news, strict=True))
        moved = model.update(state=target, version=model.version + 1, **changes)
        return moved.where(model.id.in_(ids), row_by_row(model.state) == source)

    return Prepared(compose)


def _line(item: Step, actor: str, now: int) -> dict[str, Any]:
    return {
        "entity": _table(item.row).entity,
        "entity_id": item.row.number,
        "seq": item.seq,
        "from_state": item.source or None,
        "to_state": item.target,
        "actor": actor,
        "note": item.note,
        "at": now,
    }
