"""A refund above the limit, until a second person has decided. It becomes a refund in the commit that approves it."""

from peewee import BigIntegerField, CharField

from models.base import Table


class RefundRequest(Table):
    refund_no = CharField(64, unique=True)  # of the refund that it becomes
    order_no = CharField(32)
    amount_fen = BigIntegerField()
    reason = CharField(80)
    requester = CharField(20)  # an operator's name
    state = CharField(16)  # OPEN, APPROVED, DECLINED
    decided_by = CharField(20, null=True)  # another operator's name: the table refuses the requester's
    note = CharField(200)
    created_at = BigIntegerField()
    decided_at = BigIntegerField(null=True)

    class Meta:
        table_name = "refund_requests"
