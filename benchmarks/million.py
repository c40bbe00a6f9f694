"""A million orders, or fewer, in an empty database, by one statement a table that SQLite and MariaDB both understand.

Numbers are scattered as real ones are, a third of the orders cost the same, and one day in the middle has a tenth of
them all. What must hold about money holds. What the pages and jobs look at is there; the rest of a shop's life is not.
"""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

from services.orders import BEIJING

ORDERS = 1_000_000
STEP = 9  # seconds between two orders of an ordinary day
A_DAY = 86_400 // STEP
FEAST = range(47 * A_DAY, 47 * A_DAY + 100_000)  # the orders of one single day
BEGIN = 1_787_846_400  # a midnight in Beijing
FEAST_DAY = BEGIN + 47 * 86_400
END = BEGIN + 95 * 86_400

NUMBERS = (
    "(WITH RECURSIVE d(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM d WHERE x < 999)"
    " SELECT a.x * 1000 + b.x AS n FROM d a CROSS JOIN d b) AS t"
)
MADE = (
    f"CASE WHEN n < {FEAST.start} THEN {BEGIN} + n * {STEP}"
    f" WHEN n < {FEAST.stop} THEN {FEAST_DAY} + (n - n % 5) / 5 * 4 - {FEAST.start} / 5 * 4"
    f" ELSE {FEAST_DAY} + 86400 + (n - {FEAST.stop}) * {STEP} END"
)
STATE = (
    "CASE WHEN n % 10000 = 0 THEN 'PAID_LATE' WHEN n % 500 = 1 THEN 'CREATED' WHEN n % 500 = 2 THEN 'PAYING'"
    " WHEN n % 8 = 3 THEN 'CLOSED' ELSE 'PAID' END"
)
AMOUNT = "CASE WHEN n % 3 = 0 THEN 1800 ELSE 100 + n * 7919 % 9000 END"
PAID = "o.state IN ('PAID', 'PAID_LATE')"


def scattered(number: str, factor: int) -> str:
    """Twelve digits, other ones for every number."""
    return f"CAST(100000000000 + {number} * {factor} % 4294967296 AS CHAR)"


ORDER_NO = scattered("n", 2654435761)
ATTEMPT = scattered("o.id", 2246822519)
PAYMENT = scattered("o.id", 668265263)
REFUND = scattered("o.id", 374761393)
SHIPMENT = scattered("o.id", 1597334677)
MESSAGE = scattered("(o.id * 8 + k)", 2654435761)  # at most eight of them an order
LOGGED = (
    ("order", "order_no", "orders"),
    ("transaction", "out_trade_no", "transactions"),
    ("refund", "out_refund_no", "refunds"),
    ("shipment", "shipment_no", "shipments"),
)
BILL = (
    "INSERT INTO bill_lines (day, kind, ref, out_trade_no, provider_transaction_id, amount_fen, at)"
    " SELECT '{}', 'payment', p.provider_transaction_id, p.out_trade_no, p.provider_transaction_id, p.amount_fen,"
    " p.paid_at FROM payments p WHERE p.paid_at >= {} AND p.paid_at < {}"
)
READ = (
    "INSERT INTO bills (day, state, claimed_until, line_count, differences, finished_at, paid_fen, refunded_fen,"
    " our_paid_fen, our_refunded_fen) VALUES ('{}', 'DONE', 0, 10000, 0, {}, 1, 1, 1, 1)"
).replace("line_count", "`lines`")


