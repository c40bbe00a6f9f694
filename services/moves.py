"""Every change of a state goes through here: compare-and-set, then a line in the log, in the caller's transaction.

``step`` decides (and moves the row in hand), ``write`` tells the tables, for many rows with one UPDATE and one INSERT.
A state is entered once in a row's life, because every move raises its rank: comparing the state compares the version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from peewee import Case

from models import Order, Refund, Shipment, StateLog, Transaction
from models.database import Raced
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
    row.state, row.version = target, row.version + 1
    for name, value in columns.items():
        setattr(row, name, value)
    return Step(row, source, target, row.version, note[:200], columns)


def write(steps: Sequence[Step], actor: str, now: int) -> None:
    """Raises Raced if a row is not in the state its step began from: the whole unit of work is run again."""
    for _, group in groupby(sorted(steps, key=lambda item: item.kind), key=lambda item: item.kind):
        _update(list(group))
    if steps:
        StateLog.insert_many([_line(item, actor, now) for item in steps]).execute()


def move(row: Row, target: str, actor: str, now: int, note: str = "", **columns: Any) -> None:
    """One step of one row, decided and written."""
    write([step(row, target, note, **columns)], actor, now)


def begin(row: Row, actor: str, now: int) -> None:
    """The first line in the log of a row that was just inserted."""
    StateLog.insert(**_line(Step(row, "", row.state, row.version, "", {}), actor, now)).execute()


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
    model = type(steps[0].row)
    changes = {name: _values(model, steps, name) for name in steps[0].columns}
    changed = (
        model.update(state=steps[0].target, version=model.version + 1, **changes)
        .where(model.id.in_([item.row.id for item in steps]), model.state == steps[0].source)
        .execute()
    )
    if changed != len(steps):
        raise Raced(f"{len(steps)} rows expected in {steps[0].source}, {changed} found")


def _values(model: type[Row], steps: list[Step], name: str) -> Any:
    """One value if all agree, else ``CASE id WHEN … THEN …``."""
    values = [(item.row.id, item.columns[name]) for item in steps]
    if all(value == values[0][1] for _, value in values):
        return values[0][1]
    return Case(model.id, values)


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
