"""Statements that are composed once, on each database: what they find, and that they are not composed again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from peewee import Case, IntegrityError

from models import Notification, User
from models.database import Database, locked
from models.statements import Prepared, add, columns, insert, insert_new, row_of

NAMES = [f"o{number}" for number in range(6)]


@pytest.fixture(scope="module")
def database(each_database: str) -> Iterator[Database]:
    database = Database(each_database, threads=2)
    database.migrate()
    database.run_here(insert, User, [_user(name) for name in NAMES])
    yield database
    database.close()


def _user(name: str) -> dict[str, object]:
    return {"openid": name, "unionid": None, "created_at": 7}


def test_as_many_values_as_there_are_find_their_rows(database: Database) -> None:
    composed = []

    def compose(names: list[Any], created_at: Any) -> Any:
        composed.append(len(names))
        query = User.select().where(User.openid.in_(names), User.created_at == created_at, User.unionid.is_null())
        return locked(query.order_by(User.openid))

    named = Prepared[User](compose)
    for count in range(len(NAMES) + 1):
        found = database.run_here(named.all, NAMES[:count], 7)
        assert [(row.openid, row.unionid, row.created_at) for row in found] == [
            (name, None, 7) for name in NAMES[:count]
        ]
    assert composed == [0, 1, 2, 4, 8]
    assert database.run_here(named.all, NAMES, 8) == []


def test_some_columns_of_one_row(database: Database) -> None:
    one = Prepared[User](lambda name: User.select(*columns(User, "id openid")).where(User.openid == name))
    row = database.read_here(one.first, "o3")
    assert row is not None
    assert (row.openid, row.__data__) == ("o3", {"id": row.id, "openid": "o3"})
    assert database.read_here(one.first, "nobody") is None


def test_a_value_for_each_row(database: Database) -> None:
    def compose(names: list[Any], values: list[Any]) -> Any:
        cases = Case(User.openid, list(zip(names, values, strict=True)))
        return User.update(unionid=cases).where(User.openid.in_(names))

    def work() -> list[tuple[Any, ...]]:
        assert Prepared[User](compose).run(NAMES[:3], ["a", "b", None]) == 3
        found = Prepared[User](lambda: User.select(User.unionid).order_by(User.openid)).tuples()
        raise Undone(found)

    with pytest.raises(Undone) as undone:
        database.run_here(work)
    assert [row[0] for row in undone.value.args[0]] == ["a", "b", None, None, None, None]


def test_values_come_back_as_they_are(database: Database) -> None:
    """SQLite packs them into JSON on the way."""
    texts = ["茶🍵", "", "0", "it's", "\\", '"', "a\0b", "\n\x7f", '{"a":1}', "null"]

    def work() -> None:
        rows = [
            {"openid": text, "unionid": text or None, "created_at": (-1) ** i * 2**62 + i}
            for i, text in enumerate(texts)
        ]
        insert(User, rows)
        kept = Prepared[User](lambda names: User.select().where(User.openid.in_(names)).order_by(User.id)).all(texts)
        raise Undone([{name: row.__data__[name] for name in rows[0]} for row in kept], rows)

    with pytest.raises(Undone) as undone:
        database.run_here(work)
    found, given = undone.value.args
    assert found == given


def _notice(key: str, processed_at: int | None) -> dict[str, object]:
    told = {"adapter": "wechat_v3", "kind": "other", "report": "{}", "body_digest": "", "received_at": 7}
    return {"dedupe_key": key, **told, "processed_at": processed_at}


class Undone(Exception):
    """Takes what was found out of a unit that is to leave no trace."""


def test_rows_in_hand_are_added(database: Database) -> None:
    def work() -> None:
        add([row_of(User, _user(name)) for name in ("new", "newer")])
        raise Undone([row.openid for row in User.select().where(User.openid.startswith("new")).order_by(User.id)])

    with pytest.raises(Undone) as undone:
        database.run_here(work)
    assert undone.value.args == (["new", "newer"],)


def test_what_is_there_already_is_left_as_it_is(database: Database) -> None:
    def work() -> None:
        insert_new(User, [{**_user("o1"), "created_at": 8}, {**_user("other"), "created_at": 9}], "openid")
        raise Undone({row.openid: row.created_at for row in User.select()})

    with pytest.raises(Undone) as undone:
        database.run_here(work)
    assert undone.value.args[0] == {**dict.fromkeys(NAMES, 7), "other": 9}
    with pytest.raises(IntegrityError):
        database.run_here(insert, User, [_user("o1")])
    database.run_here(insert, User, [])


def test_what_is_there_already_is_filled_in_where_it_is_empty(database: Database) -> None:
    def work() -> None:
        for at in (None, 5, 6, None):
            insert_new(Notification, [_notice("a", at), _notice("b", None)], "dedupe_key", "processed_at")
        told = Notification.select().where(Notification.dedupe_key.in_(["a", "b"])).order_by(Notification.dedupe_key)
        raise Undone([(row.dedupe_key, row.processed_at, row.received_at) for row in told])

    with pytest.raises(Undone) as undone:
        database.run_here(work)
    assert undone.value.args == ([("a", 5, 7), ("b", None, 7)],)
