"""For operators and their tools: is it up, is it ready, what does it count, what does it speak."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.base import Api
from handlers.openapi import document


class HealthHandler(Api):
    """The process is up and its loop turns."""

    async def get(self) -> None:
        self.reply({"status": "ok"})


class ReadyHandler(Api):
    """The database answers and the server is not on its way out."""

    async def get(self) -> None:
        problems = await self.services.readiness()
        self.reply({"status": "not ready" if problems else "ready", "problems": problems}, 503 if problems else 200)


class MetricsHandler(Api):
    async def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest())


class OpenApiHandler(Api):
    async def get(self) -> None:
        self.reply(document(self.application.settings["public_url"]))
