"""A purchase of which the shop has heard nothing yet: the gateway has the money, the notification is still to come.

What is then sent to the shop, genuine or not, is made by the simulator with the true keys (``/_sim/notify``).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.databases import Tables
from tests.harness import Buyer, Server, Simulator
from tests.wire import Answer, Header, request

SILENCE = [{"op": "notify*", "fault": "drop"}]  # no notification of the schedule leaves


@dataclass(frozen=True)
class Notice:
    """A notification as it would be sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    def raw(self, host: str = "shop") -> bytes:
        return self.but(host=host)

    def but(
        self, *, path: str = "", headers: list[Header] | None = None, body: bytes | None = None, host: str = "shop"
    ) -> bytes:
        """The bytes on the wire, with parts replaced."""
        given: list[Header] = list(self.headers.items()) if headers is None else headers
        return request("POST", path or self.path, given, self.body if body is None else body, host)


@dataclass(frozen=True)
class Sale:
    buyer: Buyer
    tables: Tables
    order_no: str
    out_trade_no: str

    @classmethod
    def begun(cls, server: Server, tables: Tables) -> Sale:
        """Ordered, and payment parameters handed out."""
        buyer = Buyer(server)
        order_no = buyer.order("latte")["order_no"]
        buyer.prepay(order_no)
        return cls(buyer, tables, order_no, attempts(tables, order_no)[0])

    @classmethod
    def unnoticed(cls, server: Server, tables: Tables) -> Sale:
        """Paid as well; the fault plan keeps the simulator silent about it."""
        server.simulator.put("faults", SILENCE)
        sale = cls.begun(server, tables)
        sale.buyer.pay(sale.order_no)
        return sale

    @property
    def simulator(self) -> Simulator:
        return self.buyer.server.simulator

    @property
    def transaction_id(self) -> str:
        """WeChat's number of the payment."""
        return field(self.at_wechat("orderquery"), "transaction_id")

    @property
    def trade_state(self) -> str:
        """What WeChat makes of the order: NOTPAY, SUCCESS, CLOSED ..."""
        return field(self.at_wechat("orderquery"), "trade_state")

    def at_wechat(self, operation: str) -> str:
        """A v2 call, signed here by hand (v2.md 2): the gateway keeps one ledger for both generations. Its answer."""
        told = self.simulator.merchant
        fields = {"appid": told["appid"], "mch_id": told["mchid"], "nonce_str": "n", "out_trade_no": self.out_trade_no}
        text = "&".join(f"{name}={value}" for name, value in sorted(fields.items())) + f"&key={told['v2_api_key']}"
        fields["sign"] = hashlib.md5(text.encode()).hexdigest().upper()
        body = "<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + "</xml>"
        answer = self.simulator.http.post(f"/pay/{operation}", content=body).text
        assert field(answer, "result_code") == "SUCCESS", answer
        return answer

    def notify(self, **wish: Any) -> tuple[int, str]:
        """Send one notification now; HTTP status and the gateway's judgement of the answer."""
        sent = self.simulator.post("notify", out_trade_no=self.out_trade_no, **wish)["results"][0]
        return sent["status"], sent["result"]

    def notice(self, **wish: Any) -> Notice:
        made = self.simulator.post("notify", out_trade_no=self.out_trade_no, send=False, **wish)
        return Notice(urlsplit(made["url"]).path, made["headers"], made["body"].encode())

    def money(self) -> list[tuple[Any, ...]]:
        """Payments that name this sale's number: what was made of them, who told, how much."""
        named = f"out_trade_no = '{self.out_trade_no}' ORDER BY id"
        return self.tables.rows(f"SELECT disposition, source, amount_fen FROM payments WHERE {named}")

    def fulfilments(self) -> int:
        joined = "outbox x JOIN orders o ON o.id = x.order_id"
        return int(self.tables.one(f"SELECT COUNT(*) FROM {joined} WHERE o.order_no = '{self.order_no}'"))

    def flags(self) -> list[str]:
        """Kinds of the discrepancies about this order."""
        sql = f"SELECT kind FROM discrepancies WHERE order_no = '{self.order_no}' ORDER BY id"
        return [row[0] for row in self.tables.rows(sql)]


def field(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>(?:<!\[CDATA\[)?([^<\]]*)", xml)
    assert found, xml
    return found[1]


def attempts(tables: Tables, order_no: str) -> list[str]:
    """The order's numbers at WeChat, oldest first."""
    sql = (
        "SELECT t.out_trade_no FROM transactions t JOIN orders o ON o.id = t.order_id"
        f" WHERE o.order_no = '{order_no}' ORDER BY t.id"
    )
    return [row[0] for row in tables.rows(sql)]


def acknowledged(answer: Answer) -> bool:
    """v3 is judged by its status, v2 by its XML (v2.md 12.3, v3.md 15.3)."""
    if answer.status == 200 and answer.body:
        return b"<return_code><![CDATA[SUCCESS]]></return_code>" in answer.body
    return answer.status in (200, 204)
