"""Rows to be measured with: buyers with a session each, and orders that wait for their payment.

Written by statements that SQLite and MariaDB both understand; every chain of states is whole, so that the invariants
can be asked afterwards.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from benchmarks import numbers
from benchmarks.keys import APPID, MCHID
from models.database import Database
from services.catalogue import Catalogue
from tests.databases import Tables

CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue" / "products.json"
FILLED = [
    "outbox",
    "discrepancies",
    "state_log",
    "notifications",
    "payments",
    "transactions",
    "order_items",
    "orders",
    "sessions",
    "users",
    "job_runs",
    "refusals",
]
SCHEME = {"v3": "RSA", "v2": "MD5"}
LASTS = 4 * 3600  # seconds: nothing expires and nothing is asked about while it is measured


def migrate(url: str) -> None:
    """Tables and catalogue."""
    database = Database(url, threads=1)
    database.migrate()
    Catalogue(database).replace(CATALOGUE)
    database.close()


def fill(url: str, api: str, orders: int) -> None:
    """Empty the tables, then so many orders with a prepaid attempt each."""
    mysql = url.startswith("mysql")
    with Tables(url).connect() as connection:
        cursor = connection.cursor()
        if mysql:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
        else:
            _teach(connection)
        for table in FILLED:
            cursor.execute(f"TRUNCATE TABLE {table}" if mysql else f"DELETE FROM {table}")
        for sql in _statements(api, orders):
            cursor.execute(sql)
        connection.commit()
        cursor.execute("ANALYZE TABLE orders, transactions, payments" if mysql else "PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.fetchall()


def _teach(connection: Any) -> None:
    """SQLite the functions of MariaDB that are used below."""
    assert isinstance(connection, sqlite3.Connection)
    connection.create_function("LPAD", 3, lambda value, width, fill: str(value).rjust(width, fill))
    connection.create_function("CONCAT", 2, lambda a, b: f"{a}{b}")
    connection.create_function("SHA2", 2, lambda text, _: hashlib.sha256(text.encode()).hexdigest())


def _numbered(count: int) -> str:
    return (
        f"(WITH RECURSIVE d(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM d WHERE x < 999) SELECT a.x * 1000 + b.x AS n"
        f" FROM d a CROSS JOIN d b WHERE a.x <= {count // 1000} AND a.x * 1000 + b.x < {count}) AS t"
    )


def _padded(prefix: str, number: str, like: str) -> str:
    """``numbers`` in SQL: ``like`` is any of the kind."""
    return f"CONCAT('{prefix}', LPAD({number}, {len(like) - len(prefix)}, '0'))"


def _statements(api: str, orders: int) -> list[str]:
    now, later = int(time.time()), int(time.time()) + LASTS
    order_no = _padded("BENCHORDER", "n", numbers.order_no(0))
    trade_no = _padded("BENCH", "n", numbers.out_trade_no(0))
    token = _padded("mp1_", "n", numbers.token(0))
    buyers, waiting = _numbered(numbers.BUYERS), _numbered(orders)
    users = f"""
        INSERT INTO users (id, openid, created_at) SELECT n + 1, CONCAT('bench-', n), {now} FROM {buyers}"""
    sessions = f"""
        INSERT INTO sessions (token_hash, user_id, created_at, seen_at)
        SELECT SHA2({token}, 256), n + 1, {now}, {now} FROM {buyers}"""
    placed = f"""
        INSERT INTO orders (id, order_no, user_id, amount_fen, currency, state, version, paid_fen, refunded_fen,
            request_hash, created_at, expires_at)
        SELECT n + 1, {order_no}, n % {numbers.BUYERS} + 1, {numbers.AMOUNT}, 'CNY', 'PAYING', 2, 0, 0,
            '', {now}, {later} FROM {waiting}"""
    items = f"""
        INSERT INTO order_items (order_id, product_id, title, price_fen, quantity)
        SELECT n + 1, '{numbers.PRODUCT}', '拿铁咖啡', {numbers.AMOUNT}, 1 FROM {waiting}"""
    attempts = f"""
        INSERT INTO transactions (out_trade_no, order_id, adapter, scheme, appid, mchid, openid, amount_fen, currency,
            request, fingerprint, state, version, open_slot, prepay_id, prepaid_at, handed_at, created_at, expires_at,
            asked, ask_at)
        SELECT {trade_no}, n + 1, 'wechat_{api}', '{SCHEME[api]}', '{APPID}', '{MCHID}', CONCAT('bench-', n),
            {numbers.AMOUNT}, 'CNY', '{{}}', '', 'PREPAID', 2, 1, 'wx0', {now}, {now}, {now}, {later}, 0, {later}
        FROM {waiting}"""
    steps = [
        ("order", order_no, 1, "NULL", "CREATED"),
        ("order", order_no, 2, "'CREATED'", "PAYING"),
        ("transaction", trade_no, 1, "NULL", "PREPARED"),
        ("transaction", trade_no, 2, "'PREPARED'", "PREPAID"),
    ]
    log = [
        f"""
        INSERT INTO state_log (entity, entity_id, seq, from_state, to_state, actor, note, at)
        SELECT '{entity}', {number}, {seq}, {before}, '{after}', 'user', '', {now} FROM {waiting}"""
        for entity, number, seq, before, after in steps
    ]
    return [users, sessions, placed, items, attempts, *log]
