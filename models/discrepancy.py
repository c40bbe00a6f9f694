"""What a person must look at: money that did not fit. One row per kind and thing, however often it is seen."""

from peewee import BigIntegerField, CharField

from models.base import Table


class Discrepancy(Table):
    kind = CharField(32)
    ref = CharField(64)  # the provider's transaction id, or the out_trade_no
    order_no = CharField(32, null=True)
    detail = CharField(500)
    state = CharField(16)  # OPEN, RESOLVED
    day = CharField(10, null=True)  # YYYY-MM-DD of the bill that it was found in
    created_at = BigIntegerField()

    class Meta:
        table_name = "discrepancies"
