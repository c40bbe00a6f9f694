"""Does the peer do its work rightly? Drives every route against the simulator, and looks into the tables.

    python -m benchmarks.peers.check --python VENV/bin/python [mysql://user:password@host:port/name]

Run it with the development environment; ``--python`` is the peer's own. Without an address it uses an SQLite file, then
a MariaDB server of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.databases import MariaDb, Tables
from tests.harness import NO_TLS, Simulator
from tests.processes import PATIENCE, ROOT, Process, eventually, free_port

NOTIFY = "/notify/wechat_v3/payment"
SEEDED = [f"BENCH{i:027d}" for i in range(10)]  # their out_trade_no
FILES = {"PRIVATE_KEY": "merchant_private_key", "PUBLIC_KEY": "public_key"}


class Peer:
    """The service on a seeded database, and a look at its tables."""

    def __init__(self, folder: Path, simulator: Simulator, python: str, url: str) -> None:
        merchant, port = simulator.merchant, free_port()
        for name, key in FILES.items():
            (folder / name).write_text(merchant[key], "ascii")
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, verify=NO_TLS)
        environ = {
            "PORT": str(port),
            "DATABASE_URL": url,
            "PUBLIC_URL": self.url,
            "WECHAT_APP_ID": merchant["appid"],
            "WECHAT_APP_SECRET": merchant["app_secret"],
            "WECHAT_MCH_ID": merchant["mchid"],
            "WECHAT_V3_API_KEY": merchant["v3_api_key"],
            "WECHAT_V3_SERIAL_NO": merchant["merchant_serial_no"],
            "WECHAT_V3_PUBLIC_KEY_ID": merchant["public_key_id"],
            "WECHAT_PAY_URL": simulator.url,
            "WECHAT_API_URL": simulator.url,
            **{f"WECHAT_V3_{name}_FILE": str(folder / name) for name in FILES},
        }
        command = [python, "-m", "benchmarks.peers.seed", "--orders", "10"]
        subprocess.run(command, cwd=ROOT, env={"DATABASE_URL": url}, check=True)
        self.process = Process([python, "-m", "benchmarks.peers.serve"], folder / "peer.log", environ)
        self.process.start(self._up)
        self.tables = Tables(url)

    def _up(self) -> bool:
        try:
            return self.http.get("/api/products").status_code == 200
        except httpx.TransportError:
            return False

    def counts(self) -> dict[str, int]:
        names = ("users", "logins", "orders", "attempts", "payments", "notifications")
        return {name: self.tables.one(f"SELECT COUNT(*) FROM {name}") for name in names}

    def close(self) -> None:
        self.http.close()
        self.process.stop()
        assert not self.process.text(), self.process.text()


def check(peer: Peer, simulator: Simulator) -> None:
    sold = buy(peer.http, simulator, "buyer-of-one")
    refused(peer.http, simulator, sold)
    wrong(peer.http, peer, simulator)
    repeated(peer.http, peer, simulator)
    seeded(peer.http)


def log_in(http: httpx.Client, simulator: Simulator, openid: str) -> dict[str, str]:
    code = simulator.post("login", openid=openid)["code"]
    return {"Authorization": "Bearer " + said(http.post("/api/login", json={"code": code}), 200)["token"]}


def buy(http: httpx.Client, simulator: Simulator, openid: str) -> str:
    """A payment from login to paid, WeChat notifying it. Its order number."""
    buyer = log_in(http, simulator, openid)
    latte = {product["id"]: product for product in said(http.get("/api/products"), 200)["products"]}["latte"]
    order = said(http.post("/api/orders", headers=buyer, json=two_lattes()), 201)
    assert (order["amount_fen"], order["status"]) == (2 * latte["price_fen"], "pending"), order
    path = f"/api/orders/{order['order_no']}"
    handed = said(http.post(path + "/pay", headers=buyer), 200)
    again = said(http.post(path + "/pay", headers=buyer), 200)
    assert again["package"] == handed["package"], "the prepay_id that is stored is handed out again"
    assert simulator.post("pay", **handed) == {"errMsg": "requestPayment:ok"}
    eventually(lambda: said(http.get(path, headers=buyer), 200)["status"] == "paid")
    assert http.post(path + "/pay", headers=buyer).status_code == 409
    return order["order_no"]


def two_lattes() -> dict[str, Any]:
    return {"items": [{"product_id": "latte", "quantity": 2}]}


def refused(http: httpx.Client, simulator: Simulator, sold: str) -> None:
    """What a buyer must not do, and cannot."""
    other = log_in(http, simulator, "somebody-else")
    assert http.get(f"/api/orders/{sold}").status_code == 401
    assert http.get(f"/api/orders/{sold}", headers={"Authorization": "Bearer guessed"}).status_code == 401
    assert http.get(f"/api/orders/{sold}", headers=other).status_code == 404
    assert http.post(f"/api/orders/{sold}/pay", headers=other).status_code == 404
    assert http.post("/api/login", json={"code": "never-given"}).status_code == 401
    for body in ({"items": []}, two_lattes() | {"amount_fen": 1}, {"items": [{"product_id": "no", "quantity": 1}]}):
        assert http.post("/api/orders", headers=other, json=body).status_code == 422


def wrong(http: httpx.Client, peer: Peer, simulator: Simulator) -> None:
    """Forged: refused, and no row is written. Genuine and not what was ordered: kept, acknowledged, not booked."""
    before = peer.counts()
    forgeries: list[dict[str, Any]] = [{"signature": kind} for kind in ("forged", "broken", "signtest", "missing")]
    forgeries += [{"timestamp_offset": 400}, {"timestamp_offset": -400}, {"serial": "PUB_KEY_ID_X"}, {"body": "{}"}]
    for forgery in forgeries:
        assert post(http, made(simulator, SEEDED[1], **forgery)) == 401, forgery
    assert peer.counts() == before
    differing: list[dict[str, Any]] = [{"amount": 1}, {"currency": "USD"}, {"appid": "wx0"}, {"mchid": "1"}]
    for override in differing:
        assert post(http, made(simulator, SEEDED[2], override=override)) == 204, override
    assert post(http, made(simulator, "NEVER-ORDERED", override={})) == 204
    kept = peer.tables.rows("SELECT disposition, COUNT(*) FROM payments GROUP BY disposition ORDER BY disposition")
    assert [tuple(row) for row in kept] == [("APPLIED", 1), ("MISMATCH", 4), ("UNKNOWN_ORDER", 1)], kept
    assert peer.counts()["notifications"] == before["notifications"] + 5
    assert state(peer, 1) == state(peer, 2) == "PAYING"


def repeated(http: httpx.Client, peer: Peer, simulator: Simulator) -> None:
    """One payment, whatever comes again, and at once."""
    before = peer.counts()
    notice = made(simulator, SEEDED[3])
    with ThreadPoolExecutor(16) as many:
        assert set(many.map(lambda _: post(http, notice), range(200))) == {204}
    told = json.loads(notice["body"])["id"]
    assert peer.tables.one(f"SELECT COUNT(*) FROM notifications WHERE id = '{told}'") == 1
    after = peer.counts()
    assert after["payments"] == before["payments"] + 1, after
    assert after["notifications"] == before["notifications"] + 1, after
    assert state(peer, 3) == "PAID"
    with ThreadPoolExecutor(16) as many:  # two payments of one order, each told by eight messages of its own
        notices = [
            made(simulator, SEEDED[4], override={"transaction_id": f"42000000{which:020d}"})
            for which in (1, 2)
            for _ in range(8)
        ]
        assert set(many.map(lambda one: post(http, one), notices)) == {204}
    found = f"SELECT disposition FROM payments WHERE out_trade_no = '{SEEDED[4]}' ORDER BY disposition"
    assert [row[0] for row in peer.tables.rows(found)] == ["APPLIED", "DUPLICATE"]


def seeded(http: httpx.Client) -> None:
    """What the harness relies on."""
    mine = {"Authorization": "Bearer bench-token"}
    found = [said(http.get(f"/api/orders/BENCHORDER{i:022d}", headers=mine), 200) for i in range(10)]
    assert {order["amount_fen"] for order in found} == {1800}
    assert [order["status"] for order in found] == ["pending"] * 3 + ["paid"] * 2 + ["pending"] * 5


def state(peer: Peer, i: int) -> str:
    return str(peer.tables.one(f"SELECT state FROM orders WHERE order_no = 'BENCHORDER{i:022d}'"))


def made(simulator: Simulator, out_trade_no: str, **wanted: Any) -> dict[str, Any]:
    """A notification to measure, of 1800 fen unless told otherwise, not yet sent."""
    override = {"amount": 1800} | wanted.pop("override", {})
    told = {"api": "v3", "key": "public_key", "url": "http://127.0.0.1/", "send": False, **wanted}
    return simulator.post("notify", out_trade_no=out_trade_no, override=override, **told)


def post(http: httpx.Client, notice: dict[str, Any]) -> int:
    return http.post(NOTIFY, content=notice["body"].encode(), headers=notice["headers"]).status_code


def said(reply: httpx.Response, status: int) -> Any:
    assert reply.status_code == status, reply.text
    return reply.json()


def run(python: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulator = Simulator(folder)
        peer = Peer(folder, simulator, python, url or f"sqlite:///{folder / 'peer.db'}")
        try:
            check(peer, simulator)
        finally:
            peer.close()
            simulator.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("url", nargs="?")
    options = parser.parse_args()
    if options.url:
        run(options.python, options.url)
        return
    run(options.python, "")
    with tempfile.TemporaryDirectory() as name:
        server = MariaDb(Path(name))
        try:
            run(options.python, server.create())
        finally:
            server.close()


if __name__ == "__main__":
    main()
