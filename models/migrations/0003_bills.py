"""Bills and their lines. Rerunnable."""

from peewee import BigAutoField, BigIntegerField, CharField, IntegerField, Model, MySQLDatabase, TextField


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

    class Bill(Base):
        day = text(10, unique=True)
        state = text(16)
        claimed_until = BigIntegerField()
        lines = IntegerField()
        differences = IntegerField()
        finished_at = BigIntegerField(null=True)

        class Meta:
            table_name = "bills"

    class BillLine(Base):
        day = text(10)
        kind = text(16)
        ref = text(64)
        out_trade_no = text(64)
        provider_transaction_id = text(64)
        amount_fen = BigIntegerField()
        at = BigIntegerField()

        class Meta:
            table_name = "bill_lines"
            indexes = ((("day", "kind", "ref"), False), (("kind", "ref"), False))

    class Payment(Base):
        paid_at = BigIntegerField()

        class Meta:
            table_name = "payments"

    db.create_tables([Bill, BillLine], safe=True)
    if "payments_paid_at" not in {index.name for index in db.get_indexes("payments")}:
        migrator.migrate(migrator.add_index("payments", ("paid_at",), name="payments_paid_at"))
