"""One report to WeChat of how an order was shipped. A correction, or the rest of the parcels, is a row of its own."""

from peewee import BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from models.base import Table
from models.order import Order
from models.payment import Payment


class Shipment(Table):
    shipment_no = CharField(64, unique=True)
    order = ForeignKeyField(Order, backref="shipments")
    order_id: int
    payment = ForeignKeyField(Payment, backref="shipments")
    payment_id: int
    revision = IntegerField()  # 1, 2, ... in its order: unique with it
    logistics_type = CharField(16)
    parcels = TextField()  # JSON: a list of objects, as the merchant sent them
    all_delivered = SmallIntegerField()
    fingerprint = CharField(64)  # SHA-256 of the last three: the same again is the same shipment
    state = CharField(16)  # models.states.SHIPMENT
    version = IntegerField()
    refusal = CharField(200)  # the provider's words, if it said no
    created_at = BigIntegerField()
    uploaded_at = BigIntegerField(null=True)
    asked = IntegerField()
    ask_at = BigIntegerField(null=True)

    class Meta:
        table_name = "shipments"

    @property
    def number(self) -> str:
        return self.shipment_no
