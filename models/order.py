"""What a user wants and owes. The amount is ours, fixed at creation; an attempt to collect it is a Transaction."""

from peewee import BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField

from models.base import Table
from models.user import User


class Order(Table):
    order_no = CharField(32, unique=True)
    user = ForeignKeyField(User, backref="orders")
    user_id: int
    amount_fen = BigIntegerField()
    currency = CharField(3)
    state = CharField(16)  # models.states.ORDER
    version = IntegerField()  # how often the state has moved: the number of its last line in the log
    paid_fen = BigIntegerField()
    refunded_fen = BigIntegerField()
    refund_part = SmallIntegerField(null=True)  # the database's own: 0 nothing of it was given back, 1 a part, 2 all
    idempotency_key = CharField(64, null=True)
    request_hash = CharField(64)  # of the body that created it: the same key with another body is refused
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    paid_at = BigIntegerField(null=True)

    class Meta:
        table_name = "orders"

    @property
    def number(self) -> str:
        return self.order_no


class OrderItem(Table):
    """Title and price as they were when the order was made."""

    order = ForeignKeyField(Order, backref="items")
    order_id: int
    product_id = CharField(32)
    title = CharField(60)
    price_fen = BigIntegerField()
    quantity = IntegerField()

    class Meta:
        table_name = "order_items"
