"""Who may use the console, who is signed in to it, and how often somebody failed to sign in."""

from peewee import BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField

from models.base import Table


class Operator(Table):
    name = CharField(20, unique=True)
    password = CharField(200)  # scrypt, with its parameters and salt
    totp = CharField(200)  # the phone's secret, sealed
    totp_used = BigIntegerField()  # the last half minute whose code was used: each is good once
    role = CharField(16)  # viewer, operator, approver, admin
    disabled = SmallIntegerField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "operators"


class OperatorSession(Table):
    """The token itself is only ever in the browser's hands; here is its SHA-256."""

    token_hash = CharField(64, unique=True)
    operator = ForeignKeyField(Operator)
    operator_id: int
    created_at = BigIntegerField()
    seen_at = BigIntegerField()  # refreshed at most every minute

    class Meta:
        table_name = "operator_sessions"


class SignInTries(Table):
    """Tries that did not end in a sign-in, by name and by address. A name counts whether or not it exists."""

    subject = CharField(80, unique=True)  # "address ...", or "name " and the name's SHA-256: people mistype
    failed = IntegerField()
    locked_until = BigIntegerField()
    tried_at = BigIntegerField()

    class Meta:
        table_name = "sign_in_tries"
