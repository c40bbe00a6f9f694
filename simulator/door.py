"""WeChat's own routes over HTTP: finds the operation, writes the reply or what a fault leaves of it, remembers both.

It must not know what an operation does: what ``routes`` lists does, without knowing HTTP servers.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time

from tornado.httputil import format_timestamp
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from simulator import routes, spoiling, suspicion, tls, v3errors
from simulator.faults import Rule
from simulator.records import WITHHELD, Exchange
from simulator.routes import Route
from simulator.wire import PAGE, Diagnosis, Message, Reply
from simulator.world import World

_MOST_EXPLAINED = 3000


class WeChatHandler(RequestHandler):
    """Every method of every path that is not ``/_sim``."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")

    def initialize(self, world: World) -> None:
        self.world = world

    async def _serve(self, *_: str) -> None:
        message = Message(
            self.request.method or "",
            self.request.uri or "",
            self.request.headers,
            self.request.body,
            self.request.remote_ip or "",
            self._client_certificate(),
        )
        self.world.agenda.settle()
        route, parts = routes.find(message.path)
        if route is None or (route.methods and message.method not in route.methods):
            await self._refuse(message, "unknown", _not_found(message, route))
            return
        if route.certified and not tls.is_the_merchants(self.world.merchant, message.client_certificate):
            await self._refuse(message, route.op, _no_certificate())
            return
        rule = self.world.faults.pick(route.op)
        reply = spoiling.answer(self.world, message, route, parts, rule)
        self._remember(message, route.op, reply, rule)
        await self._send(reply, rule)

    get = head = post = delete = patch = put = options = _serve

    async def _send(self, reply: Reply, rule: Rule | None) -> None:
        """What the fault plan does to the connection; without it the reply goes out whole."""
        match rule.fault if rule else "":
            case "drop_before" | "drop_reply_after_commit":
                self.detach().close()
            case "reset_before" | "reset":
                self._reset()
            case "truncate":
                await self._write_half(reply)
            case "delay":
                await asyncio.sleep(rule.seconds if rule else 0)
                await self._write(reply)
            case _:
                await self._write(reply)

    def _reset(self) -> None:
        """RST instead of FIN: closed with data that nobody will send on any more."""
        stream = self.detach()
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()

    def _client_certificate(self) -> bytes:
        if self.request.protocol != "https":
            return b""
        certificate = self.request.get_ssl_certificate(binary_form=True)
        return certificate if isinstance(certificate, bytes) else b""

    async def _refuse(self, message: Message, op: str, reply: Reply) -> None:
        self._remember(message, op, reply)
        await self._write(reply)

    async def _write(self, reply: Reply) -> None:
        self.clear()
        self.clear_header("Content-Type")
        self.set_header("Date", format_timestamp(self.world.clock.wire()))
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.diagnosis:
            self.set_header("X-Sim-Explain", explained(self.world, reply.diagnosis))
        if reply.body and reply.status != 204:
            self.write(reply.body)
        try:
            for piece in reply.pieces or ():
                self.write(piece)
                await self.flush()
            await self.finish()
        except StreamClosedError:
            return  # who asked has gone

    async def _write_half(self, reply: Reply) -> None:
        """The head promises the whole body, half of it comes, then the connection closes."""
        stream = self.detach()
        head = [f"HTTP/1.1 {reply.status} OK", f"Content-Length: {len(reply.body) or 100}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        await stream.write("\r\n".join([*head, "", ""]).encode() + reply.body[: len(reply.body) // 2])
        stream.close()

    def _remember(self, message: Message, op: str, reply: Reply, rule: Rule | None = None) -> None:
        records, kinds = self.world.records, suspicion.real_looking(message, self.world.merchant)
        if kinds:
            text = f"a real-looking {', '.join(kinds)} was sent to a simulator: use the test merchant of /_sim/merchant"
            records.complain(op, "REAL_CREDENTIALS", text)
        elif reply.code:
            records.complain(op, reply.code, reply.why, reply.diagnosis)
        asked = ("in", op, message.method, message.url, dict(message.headers.items()), message.body)
        answered = (reply.status, reply.headers, reply.body, reply.verdict, bool(kinds))
        crossed = Exchange(*asked, *answered, began=time.time() - self.request.request_time())
        crossed.fault = rule.fault if rule else ""
        crossed.code, crossed.why, crossed.diagnosis = reply.code, reply.why, reply.diagnosis
        records.exchange(crossed)
        if kinds and reply.diagnosis:
            reply.diagnosis = Diagnosis(reply.diagnosis.likely_cause, WITHHELD)


def explained(world: World, diagnosis: Diagnosis) -> str:
    """A diagnosis as one header value: JSON in ASCII, secrets masked, cut where a header would grow too long."""
    shown = {k: world.records.mask(v) for k, v in diagnosis.as_json().items()}
    text = json.dumps(shown)
    if len(text) > _MOST_EXPLAINED:
        shown["signed_string"] = shown["signed_string"][:300] + "... (whole at /_sim/complaints)"
        text = json.dumps(shown)
    return text


def _not_found(message: Message, route: Route | None) -> Reply:
    """v3 answers in JSON; everything else gets the front server's page (v2.md 1)."""
    if message.path.startswith("/v3/"):
        if route:
            return v3errors.refusal(v3errors.Refused(405, "INVALID_REQUEST", "不支持的HTTP方法"))
        return v3errors.refusal(v3errors.Refused(404, "RESOURCE_NOT_EXISTS", "请求的资源不存在"))
    status, why = (405, "no such method here") if route else (404, "no such route")
    page = f"<html><body><h1>{status}</h1></body></html>".encode()
    return Reply(status, dict(PAGE), page, code=str(status), why=why)


def _no_certificate() -> Reply:
    """What the front web server says to secapi calls without the merchant's certificate (v2.md 1)."""
    why = "this call needs the merchant's client certificate, by secapi_url of /_sim/merchant"
    page = b"<html><body><h1>400 No required SSL certificate was sent</h1></body></html>"
    return Reply(400, dict(PAGE), page, code="NO_CLIENT_CERTIFICATE", why=why)
