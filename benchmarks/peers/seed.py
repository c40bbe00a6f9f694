"""``python -m benchmarks.peers.seed --orders N``: makes the tables anew and fills them, as README.md says."""

import argparse
import json
import os
import time
from pathlib import Path

from sqlalchemy import Connection, create_engine, insert

from benchmarks.peers.tables import Attempt, Base, Item, Login, Order, Product, User
from benchmarks.peers.work import hashed

CATALOGUE = Path(__file__).resolve().parents[2] / "catalogue" / "products.json"
AMOUNT = 1800
AT_ONCE = 5_000


def fill(connection: Connection, orders: int) -> None:
    now = int(time.time())
    later = now + 365 * 86_400
    products = json.loads(CATALOGUE.read_text("utf-8"))
    known = ("id", "title", "price_fen")
    connection.execute(insert(Product), [{name: product[name] for name in known} for product in products])
    connection.execute(insert(User), {"id": 1, "openid": "bench"})
    connection.execute(insert(Login), {"token_hash": hashed("bench-token"), "user_id": 1, "expires_at": later})
    money = {"amount_fen": AMOUNT, "currency": "CNY", "created_at": now}
    sold = {"product_id": products[0]["id"], "title": products[0]["title"], "price_fen": AMOUNT, "quantity": 1}
    for begin in range(0, orders, AT_ONCE):
        some = range(begin, min(begin + AT_ONCE, orders))
        order = {"user_id": 1, "state": "PAYING", "expires_at": later, **money}
        connection.execute(insert(Order), [{"id": i + 1, "order_no": f"BENCHORDER{i:022d}", **order} for i in some])
        connection.execute(insert(Item), [{"order_id": i + 1, **sold} for i in some])
        attempt = {"state": "PREPAID", "prepay_id": "wx-seeded", "prepaid_at": now, **money}
        named = [{"out_trade_no": f"BENCH{i:027d}", "order_id": i + 1, "openid": f"bench-{i}"} for i in some]
        connection.execute(insert(Attempt), [attempt | name for name in named])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, required=True)
    url = os.environ["DATABASE_URL"].replace("mysql://", "mysql+pymysql://")
    engine = create_engine(url)
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        fill(connection, parser.parse_args().orders)


if __name__ == "__main__":
    main()
