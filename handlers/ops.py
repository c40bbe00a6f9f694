"""For operators and their tools: is it up, is it ready, what does it count, what does it speak."""

from __future__ import annotations

import asyncio
import contextlib

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.base import Api
from handlers.openapi import document
from services.orders import rfc3339

FIRST_LOOK = 4.0  # seconds that an answer waits for it


class OpsApi(Api):
    answers_while_starting = True


class HealthHandler(OpsApi):
    """The process is up and its loop turns."""

    async def get(self) -> None:
        self.reply({"status": "ok"})


class ReadyHandler(OpsApi):
    """The database answers, the clock is right, and the server is not on its way out."""

    async def get(self) -> None:
        problems = await self.services.readiness()
        self.reply({"status": "not ready" if problems else "ready", "problems": problems}, 503 if problems else 200)


class MoneyHandler(OpsApi):
    """Whether what must always hold about money holds, as of the last look, about a minute ago.

    The first look after a start takes minutes where there are millions of orders: "looking" until it is over.
    """

    async def get(self) -> None:
        watch = self.services.watch
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK):
                await watch.look()
        last = watch.last
        status = "broken" if last.broken else "ok" if last.at else "looking"
        told = {"status": status, "looked_at": rfc3339(last.at) if last.at else None, "broken": last.broken}
        self.reply(told, 503 if last.broken else 200)


class MetricsHandler(OpsApi):
    async def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest())


class OpenApiHandler(OpsApi):
    async def get(self) -> None:
        self.reply(document(self.application.settings["public_url"]))
