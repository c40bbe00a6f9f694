"""WeChat's trade bills, line by line, as they were when they were compared: a day that is read again is replaced."""

from peewee import BigIntegerField, CharField, IntegerField

from models.base import Table


class Bill(Table):
    """One day: who reads it, until when, and what came of it."""

    day = CharField(10, unique=True)  # YYYY-MM-DD, Beijing
    state = CharField(16)  # READING, DONE
    claimed_until = BigIntegerField()  # after that somebody else may read it
    lines = IntegerField()
    differences = IntegerField()
    finished_at = BigIntegerField(null=True)

    class Meta:
        table_name = "bills"


class BillLine(Table):
    day = CharField(10)
    kind = CharField(16)  # payment, refund
    ref = CharField(64)  # the provider's transaction id; for a refund our out_refund_no
    out_trade_no = CharField(64)
    provider_transaction_id = CharField(64)
    amount_fen = BigIntegerField()
    at = BigIntegerField()

    class Meta:
        table_name = "bill_lines"
