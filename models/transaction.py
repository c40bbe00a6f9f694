"""One attempt to collect an order's money: one ``out_trade_no``, one adapter, one set of parameters, for ever."""

from peewee import BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from models.base import Table
from models.order import Order


class Transaction(Table):
    out_trade_no = CharField(32, unique=True)
    order = ForeignKeyField(Order, backref="transactions")
    order_id: int
    adapter = CharField(32)  # who made it asks, closes and refunds it, whatever is configured today
    scheme = CharField(16)
    appid = CharField(32)
    mchid = CharField(32)
    openid = CharField(128)
    amount_fen = BigIntegerField()
    currency = CharField(3)
    request = TextField()  # the exact parameters, written before the first send and never changed
    fingerprint = CharField(64)  # SHA-256 of the request
    state = CharField(16)  # models.states.TRANSACTION
    version = IntegerField()
    open_slot = SmallIntegerField(null=True)  # 1 while open: unique with the order, so one open attempt at most
    prepay_id = CharField(64, null=True)
    prepaid_at = BigIntegerField(null=True)
    handed_at = BigIntegerField(null=True)  # when payment parameters first left for the client
    close_proof = CharField(32, null=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    asked = IntegerField()  # how often the provider was asked about it
    ask_at = BigIntegerField(null=True)  # when to ask next; NULL: never again

    class Meta:
        table_name = "transactions"

    @property
    def number(self) -> str:
        return self.out_trade_no
