"""A crowd of buyers whose shop may be away, and how what they left behind comes to rest.

The crowd decides what is wanted, from dice of its own; it judges nothing but that every question has an answer.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.verdict import Rows, attempts, unsettled
from tests.fleet import Fleet
from tests.harness import Buyer, Server
from tests.processes import PATIENCE, eventually

KEY = "merchant-key-of-the-crowd-0123456789abcdef"
MERCHANT = {"Authorization": f"Bearer {KEY}"}
LATTE = {"items": [{"product_id": "latte", "quantity": 1}]}
PRICE = 2800
# What a machine says that cannot keep up: who asked is told to come again, and comes. ``due_now`` ends the lease of who
# is still at work. No word here is one of a lock, a deadlock or a lost connection.
SLOW = (
    "not acknowledged .* reason=(TryLater|TimeoutError)",
    "no connection came free within",
    "timed out",
    "pay.refunds too late",
    "stopped with 0 requests",
)


class Desk:
    """The shop as a phone sees it: one address, behind it several servers, any of which may be away."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The first answer that is none to come again. Whatever is asked here may be asked twice."""

        def answer() -> httpx.Response | None:
            for server in random.sample(self.servers, len(self.servers)):
                with suppress(httpx.TransportError):
                    reply = server.http.request(method, path, **more)
                    if reply.status_code not in (502, 503):
                        return reply
            return None

        reply: httpx.Response = eventually(answer)
        return reply


@dataclass(frozen=True)
class Held:
    """An order, and what its buyer needs to pay it."""

    order_no: str
    payment: dict[str, str]
    login: dict[str, str]


class Crowd:
    """Buyers that go on until they are told to stop. ``done`` names what they did, ``paid`` holds the orders that
    WeChat took money for, ``given_up`` those that were closed and are not, ``given_back`` the numbers of refunds."""

    def __init__(self, servers: list[Server]) -> None:
        self._desk = Desk(servers)
        self._simulator = servers[0].simulator
        self._buyers = [Buyer(server) for server in servers]
        self._acts = (self.buy, self.give_up, self.think_again, self.give_back)
        self._stop = threading.Event()
        self.done: list[str] = []
        self.paid: list[str] = []
        self.given_up: list[str] = []
        self.given_back: list[str] = []

    @contextmanager
    def going_on(self, size: int) -> Iterator[None]:
        """So many at once, each with dice of its own; what one of them raises is raised here."""
        print(f"a crowd of {size}, of the seeds 0 to {size - 1}")
        with ThreadPoolExecutor(size) as threads:
            running: list[Future[None]] = [threads.submit(self._one, random.Random(seed)) for seed in range(size)]
            try:
                yield
            finally:
                self._stop.set()
        for one in running:
            one.result()

    def until_each(self, times: int) -> None:
        """Until everything that is done here was done so many times more."""
        before = len(self.done)

        def enough() -> bool:
            since = Counter(self.done[before:])
            return all(since[act.__name__] >= times for act in self._acts)

        eventually(enough)

    def _one(self, dice: random.Random) -> None:
        while not self._stop.is_set():
            act = dice.choice(self._acts)
            if act(dice):
                self.done.append(act.__name__)

    # --- what one of them does; whether it could be done ---

    def buy(self, dice: random.Random) -> bool:
        self.pay(self.in_hand(dice))
        return True

    def give_up(self, dice: random.Random) -> bool:
        """Closed, and nobody pays with what was handed out."""
        held = self.in_hand(dice)
        self._close(held)
        self.given_up.append(held.order_no)
        return True

    def think_again(self, dice: random.Random) -> bool:
        """Closed, and paid all the same with the parameters in hand, if WeChat has not heard of the close yet."""
        held = self.in_hand(dice)
        self._close(held)
        paid = self._buyers[0].cashier(held.payment) == "requestPayment:ok"
        (self.paid if paid else self.given_up).append(held.order_no)
        return paid

    def give_back(self, dice: random.Random) -> bool:
        """A part of what somebody paid. 409: that payment is not known yet, or nothing is left of it."""
        if not self.paid:
            return False
        refund_no = secrets.token_hex(8)
        body = {"amount_fen": dice.choice((700, PRICE)), "reason": "crowd", "refund_no": refund_no}
        path = f"/merchant/orders/{dice.choice(self.paid)}/refunds"
        reply = self._desk.ask("POST", path, json=body, headers=MERCHANT)
        assert reply.status_code in (200, 201, 409), reply.text
        if reply.status_code != 409:
            self.given_back.append(refund_no)
        return reply.status_code != 409

    def in_hand(self, dice: random.Random) -> Held:
        """Ordered, and parameters handed out."""
        login = dice.choice(self._buyers).headers
        once = {**login, "Idempotency-Key": secrets.token_hex(8)}
        order = self._desk.ask("POST", "/api/orders", json=LATTE, headers=once)
        assert order.status_code in (200, 201), order.text
        order_no = order.json()["order_no"]
        payment = self._desk.ask("POST", f"/api/orders/{order_no}/pay", headers=login)
        assert payment.status_code == 200, payment.text
        return Held(order_no, payment.json(), login)

    def pay(self, held: Held) -> None:
        assert self._buyers[0].cashier(held.payment) == "requestPayment:ok"
        self.paid.append(held.order_no)

    def _close(self, held: Held) -> None:
        reply = self._desk.ask("POST", f"/api/orders/{held.order_no}/close", headers=held.login)
        assert reply.status_code == 200, reply.text


def due_now(fleet: Fleet) -> None:
    """What a test cannot wait for: five minutes before v2 closes, a minute between questions."""
    fleet.tables.change("UPDATE transactions SET created_at = created_at - 301 WHERE state = 'CLOSING'")
    fleet.tables.change("UPDATE transactions SET ask_at = 1 WHERE state NOT IN ('PAID', 'CLOSED')")
    fleet.tables.change("UPDATE refunds SET ask_at = 1 WHERE ask_at IS NOT NULL")


def come_to_rest(fleet: Fleet) -> None:
    """Every job has had its turn, and time goes on at WeChat: it takes one refund of a payment a minute."""
    until = time.monotonic() + PATIENCE
    while left := unsettled(fleet.tables):
        assert time.monotonic() < until, left
        fleet.simulator.post("clock", advance_seconds=61)
        due_now(fleet)
        time.sleep(2)  # what the jobs wait between two passes


def ledger_of(fleet: Fleet) -> dict[str, Rows]:
    """The part of WeChat's ledger that is about this fleet's numbers."""
    numbers, ledger = set(attempts(fleet.tables)), fleet.simulator.get("ledger")
    kinds = ("orders", "payments", "refunds", "deliveries")
    return {kind: [row for row in ledger[kind] if row["out_trade_no"] in numbers] for kind in kinds}
