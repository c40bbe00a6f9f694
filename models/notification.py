"""The inbox: every authentic notification, stored before it is acknowledged. Forged ones never get here."""

from peewee import BigIntegerField, CharField, TextField

from models.base import Table


class Notification(Table):
    dedupe_key = CharField(80, unique=True)
    adapter = CharField(32)
    kind = CharField(16)  # payment, refund, other
    report = TextField()  # the verified facts as JSON, so that applying can be redone; {} if none
    out_trade_no = CharField(64, null=True)  # whom it is about; NULL: it names none of ours
    happened_at = BigIntegerField(null=True)  # when that was which it reports
    body_digest = CharField(64)  # SHA-256 of the body as received
    received_at = BigIntegerField()
    processed_at = BigIntegerField(null=True)

    class Meta:
        table_name = "notifications"
