"""What the console reads: indexes for its searches, a message's order, a day's totals, jobs and refusals. Rerunnable.

Every new column may be empty, so the version before goes on inserting while servers are exchanged.
"""

from peewee import BigAutoField, BigIntegerField, CharField, IntegerField, Model, MySQLDatabase, TextField

CHUNK = 2000  # rows that one statement looks at: a large inbox is filled in before a connection's patience ends


def up(migrator, db):
    mysql = isinstance(db, MySQLDatabase)

    def text(length, **options):
        return CharField(length, **options) if mysql else TextField(**options)

    class Base(Model):
        id = BigAutoField()

        class Meta:
            database = db
            legacy_table_names = False
            strict_tables = not mysql
            table_settings = ["ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"] if mysql else None

    class JobRun(Base):
        name = text(16, unique=True)
        every = IntegerField()
        ran_at = BigIntegerField()
        well_at = BigIntegerField(null=True)

        class Meta:
            table_name = "job_runs"

    class Refusal(Base):
        slot = text(120, unique=True)
        hour = BigIntegerField(index=True)
        adapter = text(32)
        reason = text(64)
        times = IntegerField()

        class Meta:
            table_name = "refusals"

    db.create_tables([JobRun, Refusal], safe=True)
    number, words = ("BIGINT", "VARCHAR({})") if mysql else ("INTEGER", "TEXT")
    _add_columns(db, "notifications", {"out_trade_no": words.format(64), "happened_at": number})
    _add_columns(db, "discrepancies", {"day": words.format(10)})
    sums = ("paid_fen", "refunded_fen", "our_paid_fen", "our_refunded_fen")
    _add_columns(db, "bills", dict.fromkeys(sums, number))
    _fill_in(db, mysql)
    for table, *columns in (
        ("orders", "state", "created_at"),
        ("orders", "state", "amount_fen", "created_at"),
        ("orders", "refunded_fen", "created_at", "amount_fen"),
        ("refunds", "refunded_at"),
        ("refunds", "refund_no"),
        ("notifications", "out_trade_no"),
        ("notifications", "kind", "received_at", "happened_at"),
        ("payments", "paid_at", "amount_fen"),
        ("discrepancies", "order_no"),
        ("discrepancies", "state"),
        ("discrepancies", "day"),
    ):
        name = "_".join([table, *columns])
        if name not in {index.name for index in db.get_indexes(table)}:
            migrator.migrate(migrator.add_index(table, columns, name=name))


def _add_columns(db, table, kinds):
    there = {column.name for column in db.get_columns(table)}
    for name, kind in kinds.items():
        if name not in there:
            db.execute_sql(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def _fill_in(db, mysql):
    """The messages of before this migration: their numbers stand in their reports."""

    def said(name):
        value = f"JSON_EXTRACT(report, '$.{name}')"
        return f"NULLIF(JSON_UNQUOTE({value}), 'null')" if mysql else value

    moment = f"COALESCE({said('paid_at')}, {said('refunded_at')})"
    last = db.execute_sql("SELECT COALESCE(MAX(id), 0) FROM notifications").fetchone()[0]
    for start in range(0, last, CHUNK):
        db.execute_sql(
            f"UPDATE notifications SET out_trade_no = {said('out_trade_no')}, happened_at = {moment}"  # noqa: S608 - constants of this migration, and whole numbers
            f" WHERE id > {start} AND id <= {start + CHUNK} AND out_trade_no IS NULL"
            " AND JSON_VALID(report) AND report <> '{}'"
        )
