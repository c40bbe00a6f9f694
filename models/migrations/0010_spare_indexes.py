"""Indexes that another one begins with, dropped: each cost every payment a write and served no question. Rerunnable.

``orders_user_id`` stays: a buyer's newest orders come out of it in order. So does ``payments_order_id``: without it
SQLite, which knows nothing of how many payments are applied, would look for an order's among all of these.
"""

SPARE = {
    "outbox": ("order_id",),
    "payments": ("paid_at",),
    "refunds": ("payment_id",),
    "shipments": ("order_id",),
    "transactions": ("order_id",),
}


def up(migrator, db):
    for table, columns in SPARE.items():
        there = {index.name for index in db.get_indexes(table)}
        for name in (f"{table}_{column}" for column in columns):
            if name in there:
                migrator.migrate(migrator.drop_index(table, name))
