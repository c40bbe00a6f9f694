"""Shipments, and the access token that reporting them takes. Rerunnable."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
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
        return CharField(length, **options) if mysql else TextField(**options)

    class Base(Model):
        id = BigAutoField()

        class Meta:
            database = db
            legacy_table_names = False
            strict_tables = not mysql
            table_settings = ["ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"] if mysql else None

    class Order(Base):
        class Meta:
            table_name = "orders"

    class Payment(Base):
        class Meta:
            table_name = "payments"

    class Shipment(Base):
        shipment_no = text(64, unique=True)
        order = ForeignKeyField(Order)
        payment = ForeignKeyField(Payment)
        revision = IntegerField()
        logistics_type = text(16)
        parcels = TextField()
        all_delivered = SmallIntegerField()
        fingerprint = text(64)
        state = text(16)
        version = IntegerField()
        refusal = text(200)
        created_at = BigIntegerField()
        uploaded_at = BigIntegerField(null=True)
        asked = IntegerField()
        ask_at = BigIntegerField(null=True, index=True)

        class Meta:
            table_name = "shipments"
            indexes = ((("order", "revision"), True),)

    class AccessToken(Base):
        appid = text(32, unique=True)
        sealed = TextField()
        expires_at = BigIntegerField()
        leased_until = BigIntegerField()
        forced_at = BigIntegerField()

        class Meta:
            table_name = "access_tokens"

    db.create_tables([Shipment, AccessToken], safe=True)
