"""One log line and one measurement a request: method, route, status, time. Never a query, a header or a body."""

from __future__ import annotations

import logging
from http import HTTPStatus

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from services.metrics import REQUESTS, counted

logger = logging.getLogger("pay.access")


def log_request(handler: RequestHandler) -> None:
    """Tornado's ``log_function``."""
    route = type(handler).__name__.removesuffix("Handler").lower()
    observe(handler.request, route, handler.get_status(), getattr(handler, "request_id", "-"))


def observe(request: HTTPServerRequest, route: str, status: int, request_id: str) -> None:
    """``route`` stands for the path: a path as sent may hold anything, and so may a method."""
    method = request.method if request.method in RequestHandler.SUPPORTED_METHODS else "OTHER"
    seconds = request.request_time()
    counted(REQUESTS, method, route, status).observe(seconds)
    level = logging.ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    logger.log(level, "%s %s %d %.1fms request_id=%s", method, route, status, seconds * 1000, request_id)
