"""Notifications: any body in, the adapter's own acknowledgement out. Only what was committed is acknowledged.

Anybody may knock here, as often as he likes, so a request takes the shortest way through Tornado: from its connection
to the adapter and back. A RequestHandler would cost more than all that is done for a forged message.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, ResponseStartLine, format_timestamp

from adapters.base import Reply
from adapters.errors import BadSignature, Malformed, PaymentError, SignatureProbe
from handlers.intake import Body, headers_of_all, in_flight, is_closing, request_id
from handlers.observe import observe
from services.bundle import Services
from services.errors import DatabaseUnavailable, Invalid, Refused, TryLater
from services.metrics import NOTIFICATIONS, counted
from services.notifications import Received

logger = logging.getLogger("pay.notify")

COME_AGAIN = Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "", b"")  # whatever happened, every provider understands this
POST_ALONE = Reply(HTTPStatus.METHOD_NOT_ALLOWED, "", b"")


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
        """What is refused is answered here and now; what is genuine, when it is stored."""
        if self._request.method != "POST":
            return self._reply(POST_ALONE)
        try:
            self._services.notifications.keep(self._verified(), self._kept)
        except Exception as error:
            self._reply(self._refusal(error))

    def _verified(self) -> Received:
        if self._services.starting:
            raise TryLater("starting")
        return self._services.notifications.verified(self._adapter, self._single_headers(), self._body.whole())

    def _kept(self, _: None, error: Exception | None) -> None:
        self._reply(self._counted("accepted") if error is None else self._refusal(error))

    def _refusal(self, error: Exception) -> Reply:
        """Every way a notification can go wrong: the label that is counted, and what the provider is told."""
        match error:
            case Malformed():
                logger.warning("authentic but not understood adapter=%s reason=%s", self._adapter, error.message)
                return self._counted("malformed", "malformed", "not understood")
            case SignatureProbe():
                return self._counted("probe", "signature", error.message)
            case BadSignature():
                return self._counted("forged", "signature", error.message)
            case Invalid():  # longer than any notification, and left unread
                return self._counted("forged", "signature", "too large")
            case Refused() | DatabaseUnavailable() | PaymentError() | TimeoutError():
                logger.warning("not acknowledged adapter=%s reason=%r", self._adapter, error)
                return self._counted("unavailable", "unavailable", "unavailable")
        logger.error("unexpected request_id=%s", self._id, exc_info=error)
        return COME_AGAIN

    def _single_headers(self) -> dict[str, str]:
        """Headers that stand once. One that is doubled is left out: which of two was signed, nobody knows."""
        all_of_them = list(self._request.headers.get_all())
        found = dict(all_of_them)
        if len(found) < len(all_of_them):
            times = Counter(name for name, _ in all_of_them)
            return {name: value for name, value in found.items() if times[name] == 1}
        return found

    def _counted(self, outcome: str, error: str | None = None, reason: str = "") -> Reply:
        counted(NOTIFICATIONS, self._adapter, outcome).inc()
        if reason:
            self._services.heartbeat.refused(self._adapter, reason)
        return self._services.adapters[self._adapter].acknowledge(error)

    def _reply(self, reply: Reply) -> None:
        """Write it. Who went away meanwhile does not get it, and that is all."""
        in_flight.discard(self)
        request, closing = self._request, is_closing(self._services)
        connection: Any = request.connection  # every request of a server has one
        headers = _headers(reply, int(time.time()), closing, request.version, request.headers.get("Connection"))
        connection.write_headers(_start_line(reply.status), headers, reply.body)
        connection.finish()
        observe(request, "notify", reply.status, self._id)


@lru_cache(32)
def _headers(reply: Reply, second: int, closing: bool, *_asked: str | None) -> HTTPHeaders:
    """The same object for all that are answered alike in this ``second``. Tornado adds to it what the request asked for
    by its version and its Connection, so these are looked at as well."""
    headers = HTTPHeaders({"Date": format_timestamp(second), **headers_of_all(closing)})
    if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "POST"
    if reply.status != HTTPStatus.NO_CONTENT:
        headers["Content-Length"] = str(len(reply.body))
        if reply.content_type:
            headers["Content-Type"] = reply.content_type
    return headers


@cache
def _start_line(status: int) -> ResponseStartLine:
    return ResponseStartLine("", status, HTTPStatus(status).phrase)
