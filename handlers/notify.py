"""Notifications: any body in, the adapter's own acknowledgement out. Only what was committed is acknowledged.

Anybody may knock here, as often as he likes, so a request takes the shortest way through Tornado: from its connection
to the adapter and back. A RequestHandler would cost more than all that is done for a forged message.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, ResponseStartLine, format_timestamp
from tornado.routing import Router

from adapters.base import Reply
from adapters.errors import BadSignature, Malformed, PaymentError, SignatureProbe
from handlers.intake import Body, headers_of_all, in_flight, request_id
from handlers.observe import observe
from services.bundle import Services
from services.errors import DatabaseUnavailable, Invalid, Refused, TryLater
from services.metrics import NOTIFICATIONS

logger = logging.getLogger("pay.notify")

ANSWER_WITHIN = 4.0  # seconds: WeChat waits five, and a refusal in time is better than an answer too late
COME_AGAIN = Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "", b"")  # whatever happened, every provider understands this
POST_ALONE = Reply(HTTPStatus.METHOD_NOT_ALLOWED, "", b"")


class NotifyRouter(Router):
    """``/notify/{adapter}/payment`` and ``/refund``: live for every configured generation, whatever is the default."""

    def __init__(self, services: Services, adapter: str) -> None:
        self._services = services
        self._adapter = adapter

    def find_handler(self, request: HTTPServerRequest, **_: object) -> HTTPMessageDelegate:
        return Notice(self._services, self._adapter, request)


class Notice(HTTPMessageDelegate):
    """One request: its chunks, then its end, or that it was cut before."""

    def __init__(self, services: Services, adapter: str, request: HTTPServerRequest) -> None:
        self._services = services
        self._adapter = adapter
        self._request = request
        self._body = Body()
        self._id = request_id()
        in_flight.add(self)

    def data_received(self, chunk: bytes) -> None:
        self._body.add(chunk)

    def on_connection_close(self) -> None:
        in_flight.discard(self)

    def finish(self) -> None:
        self._task = asyncio.create_task(self._answer())  # kept, as the loop does not

    async def _answer(self) -> None:
        try:
            reply = await self._judge() if self._request.method == "POST" else POST_ALONE
        except Exception:
            logger.exception("unexpected request_id=%s", self._id)
            reply = COME_AGAIN
        in_flight.discard(self)
        self._reply(reply)

    async def _judge(self) -> Reply:
        """Every way a notification can go: the label that is counted, and what the provider is told."""
        acknowledge = self._services.adapters[self._adapter].acknowledge
        try:
            await self._accept()
        except Malformed as error:
            logger.warning("authentic but not understood adapter=%s reason=%s", self._adapter, error.message)
            return self._counted("malformed", acknowledge("malformed"), "not understood")
        except (BadSignature, Invalid) as error:  # Invalid: longer than any notification, and left unread
            probe = isinstance(error, SignatureProbe)
            reason = error.message if isinstance(error, BadSignature) else "too large"
            return self._counted("probe" if probe else "forged", acknowledge("signature"), reason)
        except (Refused, DatabaseUnavailable, PaymentError, TimeoutError) as error:
            logger.warning("not acknowledged adapter=%s reason=%r", self._adapter, error)
            return self._counted("unavailable", acknowledge("unavailable"), "unavailable")
        return self._counted("accepted", acknowledge())

    async def _accept(self) -> None:
        if self._services.starting:
            raise TryLater("starting")
        body = self._body.whole()
        await self._services.notifications.accept(self._adapter, self._single_headers(), body, ANSWER_WITHIN)

    def _single_headers(self) -> dict[str, str]:
        """Headers that stand once. One that is doubled is left out: which of two was signed, nobody knows."""
        all_of_them = list(self._request.headers.get_all())
        found = dict(all_of_them)
        if len(found) < len(all_of_them):
            times = Counter(name for name, _ in all_of_them)
            return {name: value for name, value in found.items() if times[name] == 1}
        return found

    def _counted(self, outcome: str, reply: Reply, refused: str = "") -> Reply:
        NOTIFICATIONS.labels(self._adapter, outcome).inc()
        if refused:
            self._services.heartbeat.refused(self._adapter, refused)
        return reply

    def _reply(self, reply: Reply) -> None:
        """Write it. Who went away meanwhile does not get it, and that is all."""
        headers = HTTPHeaders({"Date": _date(int(time.time())), **headers_of_all(self._services)})
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "POST"
        if reply.status != HTTPStatus.NO_CONTENT:
            headers["Content-Length"] = str(len(reply.body))
            if reply.content_type:
                headers["Content-Type"] = reply.content_type
        connection: Any = self._request.connection  # every request of a server has one
        connection.write_headers(
            ResponseStartLine("", reply.status, HTTPStatus(reply.status).phrase), headers, reply.body
        )
        connection.finish()
        observe(self._request, "notify", reply.status, self._id)


@lru_cache(1)
def _date(second: int) -> str:
    return format_timestamp(second)
