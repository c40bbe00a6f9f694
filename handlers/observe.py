"""One log line and one measurement a request: method, route, status, time. Never a query, a header or a body."""

from __future__ import annotations

import logging
from http import HTTPStatus

import tornado.web

from services.metrics import REQUESTS

logger = logging.getLogger("pay.access")


def log_request(handler: tornado.web.RequestHandler) -> None:
    """Tornado's ``log_function``."""
    route = type(handler).__name__.removesuffix("Handler").lower()
    method = handler.request.method if handler.request.method in handler.SUPPORTED_METHODS else "OTHER"
    id_ = getattr(handler, "request_id", "-")
    observe(method, route, handler.get_status(), handler.request.request_time(), id_)


def observe(method: str, route: str, status: int, seconds: float, request_id: str) -> None:
    """``route`` stands for the path: a path as sent may hold anything."""
    REQUESTS.labels(method, route, status).observe(seconds)
    level = logging.ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    logger.log(level, "%s %s %d %.1fms request_id=%s", method, route, status, seconds * 1000, request_id)
