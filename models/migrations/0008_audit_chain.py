"""The audit log becomes a chain: a line's hash, and where the chain begins and ends. Rerunnable.

What is in the log already stays as it is: the chain begins behind it.
"""

from peewee import BigAutoField, BigIntegerField, CharField, Model, MySQLDatabase, TextField


def up(migrator, db):
    mysql = isinstance(db, MySQLDatabase)

    class AuditHead(Model):
        id = BigAutoField()
        begins = BigIntegerField()
        line_id = BigIntegerField()
        hash = CharField(64) if mysql else TextField()

        class Meta:
            database = db
            table_name = "audit_head"
            strict_tables = not mysql
            table_settings = ["ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"] if mysql else None

    if "hash" not in {column.name for column in db.get_columns("audit_log")}:
        db.execute_sql(f"ALTER TABLE audit_log ADD COLUMN hash {'VARCHAR(64)' if mysql else 'TEXT'}")
    db.create_tables([AuditHead], safe=True)
    last = db.execute_sql("SELECT COALESCE(MAX(id), 0) FROM audit_log").fetchone()[0]
    if AuditHead.get_or_none() is None:
        AuditHead.create(id=1, begins=last, line_id=last, hash="")
