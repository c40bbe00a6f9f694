"""The ceremony of a door: body in (bounded, strict JSON), JSON out, who asks, one table from error to answer.

A verb is then: parse, one service call, write.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import tornado.web
from pydantic import BaseModel, ValidationError

from handlers.intake import Body, headers_of_all, in_flight, is_closing, request_id
from handlers.limits import Limits, client_address
from handlers.shapes import NoBody
from handlers.strict_json import BadJson, loads
from handlers.words import WORDS, words_for
from services.bundle import Services
from services.errors import DatabaseUnavailable, Invalid, Refused, TryLater, Unauthorized
from services.login import Person

logger = logging.getLogger("pay.http")

Shape = TypeVar("Shape", bound=BaseModel)
PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME  # a row must not slip out as it is
BY_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}


@tornado.web.stream_request_body
class Door(tornado.web.RequestHandler):
    """Takes the body as it comes, to refuse one that is too large with an answer."""

    def initialize(self) -> None:
        self._body = Body()
        self.request_id = request_id()
        in_flight.add(self)

    def on_finish(self) -> None:
        in_flight.discard(self)

    def on_connection_close(self) -> None:
        super().on_connection_close()  # ends the wait for a body that will not come
        length = self.request.headers.get("Content-Length", "")
        if not (length.isdecimal() and self._body.size >= int(length)):
            in_flight.discard(self)  # else it came whole: the work on it goes on, and ends in on_finish

    @property
    def services(self) -> Services:
        services: Services = self.application.settings["services"]
        return services

    def data_received(self, chunk: bytes) -> None:
        self._body.add(chunk)

    def read_body(self) -> bytes:
        return self._body.whole()

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in headers_of_all(is_closing(self.services)).items():
            self.set_header(name, value)
        # What has an unknown method Tornado answers without reading the body, and closes.
        if self.request.method not in self.SUPPORTED_METHODS:
            self.set_header("Connection", "close")

    def compute_etag(self) -> None:
        return None  # an answer about money is never "not modified"

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Refusals are ordinary; anything else is a bug and keeps its trace, in the log alone."""
        if not isinstance(value, (Refused, DatabaseUnavailable, tornado.web.HTTPError)):
            logger.error("unexpected request_id=%s", self.request_id, exc_info=(typ, value, tb))
        elif isinstance(value, DatabaseUnavailable):
            logger.warning("database unavailable request_id=%s: %s", self.request_id, value)


class Api(Door):
    """JSON in, JSON out."""

    answers_while_starting = False

    def prepare(self) -> None:
        if self.services.starting and not self.answers_while_starting:
            raise TryLater("starting")

    def json(self, shape: type[Shape]) -> Shape:
        """The body as ``shape``. Raises Invalid, naming the field."""
        body = self.read_body()
        kind = self.request.headers.get("Content-Type", "application/json").split(";")[0].strip().lower()
        if kind != "application/json":
            raise Invalid("unsupported_media_type")
        try:
            return shape.model_validate(loads(body))
        except BadJson as error:
            raise Invalid("malformed_json", reason=error.reason, position=str(error.position)) from None
        except ValidationError as error:
            raise Invalid("invalid_field", **_first_problem(error)) from None

    def no_body(self) -> None:
        """For a verb that needs no body. Raises Invalid unless there is none, or an empty object."""
        if self.read_body():
            self.json(NoBody)

    async def person(self) -> Person:
        """Who asks, by ``Authorization: Bearer``. Raises Unauthorized."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("token_missing")
        return await self.services.login.person(token.strip())

    def address(self) -> str:
        """Of who asks, as the connection or a trusted proxy says."""
        given = self.request.headers.get_list("X-Real-Ip")
        forwarded = given[0] if len(given) == 1 else None
        return client_address(self.request.remote_ip or "", forwarded, self.application.settings["trusted_proxies"])

    def limit(self, kind: str, asker: str) -> None:
        """Raises TooMany if this asker makes too many requests of this kind."""
        limits: Limits = self.application.settings["limits"]
        limits.take(kind, asker)

    def reply(self, value: Any, status: int = HTTPStatus.OK) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(orjson.dumps(value, option=PLAIN))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One table decides; the client never sees a trace, a reason phrase of ours, or another user's data."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused):
            self.refuse(error.code, error.details)
        elif isinstance(error, DatabaseUnavailable):
            self.refuse("database_unavailable", {})
        else:
            self.refuse(BY_STATUS.get(status_code, "internal_error" if status_code >= 500 else "bad_request"), {})

    def refuse(self, code: str, details: dict[str, str]) -> None:
        status = WORDS[code].status
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            self.set_header("Retry-After", details.get("seconds", "1"))
        if status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        error = {"code": code, "message": words_for(code, self.language(), details), "request_id": self.request_id}
        if details.get("field"):
            error["field"] = details["field"]
        self.reply({"error": error}, status)

    def language(self) -> str:
        accepted = self.request.headers.get("Accept-Language", "")
        return "zh" if accepted.lower().startswith("zh") else "en"


class NotFoundHandler(Api):
    """Every address that is not in the list, whatever the method. The body is read first, as everywhere."""

    def missing(self) -> None:
        raise tornado.web.HTTPError(HTTPStatus.NOT_FOUND)

    get = head = post = put = patch = delete = options = missing


def _first_problem(error: ValidationError) -> dict[str, str]:
    """The field as a client would write it, ``items[0].quantity``, what is wrong with it, and the limit it breaks."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    limits = {name: str(value) for name, value in first.get("ctx", {}).items()}
    return {**limits, "field": field[:100] or "body", "reason": first["type"]}
