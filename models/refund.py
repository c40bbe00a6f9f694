"""One refund: one ``out_refund_no``, one set of parameters, for ever. EXTERNAL: made on the merchant platform."""

from peewee import BigIntegerField, CharField, ForeignKeyField, IntegerField, TextField

from models.base import Table
from models.order import Order
from models.payment import Payment


class Refund(Table):
    out_refund_no = CharField(64, unique=True)
    payment = ForeignKeyField(Payment, backref="refunds")
    payment_id: int
    order = ForeignKeyField(Order, backref="refunds", null=True)
    order_id: int | None
    refund_no = CharField(64, null=True)  # the merchant's own number for it: unique with the payment
    adapter = CharField(32)
    source = CharField(16)  # LOCAL, EXTERNAL
    requester = CharField(32)  # who asked: merchant, operator, auto, or external
    amount_fen = BigIntegerField()
    reason = CharField(80)
    request = TextField()  # the exact parameters; empty for an EXTERNAL one
    fingerprint = CharField(64)
    state = CharField(16)  # models.states.REFUND
    version = IntegerField()
    provider_refund_id = CharField(64, null=True)
    refusal = CharField(200)  # the provider's words, if it said no
    created_at = BigIntegerField()
    refunded_at = BigIntegerField(null=True)
    asked = IntegerField()
    ask_at = BigIntegerField(null=True)

    class Meta:
        table_name = "refunds"

    @property
    def number(self) -> str:
        return self.out_refund_no
