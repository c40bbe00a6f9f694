"""The first tables. Frozen: the models may change, this may not. Rerunnable: a statement tolerates its own result."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    Check,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
    SmallIntegerField,
    TextField,
)


def up(migrator, db):
    mysql = isinstance(db, MySQLDatabase)

    def text(length, **options):
        # A STRICT table of SQLite knows TEXT only; MySQL wants a length for a key.
        return CharField(length, **options) if mysql else TextField(**options)

    class Base(Model):
        id = BigAutoField()

        class Meta:
            database = db
            legacy_table_names = False
            strict_tables = not mysql
            # Keys compare by bytes: openid oAbC is not OABC.
            table_settings = ["ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"] if mysql else None

    class User(Base):
        openid = text(128, unique=True)
        unionid = text(128, null=True)
        created_at = BigIntegerField()

        class Meta:
            table_name = "users"

    class Session(Base):
        token_hash = text(64, unique=True)
        user = ForeignKeyField(User)
        created_at = BigIntegerField()
        seen_at = BigIntegerField()

        class Meta:
            table_name = "sessions"

    class Product(Base):
        product_id = text(32, unique=True)
        title = text(60)
        title_en = text(60)
        description = text(200)
        description_en = text(200)
        price_fen = BigIntegerField(constraints=[Check("price_fen > 0")])
        picture = text(100)
        position = IntegerField()
        active = SmallIntegerField()

        class Meta:
            table_name = "products"

    class Order(Base):
        order_no = text(32, unique=True)
        user = ForeignKeyField(User)
        amount_fen = BigIntegerField(constraints=[Check("amount_fen > 0")])
        currency = text(3)
        state = text(16)
        version = IntegerField()
        paid_fen = BigIntegerField()
        refunded_fen = BigIntegerField()
        idempotency_key = text(64, null=True)
        request_hash = text(64)
        created_at = BigIntegerField()
        expires_at = BigIntegerField()
        paid_at = BigIntegerField(null=True)

        class Meta:
            table_name = "orders"
            indexes = ((("user", "idempotency_key"), True), (("state", "expires_at"), False))
            constraints = [Check("paid_fen IN (0, amount_fen)"), Check("refunded_fen BETWEEN 0 AND paid_fen")]

    class OrderItem(Base):
        order = ForeignKeyField(Order)
        product_id = text(32)
        title = text(60)
        price_fen = BigIntegerField(constraints=[Check("price_fen > 0")])
        quantity = IntegerField(constraints=[Check("quantity > 0")])

        class Meta:
            table_name = "order_items"

    class Transaction(Base):
        out_trade_no = text(32, unique=True)
        order = ForeignKeyField(Order)
        adapter = text(32)
        scheme = text(16)
        appid = text(32)
        mchid = text(32)
        openid = text(128)
        amount_fen = BigIntegerField(constraints=[Check("amount_fen > 0")])
        currency = text(3)
        request = TextField()
        fingerprint = text(64)
        state = text(16)
        version = IntegerField()
        open_slot = SmallIntegerField(null=True)
        prepay_id = text(64, null=True)
        prepaid_at = BigIntegerField(null=True)
        handed_at = BigIntegerField(null=True)
        close_proof = text(32, null=True)
        created_at = BigIntegerField()
        expires_at = BigIntegerField()
        asked = IntegerField()
        ask_at = BigIntegerField(null=True, index=True)

        class Meta:
            table_name = "transactions"
            indexes = ((("order", "open_slot"), True),)

    class Payment(Base):
        provider_transaction_id = text(64, unique=True)
        out_trade_no = text(64, index=True)
        order = ForeignKeyField(Order, null=True)
        appid = text(32)
        mchid = text(32)
        openid = text(128)
        amount_fen = BigIntegerField(constraints=[Check("amount_fen > 0")])
        currency = text(8)
        disposition = text(16)
        applied_slot = SmallIntegerField(null=True)
        held_fen = BigIntegerField()
        refunded_fen = BigIntegerField()
        source = text(16)
        adapter = text(32)
        paid_at = BigIntegerField()
        created_at = BigIntegerField()

        class Meta:
            table_name = "payments"
            indexes = ((("order", "applied_slot"), True),)
            constraints = [Check("refunded_fen >= 0 AND refunded_fen <= held_fen AND held_fen <= amount_fen")]

    class Notification(Base):
        dedupe_key = text(80, unique=True)
        adapter = text(32)
        kind = text(16)
        report = TextField()
        body_digest = text(64)
        received_at = BigIntegerField()
        processed_at = BigIntegerField(null=True)

        class Meta:
            table_name = "notifications"
            indexes = ((("processed_at", "received_at"), False),)

    class StateLog(Base):
        entity = text(16)
        entity_id = text(64)
        seq = IntegerField()
        from_state = text(16, null=True)
        to_state = text(16)
        actor = text(32)
        note = text(200)
        at = BigIntegerField()

        class Meta:
            table_name = "state_log"
            indexes = ((("entity", "entity_id", "seq"), True),)

    class Discrepancy(Base):
        kind = text(32)
        ref = text(64)
        order_no = text(32, null=True)
        detail = text(500)
        state = text(16)
        created_at = BigIntegerField()

        class Meta:
            table_name = "discrepancies"
            indexes = ((("kind", "ref"), True),)

    class Outbox(Base):
        order = ForeignKeyField(Order)
        kind = text(16)
        created_at = BigIntegerField()

        class Meta:
            table_name = "outbox"
            indexes = ((("order", "kind"), True),)

    db.create_tables(
        [User, Session, Product, Order, OrderItem, Transaction, Payment, Notification, StateLog, Discrepancy, Outbox],
        safe=True,
    )
