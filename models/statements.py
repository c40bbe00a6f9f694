"""Statements that Peewee composes once: for what is done at every request.

Peewee takes longer to compose a statement than the database to run it. A ``Prepared`` is composed when it is first run,
with a place for each value, and from then on only filled in:

    BY_NUMBER = Prepared(lambda order_no: Order.select().where(Order.order_no == order_no))
    order = BY_NUMBER.first("MP2026...")

Values go to the driver, and come back from it, as they are: whole numbers and text, as the columns hold them. There
are no others in these tables.

SQLite's driver lets other threads run before each row that it fetches, and then waits for its turn. So SQLite packs
what it finds into one JSON array, and hands over a single row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, Generic, TypeVar

import peewee

from models.base import proxy

M = TypeVar("M", bound=peewee.Model)
TOGETHER = 128  # rows of one INSERT


@dataclass(frozen=True, slots=True)
class _Mark:
    """Stands for a value until there is one: which argument, and which item of it if that is a list."""

    argument: int
    item: int | None = None

    def value(self, arguments: Sequence[Any]) -> Any:
        return arguments[self.argument] if self.item is None else arguments[self.argument][self.item]


class _Place(peewee.Node):
    """A mark as Peewee wants it in a query: a node, which it does not convert."""

    def __init__(self, mark: _Mark) -> None:
        self._mark = mark

    def __sql__(self, ctx: peewee.Context) -> peewee.Context:
        ctx.value(self._mark, converter=False)
        return ctx


@dataclass(frozen=True, slots=True)
class _Composed:
    model: type[peewee.Model]
    sql: str
    parts: tuple[Any, ...]  # marks, and what the query says itself
    names: tuple[str, ...] = ()  # of the columns that a SELECT finds
    packed: bool = False

    @classmethod
    def by(cls, query: Any) -> _Composed:
        sql, parts = query.sql()
        finds = isinstance(query, peewee.BaseModelSelect)
        if not finds:
            return cls(query.model, sql, tuple(parts))
        first = getattr(query, "lhs", query)  # of a UNION
        names = tuple(column.name for column in first.selected_columns)
        packed = issubclass(_engine(), peewee.SqliteDatabase)
        return cls(query.model, _packed(sql, len(names)) if packed else sql, tuple(parts), names, packed)

    def run(self, arguments: Sequence[Any]) -> Any:
        """The driver's cursor."""
        values = [part.value(arguments) if type(part) is _Mark else part for part in self.parts]
        return proxy.execute_sql(self.sql, values)

    def found(self, arguments: Sequence[Any]) -> Sequence[Sequence[Any]]:
        cursor = self.run(arguments)
        found: Sequence[Sequence[Any]] = json.loads(cursor.fetchone()[0]) if self.packed else cursor.fetchall()
        return found


def _packed(sql: str, columns: int) -> str:
    """All rows in one, in the order that the query asks for."""
    names = ", ".join(f"c{number}" for number in range(columns))
    return f"WITH found({names}) AS ({sql}) SELECT json_group_array(json_array({names})) FROM found"  # noqa: S608 - ours


class Prepared(Generic[M]):
    """``compose`` makes a query on one model of as many values as it takes.

    A list, for an IN or a CASE, is made longer by repeating its last item, so that there are few lengths to compose.
    None is no value to compare with: Peewee would have written IS NULL.
    """

    def __init__(self, compose: Callable[..., Any]) -> None:
        self._compose = compose
        self._composed: dict[tuple[object, ...], _Composed] = {}

    def all(self, *values: Any) -> list[M]:
        composed, arguments = self._for(values)
        model: type[M] = composed.model  # type: ignore[assignment]  # the query's own
        return [row_of(model, zip(composed.names, row, strict=True)) for row in composed.found(arguments)]

    def first(self, *values: Any) -> M | None:
        return next(iter(self.all(*values)), None)

    def tuples(self, *values: Any) -> list[tuple[Any, ...]]:
        """Plain rows, for a query that selects from several models."""
        composed, arguments = self._for(values)
        return [tuple(row) for row in composed.found(arguments)]

    def run(self, *values: Any) -> int:
        """How many rows an UPDATE or DELETE found."""
        composed, arguments = self._for(values)
        return int(composed.run(arguments).rowcount)

    def _for(self, values: Sequence[Any]) -> tuple[_Composed, Sequence[Any]]:
        """The statement for values of this shape, and what goes into it."""
        arguments = [_padded(value) if isinstance(value, list) else value for value in values]
        shape = (_engine(), *(len(value) if isinstance(value, list) else None for value in arguments))
        composed = self._composed.get(shape)
        if composed is None:
            places = [_places(index, value) for index, value in enumerate(arguments)]
            composed = self._composed[shape] = _Composed.by(self._compose(*places))
        return composed, arguments


