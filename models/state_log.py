"""Append-only: every move of every state, who moved it and on what evidence. Row n continues row n - 1.

An operator's resolution is a row as well: of a discrepancy, or of a payment that did not fit at first.
"""

from peewee import BigIntegerField, CharField, IntegerField

from models.base import Table


class StateLog(Table):
    entity = CharField(16)  # order, transaction, refund; payment and discrepancy when a person resolved them
    entity_id = CharField(64)  # order_no, out_trade_no, out_refund_no; transaction id, id of the discrepancy
    seq = IntegerField()
    from_state = CharField(16, null=True)
    to_state = CharField(16)
    actor = CharField(32)  # user, notification, query, close, expiry, operator ...
    note = CharField(200)
    at = BigIntegerField()

    class Meta:
        table_name = "state_log"