def tables(orders: int, copies: int) -> dict[str, str]:
    """One statement a table. WeChat told of each payment so many times, a quarter of a minute apart; at most eight."""
    numbers = f"{NUMBERS} WHERE n < {orders}"
    buyers = max(1, orders // 5)
    each = " UNION ALL ".join(f"SELECT {k} AS k" for k in range(copies))
    logged = {
        f"log of {table}": (
            "INSERT INTO state_log (entity, entity_id, seq, to_state, actor, note, at)"
            f" SELECT '{entity}', {number}, 1, state, 'user', '', created_at FROM {table}"
        )
        for entity, number, table in LOGGED
    }
    return {
        "users": "INSERT INTO users (id, openid, created_at)"
        f" SELECT n + 1, {scattered('n', 3266489917)}, {BEGIN} FROM {NUMBERS} WHERE n < {buyers}",
        "orders": "INSERT INTO orders (id, order_no, user_id, amount_fen, currency, state, version, paid_fen,"
        " refunded_fen, request_hash, created_at, expires_at, paid_at)"
        f" SELECT n + 1, number, n % {buyers} + 1, fen, 'CNY', state, 1,"
        " CASE WHEN state LIKE 'PAID%' THEN fen ELSE 0 END,"
        " CASE WHEN state = 'PAID' AND n % 33 = 0 THEN fen ELSE 0 END, '', made, made + 1800,"
        " CASE WHEN state LIKE 'PAID%' THEN made + 20 END FROM"
        f" (SELECT n, {ORDER_NO} AS number, {AMOUNT} AS fen, {STATE} AS state, {MADE} AS made FROM {numbers}) AS o",
        "order_items": "INSERT INTO order_items (order_id, product_id, title, price_fen, quantity)"
        " SELECT o.id, 'latte', '拿铁咖啡', o.amount_fen, 1 FROM orders o",
        "transactions": "INSERT INTO transactions (out_trade_no, order_id, adapter, scheme, appid, mchid, openid,"
        " amount_fen, currency, request, fingerprint, state, version, created_at, expires_at, asked)"
        f" SELECT {ATTEMPT}, o.id, 'wechat_v3', 'RSA', 'wx', '1', 'o', o.amount_fen, 'CNY', '{{}}', '',"
        f" CASE WHEN {PAID} THEN 'PAID' ELSE 'CLOSED' END, 1, o.created_at, o.expires_at, 0"
        " FROM orders o WHERE o.state <> 'CREATED'",
        "payments": "INSERT INTO payments (provider_transaction_id, out_trade_no, order_id, appid, mchid, openid,"
        " amount_fen, currency, disposition, applied_slot, held_fen, external_fen, refunded_fen, source, adapter,"
        f" paid_at, created_at) SELECT {PAYMENT}, {ATTEMPT}, o.id, 'wx', '1', 'o', o.amount_fen, 'CNY', 'APPLIED', 1,"
        f" o.refunded_fen, 0, o.refunded_fen, 'notification', 'wechat_v3', o.paid_at, o.paid_at + o.id % 7"
        f" FROM orders o WHERE {PAID}",
        "notifications": "INSERT INTO notifications (dedupe_key, adapter, kind, report, out_trade_no, happened_at,"
        " body_digest, received_at, processed_at)"
        f" SELECT {MESSAGE}, 'wechat_v3', 'payment', JSON_OBJECT('out_trade_no', {ATTEMPT}, 'paid_at', o.paid_at),"
        f" {ATTEMPT}, o.paid_at, '', o.paid_at + o.id % 7 + k * 15, o.paid_at + o.id % 7 + k * 15"
        f" FROM orders o CROSS JOIN ({each}) AS copies WHERE {PAID}",
        "refunds": "INSERT INTO refunds (out_refund_no, payment_id, order_id, adapter, source, requester, amount_fen,"
        " reason, request, fingerprint, state, version, refusal, created_at, refunded_at, asked)"
        f" SELECT {REFUND}, p.id, o.id, 'wechat_v3', 'LOCAL', 'merchant', o.refunded_fen, '', '', '', 'SUCCESS', 1,"
        " '', o.paid_at + 600, o.paid_at + 700, 0"
        " FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.refunded_fen > 0",
        "shipments": "INSERT INTO shipments (shipment_no, order_id, payment_id, revision, logistics_type, parcels,"
        " all_delivered, fingerprint, state, version, refusal, created_at, uploaded_at, asked)"
        f" SELECT {SHIPMENT}, o.id, p.id, 1, 'pickup', '[]', 1, '', 'UPLOADED', 1, '', o.paid_at, o.paid_at + 15, 1"
        " FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.state = 'PAID'",
        "outbox": "INSERT INTO outbox (order_id, kind, created_at)"
        " SELECT o.id, 'FULFIL', o.paid_at FROM orders o WHERE o.state = 'PAID'",
        "discrepancies": "INSERT INTO discrepancies (kind, ref, order_no, detail, day, state, created_at)"
        f" SELECT 'PAID_LATE', {PAYMENT}, o.order_no, '', '2026-10-01', CASE WHEN o.id % 20000 = 1 THEN 'OPEN'"
        " ELSE 'RESOLVED' END, o.created_at FROM orders o WHERE o.state = 'PAID_LATE'",
        **logged,
    }


def days() -> list[tuple[str, int, int]]:
    """Name, begin and end."""
    begins = range(BEGIN, END, 86_400)
    return [(datetime.fromtimestamp(at, BEIJING).date().isoformat(), at, at + 86_400) for at in begins]


def fill(url: str, orders: int = ORDERS, copies: int = 1) -> float:
    """The seconds that it took. The tables are there and empty."""
    began, connection = time.perf_counter(), _connect(url)
    bills = [sql.format(*day) for day in days() for sql in (BILL, READ)]
    for sql in (*tables(orders, copies).values(), *bills):
        connection.cursor().execute(sql)
        connection.commit()
    _tidy(connection, url)
    connection.close()
    return time.perf_counter() - began


def _tidy(connection: Any, url: str) -> None:
    """What the database does by itself in a life: statistics, and no log as long as the file."""
    cursor = connection.cursor()
    if not url.startswith("mysql"):
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    cursor.execute("SHOW TABLES")
    cursor.execute("ANALYZE TABLE " + ", ".join(name for (name,) in cursor.fetchall()))


def create(url: str) -> None:
    """An empty MariaDB database, unless it is there; SQLite makes its own file."""
    if url.startswith("mysql"):
        name = urlsplit(url).path.strip("/")
        _server(url).cursor().execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")


def drop(url: str) -> None:
    if url.startswith("mysql"):
        _server(url).cursor().execute(f"DROP DATABASE {urlsplit(url).path.strip('/')}")


def _server(url: str, **more: Any) -> Any:
    parts = urlsplit(url)
    who = {"user": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    return pymysql.connect(host=parts.hostname, port=parts.port or 3306, **who, **more)


def _connect(url: str) -> Any:
    if url.startswith("mysql"):
        return _server(url, database=urlsplit(url).path.strip("/"))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA cache_size = -500000")  # kB: the scattered numbers' indexes are filled in memory
    return connection
