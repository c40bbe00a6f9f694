"""The movements of the merchant's account, and what of a trade line moves there. Rerunnable."""

from peewee import BigAutoField, BigIntegerField, CharField, Model, MySQLDatabase, TextField


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

    class FundLine(Base):
        day = text(10)
        kind = text(16)
        ref = text(128)
        amount_fen = BigIntegerField()
        at = BigIntegerField()

        class Meta:
            table_name = "fund_lines"
            indexes = ((("day", "kind", "ref"), False), (("kind", "ref"), False))

    db.create_tables([FundLine], safe=True)
    number, words = ("BIGINT", "VARCHAR(64)") if mysql else ("INTEGER", "TEXT")
    kinds = {"settled_fen": number, "provider_refund_id": words}
    for name in kinds.keys() - {column.name for column in db.get_columns("bill_lines")}:
        db.execute_sql(f"ALTER TABLE bill_lines ADD COLUMN {name} {kinds[name]}")
    wanted = (("refunds", "created_at"), ("refunds", "provider_refund_id"), ("bill_lines", "provider_refund_id"))
    for table, column in wanted:
        if f"{table}_{column}" not in {index.name for index in db.get_indexes(table)}:
            migrator.migrate(migrator.add_index(table, (column,), name=f"{table}_{column}"))
