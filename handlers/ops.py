"""For operators and their tools: is it up, is it ready, what does it count, what does it speak."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.base import Api
from handlers.openapi import document
from services.orders import rfc3339

FIRST_LOOK = 4.0  # seconds that an answer waits for it
NEXT_LOOK = 0.5


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
    """Whether what must always hold about money holds: of a small shop as of the last minute.

    A look at millions of orders takes its time; "looking" until the first since the start is over.
    """

    async def get(self) -> None:
        watch = self.services.watch
        look = await watch.look(NEXT_LOOK if watch.last.at else FIRST_LOOK)
        status = "broken" if look.broken else "ok" if look.at else "looking"
        told = {"status": status, "looked_at": rfc3339(look.at) if look.at else None, "broken": look.broken}
        self.reply(told, 503 if look.broken else 200)


class MetricsHandler(OpsApi):
    async def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest())


class OpenApiHandler(OpsApi):
    async def get(self) -> None:
        self.reply(document(self.application.settings["public_url"]))
