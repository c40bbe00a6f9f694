"""Money as WeChat names it: a row the moment any authentic source names a ``transaction_id``. Never deleted."""

from peewee import BigIntegerField, CharField, ForeignKeyField, SmallIntegerField

from models.base import Table
from models.order import Order


class Payment(Table):
    provider_transaction_id = CharField(64, unique=True)
    out_trade_no = CharField(64)
    order = ForeignKeyField(Order, backref="payments", null=True)
    order_id: int | None
    appid = CharField(32)
    mchid = CharField(32)
    openid = CharField(128)
    amount_fen = BigIntegerField()
    currency = CharField(8)
    disposition = CharField(16)  # APPLIED, DUPLICATE, MISMATCH, UNKNOWN_ORDER: see ARCHITECTURE.md
    applied_slot = SmallIntegerField(null=True)  # 1 if applied: unique with the order, so one at most
    held_fen = BigIntegerField()  # by our refunds that are not CLOSED or REJECTED
    external_fen = BigIntegerField()  # refunded on the merchant platform, past us
    refunded_fen = BigIntegerField()  # by our refunds that are SUCCESS
    source = CharField(16)  # which way it first became known: notification, query, close, bill
    adapter = CharField(32)
    paid_at = BigIntegerField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "payments"
