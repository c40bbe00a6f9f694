"""One log line and one measurement a request: method, route, status, time. Never a query, a header or a body."""

from __future__ import annotations

import logging

import tornado.web

from services.metrics import REQUESTS

logger = logging.getLogger("pay.access")


def log_request(handler: tornado.web.RequestHandler) -> None:
    """Tornado's ``log_function``. The route stands for the path: a path as sent may hold anything."""
    route = type(handler).__name__.removesuffix("Handler").lower()
    seconds = handler.request.request_time()
    method = handler.request.method if handler.request.method in handler.SUPPORTED_METHODS else "OTHER"
    status = handler.get_status()
    REQUESTS.labels(method, route, status).observe(seconds)
    level = logging.ERROR if status == 500 else logging.INFO
    request_id = getattr(handler, "request_id", "-")
    logger.log(level, "%s %s %d %.1fms request_id=%s", method, route, status, seconds * 1000, request_id)
