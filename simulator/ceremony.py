"""The ceremony of the controls: who may ask, JSON in, JSON out, errors as JSON.

Only loopback peers that ask a loopback host are served (DNS rebinding), and no page from elsewhere; pages on loopback
may call what says ``cors`` from the browser. A wrong request gets 400 with ``{"error": {"code", "message"}}``.
It must not know any control.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tornado.web import RequestHandler

from simulator import rules, v3wire
from simulator.wishes import WishRefused
from simulator.world import World


class ControlHandler(RequestHandler):
    cors = False

    def initialize(self, world: World) -> None:
        self.world = world

    def set_default_headers(self) -> None:
        """On refusals, too: a page is to read why."""
        origin = self.request.headers.get("Origin", "")
        if self.cors and rules.is_loopback(_host_of(origin)):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", "X-Sim-Explain")
            self.set_header("Vary", "Origin")

    def prepare(self) -> None:
        self.world.agenda.settle()
        origin = self.request.headers.get("Origin")
        peer, host = self.request.remote_ip or "", _host_of(f"//{self.request.host}")
        if not rules.is_loopback(peer) or not rules.is_loopback(host):
            self._refuse(403, "not_local", "the controls are for this machine only, by a loopback address")
        elif origin is not None and not rules.is_loopback(_host_of(origin)):
            self._refuse(403, "foreign_origin", "pages from elsewhere may not use the controls")

    def options(self) -> None:
        """A browser asks before it posts JSON."""
        if self.cors:
            self.set_header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
            self.set_header("Access-Control-Allow-Headers", "Content-Type")
        self.set_status(204)

    def body(self, *allowed: str) -> dict[str, Any]:
        """The JSON object that was sent (nothing counts as ``{}``), with no other names than ``allowed``."""
        value = self.json()
        if not isinstance(value, dict):
            raise WishRefused("the body must be a JSON object")
        unknown = sorted(ascii(name) for name in value.keys() - set(allowed)) if allowed else []
        if unknown:
            raise WishRefused(f"unknown name {unknown[0]}; known are {', '.join(allowed)}")
        return value

    def json(self) -> Any:
        try:
            value = v3wire.load_json(self.request.body or b"{}")
            v3wire.dump_json(value)  # an unpaired surrogate cannot be written again
            return value
        except (v3wire.JsonRefused, UnicodeEncodeError) as refused:
            raise WishRefused(f"the body is not JSON: {refused}") from refused

    def answer(self, value: object) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(v3wire.dump_json(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, WishRefused):
            self._refuse(400, "bad_request", str(error))
        else:
            self._refuse(status_code, "not_served", self._reason)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, WishRefused):
            super().log_exception(typ, value, tb)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.set_status(status)
        self.answer({"error": {"code": code, "message": self.world.records.mask(message)}})


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
