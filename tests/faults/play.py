"""Plays one history: what each step does, and the end, when all that was begun must come to rest."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from adapters.errors import PaymentError
from jobs import ask, close, hint, inbox, keys, money, refund
from services.errors import Refused
from tests.faults import verdict
from tests.faults.history import History
from tests.faults.stage import MERCHANT_KEY, Stage

JOBS = {"ask": ask, "close": close, "refund": refund, "hint": hint, "inbox": inbox, "keys": keys, "money": money}
CYCLE = ("ask", "close", "refund", "hint", "inbox")  # of these each carries on what is begun
OUTCOMES = {200, 201, 400, 401, 404, 409, 502, 503}
MAKES_NOISE = ("cashier", "impossible", "leap", "restart")  # steps after which WeChat may send notifications
MOST_TURNS = 40
MOST_TIME = 12 * 3600  # of the steps: WeChat gives a notification up after 24 hours


class Wrong(AssertionError):
    """Something did not hold."""


class Play:
    def __init__(self, stage: Stage, history: History) -> None:
        self.stage = stage
        _, self.api, minutes, self.late = history[0].split()
        self.minutes = int(minutes)
        self.steps = history[1:]
        self.tables = stage.tables
        self.seed = "; ".join(history)
        self.token = "none yet"
        self.orders: list[str] = []
        self.amounts: dict[str, int] = {}
        self.hands: dict[str, list[dict[str, str]]] = {}  # payment parameters that were handed out, oldest first
        self.prepays: list[str] = []
        self.leapt = 0
        self.turns = 0

    async def run(self) -> dict[str, int]:
        """Play it to its end; how often each state was entered. Raises ``Wrong``."""
        await self.stage.control("DELETE", "complaints")
        self.program = await self.stage.open(self.api, self.minutes, self.late, self.seed)
        self.openid = "o" + self.stage.dice.randbytes(13).hex()
        try:
            for line in self.steps:
                await self._line(line)
            await self._come_to_rest()
            await verdict.check(self)
        finally:
            self.program.transport.prepays.clear()
        return verdict.counts(self)

    async def _line(self, line: str) -> None:
        """One step, or several at once. An error that the program logs is one too many."""
        steps = line.split(" & ")
        await asyncio.gather(*(self._step(step) for step in steps))
        if any(step.startswith(MAKES_NOISE) for step in steps):
            await self.stage.quiet()
        if self.stage.loud.lines:
            raise Wrong(f"{line}: logged {self.stage.loud.lines.pop()}")

    async def _step(self, step: str) -> None:
        word, *words = step.split()
        await getattr(self, f"do_{word}")(*words)

    # --- the user ---

    async def do_order(self, product: str, quantity: str) -> None:
        items = [{"product_id": product, "quantity": int(quantity)}]
        status, order = await self.user("POST", "orders", {"items": items})
        if status == 201:
            self.orders.append(order["order_no"])
            self.amounts[order["order_no"]] = order["amount_fen"]
            self.hands[order["order_no"]] = []

    async def do_pay(self, which: str) -> None:
        if order_no := self._order(which):
            status, told = await self.user("POST", f"orders/{order_no}/pay")
            if status == 200:
                self.hands[order_no].append(told)

    async def do_cashier(self, which: str, back: str, outcome: str) -> None:
        """Pay with what was handed out last, or so many times before."""
        hand = self.hands.get(self._order(which), [])
        if len(hand) > int(back):
            wish = {**hand[-1 - int(back)], "outcome": outcome}
            await self.stage.control("POST", "pay", wish)

    async def do_sync(self, which: str) -> None:
        if order_no := self._order(which):
            await self.user("POST", f"orders/{order_no}/sync")

    async def do_close(self, which: str) -> None:
        if order_no := self._order(which):
            await self.user("POST", f"orders/{order_no}/close")

    async def user(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """As the user; who logs in anew when the session has expired."""
        for _ in range(2):
            status, told = await self._ask(method, f"/api/{path}", self.token, body)
            if status != 401:
                break
            code = (await self.stage.control("POST", "login", {"openid": self.openid}))["code"]
            self.token = (await self._ask("POST", "/api/login", "none yet", {"code": code}))[1]["token"]
        return status, told

    async def _ask(self, method: str, path: str, token: str, body: object) -> tuple[int, Any]:
        status, told = await self.stage.shop.call(method, path, body, {"Authorization": f"Bearer {token}"})
        if status not in OUTCOMES:
            raise Wrong(f"{method} {path}: {status} {told}")
        return status, told

    # --- the merchant ---

    async def do_refund(self, which: str, percent: str, label: str) -> None:
        order_no = self._order(which)
        if order_no:
            amount = max(1, self.amounts[order_no] * int(percent) // 100)
            named = {} if label == "-" else {"refund_no": f"{label}-{percent}"}
            wish = {"amount_fen": amount, "reason": "history", **named}
            await self._ask("POST", f"/merchant/orders/{order_no}/refunds", MERCHANT_KEY, wish)

    async def do_console(self, which: str, percent: str) -> None:
        """A refund on the merchant platform, past the API; WeChat tells us about it."""
        for order in await self._gateway_orders(which):
            wish = {
                "out_trade_no": order["out_trade_no"],
                "amount_fen": max(1, order["amount_fen"] * int(percent) // 100),
            }
            address = f"{self.stage.url}/notify/wechat_{order['api']}/refund"
            await self.stage.control("POST", "refund", {**wish, "notify_url": address})

    async def do_elsewhere(self, which: str) -> None:
        """Another system of the merchant closes the payment at WeChat."""
        for order in await self._gateway_orders(which):
            try:
                await self.program.services.adapters[f"wechat_{order['api']}"].close(order["out_trade_no"])
            except PaymentError:
                continue

    async def do_impossible(self, which: str) -> None:
        """WeChat takes money for a number whatever became of it: also if it is closed, and another is paid."""
        for order in await self._gateway_orders(which):
            await self.stage.control("POST", "impossible", {"out_trade_no": order["out_trade_no"]})

    async def do_restart(self, api: str) -> None:
        """The server is stopped and started, new payments through ``api``."""
        self.prepays += self.program.transport.prepays
        self.program = await self.stage.restart(api)

    # --- WeChat and the network ---

    async def do_again(self, which: str, times: str) -> None:
        """A notification of a payment is repeated, after the end too, in parallel."""
        for order in await self._gateway_orders(which):
            if order["payment"]:
                wish = {"out_trade_no": order["out_trade_no"], "times": int(times), "parallel": int(times)}
                await self.stage.control("POST", "notify", wish)

    async def do_refund_again(self, which: str, times: str) -> None:
        for one in await self._gateway(which, "refunds"):
            if one["notify_url"] and one["state"] != "PROCESSING":
                wish = {"out_refund_no": one["out_refund_no"], "times": int(times), "parallel": int(times)}
                await self.stage.control("POST", "notify", wish)

    async def do_outcome(self, outcome: str) -> None:
        await self.stage.control("PUT", "refunds", {"next": [outcome]})

    async def do_balance(self, fen: str) -> None:
        await self.stage.control("PUT", "refunds", {"balance_fen": None if fen == "enough" else int(fen)})

    async def do_keys(self, kind: str) -> None:
        """What signs notifications from now on."""
        await self.stage.control("PUT", "keys", {"notify_key": kind})

    async def do_rotate(self) -> None:
        """A new certificate, which we have not fetched yet, signs them."""
        await self.stage.control("PUT", "keys", {"notify_key": "certificate", "new_certificate": {}})

    async def do_fault(self, where: str, what: str, count: str, skip: str, code: str = "") -> None:
        rule: dict[str, Any] = {"op": where, "fault": what, "skip": int(skip), "times": 3}
        rule |= {"seconds": 300 if what == "late" else 0.03}
        rule |= {"count": int(count)} if int(count) else {}
        rule |= {"code": code} if code else {}
        plan = await self.stage.control("GET", "faults")
        earlier = [old for old in plan["rules"] if old["count"] != 0]
        for old in earlier:
            old.pop("struck")
        await self.stage.control("PUT", "faults", {"rules": [rule, *earlier[:3]]})

    async def do_calm(self) -> None:
        await self.stage.control("DELETE", "faults")

    async def do_leap(self, seconds: str) -> None:
        step = min(int(seconds), MOST_TIME - self.leapt)
        self.leapt += step
        await self.stage.leap(step)

    async def do_skew(self, seconds: str) -> None:
        await self.stage.set_skew(int(seconds))

    # --- ours ---

    async def do_job(self, name: str) -> None:
        with contextlib.suppress(Refused):  # comes again at its next turn
            await JOBS[name].run_once(self.program.services)

    def _order(self, which: str) -> str:
        return self.orders[int(which) % len(self.orders)] if self.orders else ""

    async def _gateway_orders(self, which: str) -> list[dict[str, Any]]:
        return await self._gateway(which, "orders")

    async def _gateway(self, which: str, kind: str) -> list[dict[str, Any]]:
        """What WeChat has of one of our orders."""
        return (await self.gateway(verdict.attempts(self.tables, self._order(which))))[kind]

    async def gateway(self, numbers: list[str]) -> dict[str, list[dict[str, Any]]]:
        """WeChat's ledger of these numbers. None is known of no number."""
        named = "&".join(f"out_trade_no={number}" for number in numbers or ["none"])
        ledger: dict[str, list[dict[str, Any]]] = await self.stage.control("GET", f"ledger?{named}")
        return ledger

    # --- the end ---

    async def _calm(self) -> None:
        await self.stage.control("DELETE", "faults")
        await self.stage.control("PUT", "refunds", {"next": [], "balance_fen": None})
        await self.stage.control("PUT", "keys", {"notify_key": "as_ordered"})
        await self.stage.set_skew(0)

    async def _come_to_rest(self) -> None:
        """The faults stop and time goes on, each turn to the next thing that is due, and every job runs once a turn."""
        await self._calm()
        while not await self._at_rest():
            self.turns += 1
            if self.turns > MOST_TURNS:
                raise Wrong(f"not at rest after {MOST_TURNS} turns: {self._waiting()}")
            await self.stage.leap(self._until_something_is_due())
            await self.stage.quiet()
            for name in CYCLE:
                await self.do_job(name)

    async def _at_rest(self) -> bool:
        if self._waiting():
            return False
        state = await self.stage.quiet()
        return not state["pending_deliveries"] and not state["pending_refunds"]

    def _waiting(self) -> list[tuple[Any, ...]]:
        return verdict.unsettled(self.tables) + verdict.owed(self.tables, self.late)

    def _until_something_is_due(self) -> int:
        """Seconds; six hours, WeChat's longest pause between two tries, if nothing here waits."""
        due = verdict.next_due(self.tables)
        return 6 * 3600 if due is None else max(4, due - int(self.stage.now()) + 1)
