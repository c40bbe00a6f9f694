"""The buyer pays in the very moment in which we close: after our question and before our close (F9 of money.md),
or after WeChat has said NOTPAY and before we have read it (F10). However often, it is booked and nothing is closed.

The moment is not waited for. The program's transport is a real one that lets a buyer pay before a request leaves, or
before its answer is handed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.transport import Response, Transport
from bootstrap import Program, build, prepare_tables
from jobs import keys
from services.errors import Conflicting
from services.login import Person
from services.placing import Line
from settings import Settings
from settings.merchant import simulated_merchant
from tests.databases import Tables
from tests.harness import V2_HMAC, V3, Api, Simulator
from tests.sale import SILENCE

TIMES = 40
CLOSE = ("/pay/closeorder", "/close")
QUERY = ("/pay/orderquery", "?mchid=")


class Meddling(Transport):
    """``pay`` is called once: before a request to ``before`` leaves, or before an answer of ``after`` is handed on."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    pay: Callable[[], Any] | None = None

    async def request(self, method: str, url: str, **more: Any) -> Response:
        await self._meddle(self.before, url)
        answer = await super().request(method, url, **more)
        await self._meddle(self.after, url)
        return answer

    async def _meddle(self, where: tuple[str, ...], url: str) -> None:
        if self.pay and any(part in url for part in where):
            pay, self.pay = self.pay, None
            assert (await asyncio.to_thread(pay))["errMsg"] == "requestPayment:ok"


class Shop:
    """The program without its doors, one buyer, and what they need to be at odds with each other."""

    def __init__(self, program: Program, transport: Meddling, tables: Tables, simulator: Simulator) -> None:
        self.services = program.services
        self.transport = transport
        self.tables = tables
        self.simulator = simulator

    async def login(self) -> Person:
        ticket = await self.services.login.login(self.simulator.post("login")["code"])
        return await self.services.login.person(ticket.token)

    async def old_order(self, person: Person) -> tuple[str, dict[str, str]]:
        """An order with its parameters handed out, more than five minutes ago."""
        order, _ = await self.services.orders.create(person, [Line("latte", 1)], None)
        payment = await self.services.checkout.pay(person, order["order_no"], "127.0.0.1")
        self.tables.change("UPDATE transactions SET created_at = created_at - 301 WHERE state = 'PREPAID'")
        return order["order_no"], payment

    def booked(self) -> list[tuple[Any, ...]]:
        joined = "orders o LEFT JOIN payments p ON p.order_id = o.id"
        return self.tables.rows(f"SELECT o.state, p.disposition, COUNT(*) FROM {joined} GROUP BY 1, 2")


@asynccontextmanager
async def opened(api: Api, folder: Path, simulator: Simulator) -> AsyncIterator[Shop]:
    tables = Tables(f"sqlite:///{folder / 'pay.db'}")
    settings = Settings(
        _env_file=None,
        database_url=tables.url,
        simulator_url=simulator.url,
        wechat_pay_api=api.generation,
        wechat_v2_sign_type=api.sign_type,
    )
    transport = Meddling()
    merchant = simulated_merchant(settings, simulator.merchant)
    program = build(settings, merchant, transport)
    await asyncio.to_thread(prepare_tables, program)
    await keys.run_once(program.services)
    try:
        yield Shop(program, transport, tables, simulator)
    finally:
        await program.close()
        if merchant.v2 and merchant.v2.folder:
            merchant.v2.folder.cleanup()


BY_API = pytest.mark.parametrize("api", [V2_HMAC, V3], ids=lambda api: api.name)


@BY_API
def test_paid_between_our_question_and_our_close(api: Api, tmp_path: Path, simulator: Simulator) -> None:
    """ORDERPAID leads to a question, and that to the payment."""
    simulator.put("faults", SILENCE)

    async def play() -> None:
        async with opened(api, tmp_path, simulator) as shop:
            person = await shop.login()
            for _ in range(TIMES):
                order_no, payment = await shop.old_order(person)
                shop.transport.before, shop.transport.pay = (
                    CLOSE,
                    lambda payment=payment: simulator.post("pay", **payment),
                )
                with pytest.raises(Conflicting, match="order_paid"):
                    await shop.services.closing.close(person, order_no)
                assert shop.transport.pay is None
            assert shop.booked() == [("PAID", "APPLIED", TIMES)]

    asyncio.run(play())


@BY_API
def test_paid_while_the_answer_was_on_its_way(api: Api, tmp_path: Path, simulator: Simulator) -> None:
    """What we read is NOTPAY, and no longer true: it moves nothing, and the close that follows finds the payment."""
    simulator.put("faults", SILENCE)

    async def play() -> None:
        async with opened(api, tmp_path, simulator) as shop:
            person = await shop.login()
            for _ in range(TIMES):
                order_no, payment = await shop.old_order(person)
                shop.transport.after, shop.transport.pay = (
                    QUERY,
                    lambda payment=payment: simulator.post("pay", **payment),
                )
                assert (await shop.services.asking.sync(person, order_no))["status"] == "pending"
                assert shop.transport.pay is None
                with pytest.raises(Conflicting, match="order_paid"):
                    await shop.services.closing.close(person, order_no)
            assert shop.booked() == [("PAID", "APPLIED", TIMES)]

    asyncio.run(play())


@BY_API
def test_paid_after_a_refused_close_was_asked_about(api: Api, tmp_path: Path, simulator: Simulator) -> None:
    """The close is refused for one reason or another; a question that follows reads a stale NOTPAY: still no proof."""
    refused = {"op": f"{api.generation}.close", "fault": "error", "count": 1}
    codes = ["ORDERPAID", "USERPAYING", "FREQUENCY_LIMITED", "SYSTEMERROR"]

    async def play() -> None:
        async with opened(api, tmp_path, simulator) as shop:
            person = await shop.login()
            for code in codes:
                simulator.put("faults", [*SILENCE, {**refused, "code": code}])
                order_no, payment = await shop.old_order(person)
                shop.transport.after, shop.transport.pay = (
                    QUERY,
                    lambda payment=payment: simulator.post("pay", **payment),
                )
                assert (await shop.services.closing.close(person, order_no))["status"] == "pending"
                if shop.transport.pay:  # nobody asked: only ORDERPAID is a reason to
                    assert shop.transport.pay()["errMsg"] == "requestPayment:ok"
                    shop.transport.pay = None
                with pytest.raises(Conflicting, match="order_paid"):
                    await shop.services.closing.close(person, order_no)
            assert shop.booked() == [("PAID", "APPLIED", len(codes))]

    asyncio.run(play())
