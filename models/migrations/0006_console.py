"""The operations console: operators, their sessions, failed sign-ins, the audit log, refunds to approve. Rerunnable."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    Check,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
    SmallIntegerField,
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

    class Operator(Base):
        name = text(20, unique=True)
        password = text(200)
        totp = text(200)
        totp_used = BigIntegerField()
        role = text(16)
        disabled = SmallIntegerField()
        created_at = BigIntegerField()

        class Meta:
            table_name = "operators"

    class OperatorSession(Base):
        token_hash = text(64, unique=True)
        operator = ForeignKeyField(Operator)
        created_at = BigIntegerField()
        seen_at = BigIntegerField()

        class Meta:
            table_name = "operator_sessions"

    class SignInTries(Base):
        subject = text(80, unique=True)
        failed = IntegerField()
        locked_until = BigIntegerField()
        tried_at = BigIntegerField(index=True)

        class Meta:
            table_name = "sign_in_tries"

    class AuditLine(Base):
        at = BigIntegerField()
        operator = text(20)
        address = text(64)
        request_id = text(16)
        action = text(32)
        subject = text(64, index=True)
        words = text(200)
        outcome = text(64)

        class Meta:
            table_name = "audit_log"

    class RefundRequest(Base):
        refund_no = text(64, unique=True)
        order_no = text(32, index=True)
        amount_fen = BigIntegerField(constraints=[Check("amount_fen > 0")])
        reason = text(80)
        requester = text(20)
        state = text(16, index=True)
        decided_by = text(20, null=True)
        note = text(200)
        created_at = BigIntegerField()
        decided_at = BigIntegerField(null=True)

        class Meta:
            table_name = "refund_requests"
            constraints = [Check("decided_by IS NULL OR decided_by <> requester")]

    db.create_tables([Operator, OperatorSession, SignInTries, AuditLine, RefundRequest], safe=True)
