"""Refunds, and what was refunded past us. Rerunnable: MySQL commits each statement by itself."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    Check,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
    TextField,
)


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

    class Order(Base):
        class Meta:
            table_name = "orders"

    class Payment(Base):
        class Meta:
            table_name = "payments"

    class Refund(Base):
        out_refund_no = text(64, unique=True)
        payment = ForeignKeyField(Payment)
        order = ForeignKeyField(Order, null=True)
        refund_no = text(64, null=True)
        adapter = text(32)
        source = text(16)
        requester = text(32)
        amount_fen = BigIntegerField(constraints=[Check("amount_fen > 0")])
        reason = text(80)
        request = TextField()
        fingerprint = text(64)
        state = text(16)
        version = IntegerField()
        provider_refund_id = text(64, null=True)
        refusal = text(200)
        created_at = BigIntegerField()
        refunded_at = BigIntegerField(null=True)
        asked = IntegerField()
        ask_at = BigIntegerField(null=True, index=True)

        class Meta:
            table_name = "refunds"
            indexes = ((("payment", "refund_no"), True),)

    db.create_tables([Refund], safe=True)
    if "external_fen" not in {column.name for column in db.get_columns("payments")}:
        # With a default of the table's own: the version before this one goes on inserting while servers are exchanged.
        kind = "BIGINT" if mysql else "INTEGER"
        db.execute_sql(f"ALTER TABLE payments ADD COLUMN external_fen {kind} NOT NULL DEFAULT 0")
