"""The tables on each database: migrations, session settings, lost races, and invariants that do fire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import OperationalError

from models import Discrepancy, Order, Outbox, Payment, Shipment, StateLog, Transaction, User, invariants
from models.base import proxy
from models.database import MIGRATIONS, Database, Raced, rows
from models.engine import LOOSE_KEYS, OTHERS, DatabaseUnavailable, migration_lock, open_engine
from models.statements import row_of
from services.moves import begin, move, step, write
from services.placing import WAITING
from tests.databases import MariaDb, Tables

NOW = 1_800_000_000
ALL = sorted(path.stem for path in MIGRATIONS.glob("0*.py"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, threads=2)
    assert database.pending_migrations() == ALL
    database.migrate()
    yield database
    database.close()


def test_migrations_are_applied_once_and_survive_a_kill(database: Database, tables: Tables) -> None:
    assert database.pending_migrations() == []
    assert database.migrate() == []
    tables.rows("DELETE FROM schema_migration")  # as if the process had died before it was written down
    assert database.migrate() == ALL


def test_a_migration_may_take_longer_than_a_request(mariadb: MariaDb) -> None:
    """An index over a million rows does: five seconds of silence are no lost connection then, and one afterwards."""
    engine = open_engine(mariadb.create())
    with migration_lock(engine):
        assert engine.execute_sql("SELECT SLEEP(5.5)").fetchone() == (0,)
    with pytest.raises(OperationalError, match="Lost connection"):
        engine.execute_sql("SELECT SLEEP(5.5)")
    engine.drop()


def test_the_session_is_fit_for_money(database: Database) -> None:
    assert database.check() == []


@pytest.mark.parametrize("sql", [OTHERS, LOOSE_KEYS], ids=["engines", "keys"])
def test_a_start_looks_at_no_other_schema(mariadb: MariaDb, sql: str) -> None:
    """A server that holds many would open all their tables, and stumble over what is wrong with any."""
    engine = open_engine(mariadb.create())
    plan = str(engine.execute_sql(f"EXPLAIN {sql}").fetchall())
    assert "Scanned 1 database" in plan
    assert "Scanned all" not in plan
    engine.drop()


def test_many_rows_are_found_by_their_keys_and_not_by_a_state_that_all_have(tmp_path: Path) -> None:
    """Without statistics SQLite thinks an index a shorter way than a hundred keys: it would walk every open order."""
    database = Database(f"sqlite:///{tmp_path / 'pay.db'}", threads=1)
    database.migrate()
    of_buyers, of_orders = database.run_here(_plans)
    assert "USING INDEX orders_user_id" in of_buyers
    assert "orders USING INTEGER PRIMARY KEY" in of_orders
    database.close()


def _plans() -> tuple[str, str]:
    """How orders are counted that buyers have open, and how a hundred are moved."""
    many, said, connection = list(range(1, 101)), list[str](), proxy.obj.connection()
    connection.set_trace_callback(said.append)
    WAITING.tuples(many)
    orders = [
        row_of(Order, {"id": number, "order_no": str(number), "state": "PAYING", "version": 1}) for number in many
    ]
    with pytest.raises(Raced):  # there is none of them
        write([step(order, "PAID", paid_fen=1, paid_at=2) for order in orders], "notification", 3)
    connection.set_trace_callback(None)
    plans = [str([row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]) for sql in said]
    return plans[0], plans[-1]


def test_keys_compare_by_bytes(database: Database) -> None:
    def look() -> tuple[Any, Any]:
        User.create(openid="oAbC", created_at=NOW)
        return User.get_or_none(User.openid == "OABC"), User.get_or_none(User.openid == "oAbÇ")

    assert database.run_here(look) == (None, None)


def test_text_of_every_kind_survives(database: Database) -> None:
    texts = ["茶🍵 'quoted' \\ %s", "", "0", "_a1", "ＡＢ１２", "茶", "'", "\\", "a'", "1\\", '"', "a\0b", "\n", "NULL"]

    def there_and_back() -> list[str]:
        for number, detail in enumerate(texts):
            Discrepancy.create(kind="K", ref=str(number), detail=detail, state="OPEN", created_at=NOW)
        return [row.detail for row in Discrepancy.select().order_by(Discrepancy.id)]

    assert database.run_here(there_and_back) == texts


def test_a_lost_race_is_run_again_whole(database: Database) -> None:
    seen = []

    def unit() -> int:
        User.create(openid=f"o{len(seen)}", created_at=NOW)
        seen.append(User.select().count())
        if len(seen) < 3:
            raise Raced("again")
        return seen[-1]

    assert database.run_here(unit) == 1
    assert seen == [1, 1, 1]  # what the lost rounds wrote was undone


def test_a_race_that_is_never_won_is_given_up(database: Database) -> None:
    def unit() -> None:
        raise Raced("always")

    with pytest.raises(DatabaseUnavailable):
        database.run_here(unit)


def test_a_database_that_is_away_says_so() -> None:
    away = Database("mysql://root:@127.0.0.1:1/none", threads=1)
    with pytest.raises(DatabaseUnavailable):
        away.run_here(lambda: None)
    away.close()


def good_data() -> None:
    """One paid order, as the program leaves it."""
    user = User.create(openid="o", created_at=NOW)
    order = Order.create(
        order_no="MP1", user=user, amount_fen=100, currency="CNY", state="CREATED", version=1, paid_fen=0,
        refunded_fen=0, request_hash="", created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    begin(order, "user", NOW)
    attempt = Transaction.create(
        out_trade_no="WX1", order=order, adapter="wechat_v3", scheme="RSA", appid="wx", mchid="1", openid="o",
        amount_fen=100, currency="CNY", request="{}", fingerprint="f", state="PREPARED", version=1, open_slot=1,
        created_at=NOW, expires_at=NOW, asked=0,
    )  # fmt: skip
    begin(attempt, "user", NOW)
    move(order, "PAYING", "user", NOW)
    move(attempt, "PAID", "query", NOW, open_slot=None)
    move(order, "PAID", "query", NOW, paid_fen=100, paid_at=NOW)
    Payment.create(
        provider_transaction_id="42", out_trade_no="WX1", order=order, appid="wx", mchid="1", openid="o",
        amount_fen=100, currency="CNY", disposition="APPLIED", applied_slot=1, held_fen=0, external_fen=0,
        refunded_fen=0, source="query", adapter="wechat_v3", paid_at=NOW, created_at=NOW,
    )  # fmt: skip
    Outbox.create(order=order, kind="FULFIL", created_at=NOW)
    shipment = Shipment.create(
        shipment_no="MP1-1", order=order, payment=1, revision=1, logistics_type="virtual", parcels="[]",
        all_delivered=1, fingerprint="f", state="REQUESTED", version=1, refusal="", created_at=NOW, asked=0,
    )  # fmt: skip
    begin(shipment, "merchant", NOW)


SECOND_PAYMENT = """INSERT INTO payments (provider_transaction_id, out_trade_no, order_id, appid, mchid, openid,
    amount_fen, currency, disposition, held_fen, refunded_fen, source, adapter, paid_at, created_at)
    SELECT '43', out_trade_no, order_id, appid, mchid, openid, amount_fen, currency, 'APPLIED', 0, 0, source, adapter,
    paid_at, created_at FROM payments"""

ALONE = """INSERT INTO refund_requests (refund_no, order_no, amount_fen, reason, requester, state, decided_by, note,
    created_at) VALUES ('R', 'MP1', 50, '', 'bob', 'APPROVED', 'anna', '', 1)"""

DAMAGE = {
    "1 ": SECOND_PAYMENT,
    "2 ": "UPDATE payments SET amount_fen = 99",
    "3 ": "UPDATE payments SET disposition = 'MISMATCH', applied_slot = NULL",
    "5 ": "DELETE FROM outbox",
    "6 ": "UPDATE payments SET held_fen = 100",
    "7 ": "UPDATE state_log SET from_state = 'CLOSED' WHERE seq = 2",
    "8 ": "UPDATE orders SET state = 'PAYING'",
    "11 ": "UPDATE transactions SET open_slot = 1",
    "17 ": ALONE,
    "21 ": "UPDATE orders SET state = 'PAID_LATE'",
}


@pytest.mark.parametrize("number", DAMAGE)
def test_each_invariant_fires_on_planted_damage(database: Database, tables: Tables, number: str) -> None:
    """A query that cannot fail shows nothing."""
    database.run_here(good_data)
    assert {name: tables.rows(sql) for name, sql in invariants.LOCAL.items() if tables.rows(sql)} == {}
    tables.rows(DAMAGE[number])
    (name,) = (name for name in invariants.LOCAL if name.startswith(number))
    broken = tables.rows(invariants.LOCAL[name])
    assert broken
    for begins, expected in ((0, len(broken)), (1000, 0)):  # as the watch asks, range by range
        parts = [invariants.within(sql, begins, begins + 1000) for sql in invariants.PARTS[name]]
        assert sum(len(database.read_here(rows, *part)) for part in parts) == expected


def test_refunds_over_what_was_paid_are_refused_by_the_table(database: Database, tables: Tables) -> None:
    database.run_here(good_data)
    with pytest.raises(Exception, match=r"(?i)constraint"):
        tables.rows("UPDATE payments SET held_fen = 101")


def test_the_log_has_one_line_a_move(database: Database) -> None:
    database.run_here(good_data)
    lines = database.run_here(lambda: [(r.entity, r.seq, r.to_state) for r in StateLog.select().order_by(StateLog.id)])
    assert ("order", 3, "PAID") in lines
    assert len(lines) == 6
