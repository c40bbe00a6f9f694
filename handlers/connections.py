"""The server's connections: which of them keeps us waiting for too long, and all of them closed in one step.

Tornado can limit each wait by itself, with two futures and two timers a request: a tenth of what a short one costs. So
here each message only says until when it may take, and what is late is looked for once a second.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.ioloop import PeriodicCallback

logger = logging.getLogger("pay.connections")

LOOK_EVERY = 1.0  # seconds


class Server(HTTPServer):
    """``idle``: seconds that a connection may be kept without a whole head of a request; ``body``: those that a body
    may take from there on. One that is late is closed. How long an answer takes is no matter of the connection."""

    def initialize(self, app: Any, *, idle: float, body: float, **options: Any) -> None:  # type: ignore[override]
        super().initialize(app, **options)
        self.conn_params.header_timeout = None  # Tornado's own
        self._idle = idle
        self._body = body
        self._awaited: dict[object, Awaited] = {}  # by connection
        self._looking = PeriodicCallback(self._close_late, LOOK_EVERY * 1000)
        self._looking.start()

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        message = Awaited(super().start_request(server_conn, request_conn), self._idle, self._body)
        self._awaited[server_conn] = message
        return message

    def on_close(self, server_conn: object) -> None:
        self._awaited.pop(server_conn, None)
        super().on_close(server_conn)

    def _close_late(self) -> None:
        now = time.monotonic()
        for connection in [each for each, message in self._awaited.items() if message.until < now]:
            logger.debug("a connection is closed that kept us waiting")
            connection.stream.close()  # type: ignore[attr-defined]  # Tornado calls its own connections objects

    async def close_all_connections(self) -> None:
        """All in one step. One after another, as Tornado does it, the last could still bring in a request that would be
        begun and cut off."""
        self._looking.stop()
        for connection in list(self._connections):
            connection.stream.close()
        await super().close_all_connections()


class Awaited(HTTPMessageDelegate):
    """A request on its way in, handed on as it comes; ``until``: when it is too late."""

    def __init__(self, delegate: HTTPMessageDelegate, idle: float, body: float) -> None:
        self._delegate = delegate
        self._body = body
        self.until = time.monotonic() + idle

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        self.until = time.monotonic() + self._body
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self.until = math.inf
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
