"""What the rest of the shop must be told, written with the state that caused it: FULFIL, once per paid order."""

from peewee import BigIntegerField, CharField, ForeignKeyField

from models.base import Table
from models.order import Order


class Outbox(Table):
    order = ForeignKeyField(Order, backref="outbox")
    kind = CharField(16)
    created_at = BigIntegerField()

    class Meta:
        table_name = "outbox"
