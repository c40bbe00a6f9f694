"""Where histories are played: a simulator in a process of its own, the program in this one, and a clock for both.

The program is the true one: ``bootstrap.build`` and ``server.listen``, on a loopback socket and a fresh SQLite file,
with the system's clock moved ahead. ``/_sim/clock`` moves the simulator by as much, and its ``wire_skew_seconds`` moves
the clock of its signatures, which otherwise stays at the wall: so both sides agree on the time, as two machines do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import peewee
from tornado.httpserver import HTTPServer

from adapters.transport import Response, Transport
from bootstrap import Program, build, prepare_tables
from jobs import keys
from models import TABLES, Product
from server import listen
from services.errors import Refused
from settings import Settings
from settings.merchant import simulated_merchant
from tests.databases import Tables
from tests.harness import UNLIMITED, Simulator
from tests.processes import free_port
from tests.wire import Lane, request

MERCHANT_KEY = "merchant-key-of-the-histories-0123456789"


class Loud(logging.Handler):
    """Errors that the program logs: none is expected in any history."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Recording(Transport):
    """The program's transport, which also remembers the bodies of its payment requests."""

    def __init__(self) -> None:
        super().__init__()
        self.prepays: list[str] = []

    async def request(self, method: str, url: str, *, body: bytes | None = None, **more: Any) -> Response:
        if body and url.endswith(("/pay/unifiedorder", "/v3/pay/transactions/jsapi")):
            self.prepays.append(body.decode())
        return await super().request(method, url, body=body, **more)


class Stage:
    """One gateway and one port, for as many histories as one likes, one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.simulator = Simulator(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ahead = 0.0  # seconds by which both clocks are ahead of the wall
        self.skew = 0  # seconds by which WeChat's signatures are ahead of that
        self.gateway = Caller(self.simulator.port)
        self.shop = Caller(self.port)
        self.loud = Loud()
        logger = logging.getLogger("pay")
        logger.propagate = False  # discrepancies and refusals are what histories are made of
        logger.addHandler(self.loud)
        self.tables = KeptTables(f"sqlite:///{folder / 'history.db'}")
        self.program: Program | None = None
        self._server: HTTPServer | None = None
        self._played = 0
        self._opened = ("", 0, "")

    def now(self) -> float:
        return time.time() + self.ahead

    async def open(self, api: str, minutes: int, late: str, seed: str) -> Program:
        """The program on empty tables: new payments through ``api``, orders for so many minutes, and LATE_PAYMENT.

        It is the last history's if that opened in the same way: reading a private key takes 70 ms.
        """
        self._played += 1  # the gateway remembers: a history that is played again needs new numbers
        self.dice = random.Random(f"{self._played} {seed}")
        if self._opened != (api, minutes, late):
            await self._stop()
            await self._start(api, minutes, late)
        assert self.program is not None
        self.program.services.database.run_here(_empty)
        return self.program

    async def restart(self, api: str) -> Program:
        """Stop the server, and start it with another generation for new payments."""
        _, *others = self._opened
        await self._stop()
        return await self._start(api, *others)

    async def _start(self, api: str, minutes: int, late: str) -> Program:
        settings = self._settings(api, minutes, late)
        merchant = simulated_merchant(settings, self.simulator.merchant)
        self.program = build(
            settings, merchant, Recording(), now=self.now, token=lambda size: self.dice.randbytes(size)
        )
        await asyncio.to_thread(prepare_tables, self.program)
        with contextlib.suppress(Refused):  # before any traffic, as the runner of the jobs does
            await keys.run_once(self.program.services)
        self._server, self._opened = listen(self.program), (api, minutes, late)
        return self.program

    async def _stop(self) -> None:
        if self.program is not None and self._server is not None:
            self._server.stop()
            await self.shop.close()
            self.shop = Caller(self.port)
            await self._server.close_all_connections()
            await self.program.close()
        self.program, self._opened = None, ("", 0, "")

    @lru_cache  # noqa: B019 - a stage lives as long as its process; reading settings takes 10 ms
    def _settings(self, api: str, minutes: int, late: str) -> Settings:
        return Settings(
            _env_file=None,
            port=self.port,
            public_url=self.url,
            database_url=self.tables.url,
            simulator_url=self.simulator.url,
            wechat_pay_api=api,
            wechat_v2_sign_type="HMAC-SHA256",
            order_expires_minutes=minutes,
            late_payment=late,
            merchant_api_key=MERCHANT_KEY,
            # A minute of a history has more in it than a minute of a buyer.
            **{name.lower(): 0 for name in UNLIMITED},
        )

    async def control(self, method: str, name: str, body: object = None) -> Any:
        """One of the simulator's controls; what it answers. None: WeChat would not do it, or never answered."""
        status, told = await self.gateway.call(method, f"/_sim/{name}", body)
        assert status in (0, 200, 400), told
        return told if status == 200 else None

    async def leap(self, seconds: float) -> None:
        self.ahead += seconds
        await self.control("POST", "clock", {"advance_seconds": seconds, "wire_skew_seconds": self.ahead + self.skew})

    async def set_skew(self, seconds: int) -> None:
        self.skew = seconds
        await self.leap(0)

    async def quiet(self) -> dict[str, Any]:
        """Wait until no notification is under way or due; the simulator's state then."""
        state: dict[str, Any] = await self.control("GET", "state?wait=15")
        assert not state["in_flight"], state
        assert not state["due"], state
        return state

    async def close(self) -> None:
        await self._stop()
        await self.gateway.close()
        self.simulator.close()
        logging.getLogger("pay").removeHandler(self.loud)


class KeptTables(Tables):
    """Looks through one connection: opening one and reading the schema takes longer than most of what is asked."""

    _kept: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        if self._kept is None:
            self._kept = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)
        yield self._kept
        self._kept.rollback()


class Caller:
    """JSON in, JSON out, over kept connections: one for each call under way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Lane] = []

    async def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status 0: the connection was closed without an answer. POST and PUT always have a body."""
        data = b"" if body is None and method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        told = {"Content-Type": "application/json", **(headers or {})}
        lane = await self._lane()
        answer = await lane.ask(request(method, path, told.items(), data, f"127.0.0.1:{self._port}"))
        self._idle.append(lane)
        return answer.status, json.loads(answer.body or b"{}")

    async def _lane(self) -> Lane:
        while self._idle:
            if not (lane := self._idle.pop()).closed:  # the server closes what is idle for a minute
                return lane
            await lane.close()
        lane = Lane(self._port)
        await lane.open()
        return lane

    async def close(self) -> None:
        for lane in self._idle:
            await lane.close()


def _empty() -> None:
    """All rows but those of the catalogue, children first."""
    for model in reversed(peewee.sort_models(TABLES)):
        if model is not Product:
            model.delete().execute()
