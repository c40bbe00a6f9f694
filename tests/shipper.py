"""A merchant's own system that reports shipping to the server, and a look at what WeChat then has."""

from __future__ import annotations

from typing import Any

import httpx

from tests.databases import Tables
from tests.harness import Buyer, Server
from tests.processes import eventually

KEY = "merchant-key-of-the-tests-0123456789abcdef"
PARCEL = {"tracking_no": "YT1234567890", "express_company": "YTO", "item_desc": "拿铁 × 1 ☕"}
EXPRESS = {"logistics_type": "express", "parcels": [PARCEL]}
OTHER = {"logistics_type": "express", "parcels": [{**PARCEL, "tracking_no": "YT999"}]}
VIRTUAL = {"logistics_type": "virtual", "parcels": [{"item_desc": "会员一年"}]}


class Shipper:
    """``key``: the server's MERCHANT_API_KEY."""

    def __init__(self, server: Server, tables: Tables, key: str = KEY) -> None:
        self.key = key
        self.server = server
        self.tables = tables
        self.simulator = server.simulator

    def paid(self, *, long_ago: bool = True) -> str:
        """The number of a paid order; ``long_ago``: its shipping may be reported at once."""
        buyer = Buyer(self.server)
        order_no = str(buyer.order("latte")["order_no"])
        buyer.pay(order_no)
        buyer.becomes(order_no, "paid")
        if long_ago:
            self.tables.change("UPDATE payments SET created_at = created_at - 60")
        return order_no

    def ask(self, method: str, order_no: str, body: Any = None, *, key: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return self.server.http.request(method, f"/merchant/orders/{order_no}/shipment", json=body, headers=headers)

    def report(self, order_no: str, body: Any = EXPRESS, *, status: int = 201) -> dict[str, Any]:
        reply = self.ask("POST", order_no, body)
        assert reply.status_code == status, reply.text
        return dict(reply.json())

    def read(self, order_no: str) -> dict[str, Any]:
        reply = self.ask("GET", order_no)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def due_now(self) -> None:
        """Every shipment's next turn is now: the wait of a minute and more is no test's business."""
        self.tables.change("UPDATE shipments SET ask_at = 1 WHERE ask_at IS NOT NULL")

    def becomes(self, order_no: str, status: str) -> None:
        eventually(lambda: self.read(order_no)["status"] == status)

    def there(self, order_no: str) -> dict[str, Any] | None:
        """What the simulator was told of the order."""
        number = self.tables.one(
            f"SELECT p.out_trade_no FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.order_no = '{order_no}'"
        )
        found = [row for row in self.simulator.get("ledger")["shipments"] if row["out_trade_no"] == number]
        return found[0] if found else None

    def discrepancies(self, order_no: str) -> list[tuple[str, str]]:
        return self.tables.rows(f"SELECT kind, state FROM discrepancies WHERE order_no = '{order_no}' ORDER BY id")

    def exchanges(self, op: str) -> list[dict[str, Any]]:
        return [one for one in self.simulator.get("exchanges")["exchanges"] if one["op"] == op]

    def in_bad_weather(self, order_no: str) -> None:
        """Report it while the token's answer is cut, then while that of the upload is, until WeChat has it."""
        self.tables.change("UPDATE access_tokens SET expires_at = 0")
        self.simulator.put("faults", [{"op": "token", "fault": "truncate", "count": 1}])
        assert self.report(order_no)["status"] == "pending"
        self.simulator.put("faults", [{"op": "ship", "fault": "truncate", "count": 1}])
        self.tables.change("UPDATE access_tokens SET leased_until = 0")
        eventually(lambda: self.tables.one("SELECT MAX(asked) FROM shipments") == 1)
        self.due_now()
        self.becomes(order_no, "uploaded")

    def access_token(self) -> str:
        """The one in use: WeChat gives the same to whoever has AppSecret."""
        merchant = self.simulator.merchant
        asked = {"grant_type": "client_credential", "appid": merchant["appid"], "secret": merchant["app_secret"]}
        return str(self.simulator.http.post("/cgi-bin/stable_token", json=asked).json()["access_token"])