def _engine() -> Any:
    """Which database composed it: tests have both in one process."""
    return type(proxy.obj)


def _padded(values: list[Any]) -> list[Any]:
    """Of a length that is a power of two."""
    missing = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return values + values[-1:] * missing


def _places(argument: int, value: Any) -> Any:
    if isinstance(value, list):
        return [_Place(_Mark(argument, item)) for item in range(len(value))]
    return _Place(_Mark(argument))


def columns(model: type[peewee.Model], names: str) -> list[peewee.Field]:
    """Some of them, to select: ``columns(Order, "id state")``."""
    return [getattr(model, name) for name in names.split()]


def row_by_row(text: peewee.Field) -> Any:
    """A column beside a list of keys, to be compared in the rows that the keys find. SQLite thinks the column's index a
    shorter way than many keys, and walks all rows of one state."""
    return peewee.fn.COALESCE(text, "")


def row_of(model: type[M], values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> M:
    """A row in hand, without a look at each value."""
    made = model(__no_default__=True)
    made.__data__.update(values)
    return made


def insert_all(model: type[peewee.Model], columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Many plain rows."""
    _insert_rows(model, tuple(columns), rows)


def insert(model: type[peewee.Model], rows: Sequence[dict[str, object]]) -> None:
    """Many rows, of the same columns: two at least."""
    _insert_dicts(model, rows)


def add(rows: Sequence[M]) -> None:
    """New rows of one table, as they are in hand, of the same columns."""
    if rows:
        insert(type(rows[0]), [row.__data__ for row in rows])


def insert_new(model: type[peewee.Model], rows: Sequence[dict[str, object]], key: str, *fill: str) -> None:
    """Many rows, of the same columns; one whose ``key`` is there already is left as it is, but for the one column to
    ``fill`` in if it is empty there."""
    _insert_dicts(model, rows, key, *fill)


def _insert_dicts(model: type[peewee.Model], rows: Sequence[dict[str, object]], *met: str) -> None:
    if rows:
        columns = tuple(rows[0])
        _insert_rows(model, columns, list(map(itemgetter(*columns), rows)), *met)


def _insert_rows(
    model: type[peewee.Model], columns: tuple[str, ...], rows: Sequence[Sequence[object]], *met: str
) -> None:
    start = 0
    while start < len(rows):
        part = rows[start : start + _at_once(len(rows) - start)]
        proxy.execute_sql(_insert(_engine(), model, columns, len(part), *met), list(chain.from_iterable(part)))
        start += len(part)


def _at_once(left: int) -> int:
    """How many rows the next statement takes: many, since to MySQL each is a way there and back, and at each SQLite
    lets other threads run, and waits for them. But its driver keeps what it has prepared: powers of two are few."""
    most = min(left, TOGETHER)
    return most if issubclass(_engine(), peewee.MySQLDatabase) else 1 << (most.bit_length() - 1)


@cache
def _insert(engine: Any, model: Any, columns: tuple[str, ...], count: int, *met: str) -> str:
    places = [_Place(_Mark(number)) for number in range(len(columns))]
    query = model.insert_many([places] * count, [getattr(model, name) for name in columns])
    if met:
        query = _met(query, issubclass(engine, peewee.MySQLDatabase), *(getattr(model, name) for name in met))
    return str(query.sql()[0])


def _met(query: Any, mysql: bool, key: Any, empty: Any = None) -> Any:
    """Not INSERT IGNORE: on MySQL that would also swallow a value that does not fit."""
    if mysql:
        new = {key: key} if empty is None else {empty: peewee.fn.COALESCE(empty, peewee.fn.VALUES(empty))}
        return query.on_conflict(update=new)
    if empty is None:
        return query.on_conflict_ignore()
    new = {empty: getattr(peewee.EXCLUDED, empty.name)}
    return query.on_conflict(conflict_target=[key], update=new, where=empty.is_null())
