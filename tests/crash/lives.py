"""Lives of an order, each played by a client that loses its answers and asks again, as real ones do."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

import httpx

from tests.faults.crowd import LATTE, MERCHANT
from tests.harness import NO_TLS, Simulator
from tests.processes import PATIENCE, eventually


class Client:
    """One buyer, and the merchant about this buyer's order, at the shop's one address."""

    def __init__(self, url: str, simulator: Simulator) -> None:
        self.simulator = simulator
        self._http = httpx.Client(base_url=url, timeout=PATIENCE, verify=NO_TLS)
        self._openid = "o" + uuid.uuid4().hex[:27]
        self._login: dict[str, str] = {}
        self.order_no = ""
        self.wish = uuid.uuid4().hex  # one order and one refund of it, however often they are asked for

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The first answer that is none to come again."""

        def answer() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                reply = self._http.request(method, path, **more)
                if reply.status_code not in (502, 503):
                    return reply
            return None

        reply: httpx.Response = eventually(answer)
        return reply

    def login(self) -> None:
        """A code is good for one use, so each try has its own."""

        def token() -> str | None:
            code = self.simulator.post("login", openid=self._openid)["code"]
            with suppress(httpx.TransportError):
                reply = self._http.post("/api/login", json={"code": code})
                return reply.json()["token"] if reply.status_code == 200 else None
            return None

        self._login = {"Authorization": f"Bearer {eventually(token)}"}

    def order(self) -> None:
        reply = self.ask("POST", "/api/orders", json=LATTE, headers={**self._login, "Idempotency-Key": self.wish})
        assert reply.status_code in (200, 201), reply.text
        self.order_no = reply.json()["order_no"]

    def prepay(self) -> dict[str, str]:
        reply = self.ask("POST", f"/api/orders/{self.order_no}/pay", headers=self._login)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def pay(self) -> None:
        assert self.simulator.post("pay", **self.prepay())["errMsg"] == "requestPayment:ok"

    def sync(self) -> None:
        reply = self.ask("POST", f"/api/orders/{self.order_no}/sync", headers=self._login)
        assert (reply.status_code, reply.json()["status"]) == (200, "paid"), reply.text

    def cancel(self) -> None:
        reply = self.ask("POST", f"/api/orders/{self.order_no}/close", headers=self._login)
        assert reply.status_code == 200, reply.text

    def give_back(self, amount_fen: int) -> str:
        """What is known of the refund: "pending" is for the jobs to carry on."""
        body = {"amount_fen": amount_fen, "reason": "crash", "refund_no": self.wish}
        reply = self.ask("POST", f"/merchant/orders/{self.order_no}/refunds", json=body, headers=MERCHANT)
        assert reply.status_code in (200, 201), reply.text
        return str(reply.json()["status"])

    def becomes(self, status: str) -> None:
        path = f"/api/orders/{self.order_no}"
        eventually(lambda: self.ask("GET", path, headers=self._login).json()["status"] == status)


def begun(client: Client) -> None:
    client.login()
    client.order()


def paid_and_given_back(client: Client) -> None:
    begun(client)
    client.pay()
    client.becomes("paid")
    status = client.give_back(1000)
    client.simulator.post("clock", advance_seconds=4)  # WeChat takes three for it
    if status != "pending":
        client.becomes("partially_refunded")


def paid_and_refund_asked(client: Client) -> None:
    """v2 says nothing of a refund that can be believed: the jobs ask. Its notice comes all the same."""
    begun(client)
    client.pay()
    client.becomes("paid")
    client.give_back(1000)
    client.simulator.post("clock", advance_seconds=4)  # WeChat takes three for it
    eventually(client.simulator.quiet)


def cancelled(client: Client) -> None:
    begun(client)
    client.prepay()
    client.cancel()
