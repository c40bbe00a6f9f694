"""One server, a victim and an attacker: where bad input is tried, and how a refusal must look."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from tests.databases import Tables
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server

GOOD = {"product_id": "latte", "quantity": 1}
OWN = "/api/orders"


@dataclass(frozen=True)
class Scene:
    """Alice has an order with a prepay_id; Mallory has a token of his own."""

    server: Server
    tables: Tables
    alice: Buyer
    mallory: Buyer
    order_no: str

    @classmethod
    def opened(cls, shop: Fleet) -> Scene:
        server = shop.start(**V3.environ)
        shop.settle()
        alice, mallory = Buyer(server), Buyer(server)
        order_no = alice.order("latte")["order_no"]
        alice.prepay(order_no)
        # The query job would note its questions in this row while a test looks on: here it has none to ask.
        shop.tables.change("UPDATE transactions SET ask_at = NULL")
        return cls(server, shop.tables, alice, mallory, order_no)


def refused(reply: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The error of a refusal, after looking at its shape (contract.md)."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Server" not in reply.headers
    body = reply.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"code", "message", "request_id"} | ({"field"} if field else set())
    assert error["code"] == code
    assert error["message"]
    assert len(error["request_id"]) == 16
    if field:
        assert error["field"] == field
        assert field in error["message"]
    return error


def order(scene: Scene, body: Any = None, content: bytes | None = None, **headers: str | bytes) -> httpx.Response:
    raw = json.dumps(body).encode() if content is None else content
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return scene.alice.call("POST", OWN, content=raw, headers=named)
