"""Who asks: two users, the merchant, and two whom nobody knows; and what no answer may tell any of them.

Two servers stand on one database, one for new payments through each generation.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Buyer
from tests.sale import Sale

KEY = "merchant-key-of-the-fuzzer-0123456789abcdef"
NUMBER = re.compile(rb"MP\d{6}[A-Z0-9]{16}")
STRANGER = "Bearer mp1_" + "A" * 43


@dataclass
class People:
    """``sales``: a paid order of each user. ``bearers``: who asks, and with which Authorization."""

    fleet: Fleet
    users: dict[str, Buyer]
    sales: list[Sale]
    bearers: dict[str, str]
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    told: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, fleet: Fleet) -> People:
        servers = [fleet.start(MERCHANT_API_KEY=KEY, **api.environ) for api in (V2_HMAC, V3)]
        sales = [Sale.begun(server, fleet.tables) for server in servers]
        users = {"alice": sales[0].buyer, "mallory": sales[1].buyer}
        for sale in sales:
            sale.buyer.pay(sale.order_no)
            sale.buyer.becomes(sale.order_no, "paid")
            sale.buyer.prepay(sale.buyer.order("latte")["order_no"])
        bearers = {name: f"Bearer {user.token}" for name, user in users.items()}
        return cls(fleet, users, sales, {**bearers, "merchant": f"Bearer {KEY}", "stranger": STRANGER, "nobody": ""})

    @property
    def orders(self) -> list[str]:
        """Of each user one that is paid, and one that may still be."""
        return [str(row[0]) for row in self.fleet.tables.rows("SELECT order_no FROM orders ORDER BY id LIMIT 4")]

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": self.bearers[who]} if self.bearers[who] else {}

    def heard(self, who: str, asked: str, status: int, head: bytes, body: bytes) -> None:
        """One answer: no failure of ours, no secret. Which orders it names is kept, to be judged in the end.

        503 is an answer if it says when to come again, and 0 is none: who asks has to judge that.
        """
        self.seen[asked, status] += 1
        busy = status == 503 and b"retry-after:" in head.lower()
        assert status < 500 or busy, (who, asked, status, body)
        self.told |= {(who, found.decode()) for found in NUMBER.findall(head + body)}
        spilled = [secret for secret in self._secrets() if secret.encode() in head + body]
        assert not spilled, (who, asked, spilled)

    def _secrets(self) -> list[str]:
        return [user.openid for user in self.users.values()] + [KEY, *self.fleet.servers[0].secrets()]

    def nothing_foreign(self) -> None:
        """An order's number was told to its own buyer and to the merchant, and to nobody else."""
        sql = "SELECT o.order_no, u.openid FROM orders o JOIN users u ON u.id = o.user_id"
        owners = dict(self.fleet.tables.rows(sql))
        openids = {name: user.openid for name, user in self.users.items()}
        foreign = [
            (who, number) for who, number in self.told if who != "merchant" and owners[number] != openids.get(who)
        ]
        assert not foreign, foreign
        assert {who for who, _ in self.told} >= self.users.keys()
