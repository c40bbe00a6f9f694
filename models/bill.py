"""WeChat's bills, line by line, as they were when they were compared: a day that is read again is replaced."""

from peewee import BigIntegerField, CharField, IntegerField

from models.base import Table


class Bill(Table):
    """One day: who reads it, until when, and what came of it."""

    day = CharField(10, unique=True)  # YYYY-MM-DD, Beijing
    state = CharField(16)  # READING, DONE, FREE
    claimed_until = BigIntegerField()  # while READING nobody else may read it until then; only ever rises
    lines = IntegerField()
    differences = IntegerField()
    finished_at = BigIntegerField(null=True)
    # When it was last compared, in fen; NULL: read before the totals were kept.
    paid_fen = BigIntegerField(null=True)  # the bill's lines
    refunded_fen = BigIntegerField(null=True)
    our_paid_fen = BigIntegerField(null=True)  # our tables
    our_refunded_fen = BigIntegerField(null=True)

    class Meta:
        table_name = "bills"


class BillLine(Table):
    """One line of the trade bill."""

    day = CharField(10)
    kind = CharField(16)  # payment, refund
    ref = CharField(64)  # the provider's transaction id; for a refund our out_refund_no
    out_trade_no = CharField(64)
    provider_transaction_id = CharField(64)
    provider_refund_id = CharField(64, null=True)
    amount_fen = BigIntegerField()
    settled_fen = BigIntegerField(null=True)  # NULL: read before fund flows were compared
    at = BigIntegerField()

    class Meta:
        table_name = "bill_lines"


class FundLine(Table):
    """One line of the fund-flow bill that our tables know about: fees and withdrawals are not kept."""

    day = CharField(10)
    kind = CharField(16)  # payment, refund
    ref = CharField(128)  # the provider's transaction id; of a refund the provider's refund id
    amount_fen = BigIntegerField()  # positive came in, negative went out
    at = BigIntegerField()

    class Meta:
        table_name = "fund_lines"
