"""WeChat's own routes over HTTP: finds the operation, applies the fault plan, writes the reply, remembers the exchange.

It must not know what an operation does: what ``routes`` lists does, without knowing HTTP servers.
"""

from __future__ import annotations

import asyncio
import json

from tornado.httputil import format_timestamp
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from simulator import login, routes, suspicion, tls, v2, v2bills, v3
from simulator.faults import NOT_DONE, REFUND_OUTCOMES, Rule, tampered
from simulator.records import WITHHELD, Exchange
from simulator.routes import Route
from simulator.wire import GENUINE, Diagnosis, Message, Reply
from simulator.world import World

_PAGE = {"Content-Type": "text/html"}
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
        self.world.refunds.settle()
        route, parts = routes.find(message.path)
        if route is None or (route.methods and message.method not in route.methods):
            await self._refuse(message, "unknown", _not_found(message, route))
            return
        if route.certified and not tls.is_the_merchants(self.world.merchant, message.client_certificate):
            await self._refuse(message, route.op, _no_certificate())
            return
        rule = self.world.faults.pick(route.op)
        reply = _answer(self.world, message, route, parts, rule)
        self._remember(message, route.op, reply)
        if rule and rule.fault == "delay":
            await asyncio.sleep(rule.seconds)
        if rule and rule.fault in ("drop_before", "drop_reply_after_commit"):
            self.detach().close()
        elif rule and rule.fault == "truncate":
            await self._write_half(reply)
        else:
            await self._write(reply)

    get = head = post = delete = patch = put = options = _serve

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

    def _remember(self, message: Message, op: str, reply: Reply) -> None:
        records, kinds = self.world.records, suspicion.real_looking(message, self.world.merchant)
        if kinds:
            text = f"a real-looking {', '.join(kinds)} was sent to a simulator: use the test merchant of /_sim/merchant"
            records.complain(op, "REAL_CREDENTIALS", text)
        elif reply.code:
            records.complain(op, reply.code, reply.why, reply.diagnosis)
        records.exchange(
            Exchange(
                "in",
                op,
                message.method,
                message.url,
                dict(message.headers.items()),
                message.body,
                reply.status,
                reply.headers,
                reply.body,
                reply.verdict,
                bool(kinds),
            )
        )
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
            return v3.refusal(v3.Refused(405, "INVALID_REQUEST", "不支持的HTTP方法"))
        return v3.refusal(v3.Refused(404, "RESOURCE_NOT_EXISTS", "请求的资源不存在"))
    status, why = (405, "no such method here") if route else (404, "no such route")
    page = f"<html><body><h1>{status}</h1></body></html>".encode()
    return Reply(status, dict(_PAGE), page, code=str(status), why=why)


def _no_certificate() -> Reply:
    """What the front web server says to secapi calls without the merchant's certificate (v2.md 1)."""
    why = "this call needs the merchant's client certificate, by secapi_url of /_sim/merchant"
    page = b"<html><body><h1>400 No required SSL certificate was sent</h1></body></html>"
    return Reply(400, dict(_PAGE), page, code="NO_CLIENT_CERTIFICATE", why=why)


def _answer(world: World, message: Message, route: Route, parts: tuple[str, ...], rule: Rule | None) -> Reply:
    """The operation's reply, or what the fault makes of it."""
    if rule and rule.fault in NOT_DONE:
        return _instead(world, message, route.op, rule)
    world.refunds.forced = REFUND_OUTCOMES.get(rule.fault) if rule else None
    reply = route.serve(world, message, parts, rule.seal if rule else GENUINE)
    world.refunds.forced = None
    if rule is None:
        return reply
    reply = reply.held()
    if rule.fault == "http_500_after":
        return _bad_gateway()
    if rule.fault == "tamper":
        reply.body = tampered(reply.body, rule)
    if rule.fault == "huge_body":
        reply.body += b" " * rule.bytes
    return reply


def _instead(world: World, message: Message, op: str, rule: Rule) -> Reply:
    """What is answered when nothing is done."""
    match rule.fault:
        case "system_error":
            return _system_error(op)
        case "frequency_limited":
            return _frequency_limited(world, message, op)
        case "error":
            return _error(world, message, op, rule)
        case "html":
            return Reply(200, dict(_PAGE), b"<html><body>Please log in</body></html>")
        case "redirect":
            return Reply(302, {"Location": rule.location}, b"")
        case "empty":
            return Reply(200, {}, b"")
        case _:
            return _bad_gateway()


def _bad_gateway() -> Reply:
    return Reply(500, dict(_PAGE), b"<html><body><h1>500 Internal Server Error</h1></body></html>")


def _error(world: World, message: Message, op: str, rule: Rule) -> Reply:
    if op == "v2.bill":
        return v2bills.failure("20004", rule.code)
    if op.startswith("v2"):
        return v2.refused_unread(world, message, rule.code, "按错误计划返回")
    return v3.refusal(v3.Refused(rule.status, rule.code, "按错误计划返回"))


def _system_error(op: str) -> Reply:
    if op == "v2.bill":
        return v2bills.failure("20006", "SYSTEMERROR")
    if op.startswith("v2"):
        return v2.system_error()
    if op.startswith("v3"):
        return v3.refusal(v3.Refused(500, "SYSTEM_ERROR", "系统异常，请稍后重试"))
    return login.refusal(-1)


def _frequency_limited(world: World, message: Message, op: str) -> Reply:
    if op.startswith("v2"):
        return v2.refused_unread(world, message, "FREQUENCY_LIMITED", "频率限制")
    if op.startswith("v3"):
        return v3.refusal(v3.Refused(429, "FREQUENCY_LIMITED", "频率超限"))
    return login.refusal(45011)
