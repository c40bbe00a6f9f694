"""Indexes for what the jobs and the console look for again and again, however many orders there are. Rerunnable.

Payments that must go back are found by their disposition. What was given back of an order is a column that the database
works out itself: the version before this one goes on writing while servers are exchanged.
"""

from peewee import MySQLDatabase

OLD = "orders_refunded_fen_created_at_amount_fen"
PART = "(CASE WHEN refunded_fen = 0 THEN 0 WHEN refunded_fen < paid_fen THEN 1 ELSE 2 END)"


def up(migrator, db):
    if "refund_part" not in _columns(db):
        kind = "SMALLINT" if isinstance(db, MySQLDatabase) else "INTEGER"
        db.execute_sql(f"ALTER TABLE orders ADD COLUMN refund_part {kind} GENERATED ALWAYS AS {PART} VIRTUAL")
    for table, *columns in (("payments", "disposition", "held_fen"), ("orders", "refund_part", "created_at")):
        name = "_".join([table, *columns])
        if name not in _indexes(db, table):
            migrator.migrate(migrator.add_index(table, columns, name=name))
    if OLD in _indexes(db, "orders"):
        migrator.migrate(migrator.drop_index("orders", OLD))


def _columns(db):
    """Peewee does not see SQLite's generated ones."""
    if isinstance(db, MySQLDatabase):
        return {column.name for column in db.get_columns("orders")}
    return {row[1] for row in db.execute_sql("PRAGMA table_xinfo(orders)").fetchall()}


def _indexes(db, table):
    return {index.name for index in db.get_indexes(table)}
