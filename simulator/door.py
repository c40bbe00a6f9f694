"""WeChat's own routes over HTTP: finds the operation, applies the fault plan, writes the reply, remembers the exchange.

It must not know what an operation does; ``login``, ``v2`` and ``v3`` do, without knowing HTTP servers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from tornado.httputil import format_timestamp
from tornado.web import RequestHandler

from simulator import login, suspicion, v2, v3
from simulator.faults import NOT_DONE, Rule, tampered
from simulator.records import WITHHELD, Exchange
from simulator.wire import GENUINE, Diagnosis, Message, Reply, Seal
from simulator.world import World

Serve = Callable[[World, Message, tuple[str, ...], Seal], Reply]
_PAGE = {"Content-Type": "text/html"}
_MOST_EXPLAINED = 3000


@dataclass(frozen=True)
class Route:
    """``methods`` empty: the operation itself answers a wrong method."""

    pattern: re.Pattern[str]
    op: str
    methods: tuple[str, ...]
    serve: Serve


def _v2(path: str, op: str, operation: v2.Operation) -> Route:
    return Route(re.compile(path), op, (), lambda w, m, _, seal: v2.serve(w, m, operation, seal))


def _v3(method: str, path: str, op: str, operation: v3.Operation) -> Route:
    return Route(re.compile(path), op, (method,), lambda w, m, parts, seal: v3.serve(w, m, operation, parts, seal))


ROUTES = (
    Route(re.compile("/sns/jscode2session"), "login", ("GET",), lambda w, m, _p, _s: login.jscode2session(w.logins, m)),
    _v2("/pay/unifiedorder", "v2.prepay", v2.prepay),
    _v2("/pay/orderquery", "v2.query", v2.query),
    _v2("/pay/closeorder", "v2.close", v2.close),
    _v3("POST", "/v3/pay/transactions/jsapi", "v3.prepay", v3.prepay),
    _v3("GET", "/v3/pay/transactions/out-trade-no/([^/]+)", "v3.query", v3.query_by_number),
    _v3("GET", "/v3/pay/transactions/id/([^/]+)", "v3.query", v3.query_by_id),
    _v3("POST", "/v3/pay/transactions/out-trade-no/([^/]+)/close", "v3.close", v3.close),
    _v3("GET", "/v3/certificates", "v3.certificates", v3.certificates),
)


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
        )
        route, parts = _find(message.path)
        if route is None or (route.methods and message.method not in route.methods):
            reply = _not_found(message, route)
            self._remember(message, "unknown", reply)
            self._write(reply)
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
            self._write(reply)

    get = head = post = delete = patch = put = options = _serve

    def _write(self, reply: Reply) -> None:
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
        self.finish()

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


def _find(path: str) -> tuple[Route | None, tuple[str, ...]]:
    for route in ROUTES:
        match = route.pattern.fullmatch(path)
        if match:
            return route, match.groups()
    return None, ()


def _not_found(message: Message, route: Route | None) -> Reply:
    """v3 answers in JSON; everything else gets the front server's page (v2.md 1)."""
    if message.path.startswith("/v3/"):
        if route:
            return v3.refusal(v3.Refused(405, "INVALID_REQUEST", "不支持的HTTP方法"))
        return v3.refusal(v3.Refused(404, "RESOURCE_NOT_EXISTS", "请求的资源不存在"))
    status, why = (405, "no such method here") if route else (404, "no such route")
    page = f"<html><body><h1>{status}</h1></body></html>".encode()
    return Reply(status, dict(_PAGE), page, code=str(status), why=why)


def _answer(world: World, message: Message, route: Route, parts: tuple[str, ...], rule: Rule | None) -> Reply:
    """The operation's reply, or what the fault makes of it."""
    if rule and rule.fault in NOT_DONE:
        return _instead(world, message, route.op, rule)
    reply = route.serve(world, message, parts, rule.seal if rule else GENUINE)
    if rule is None:
        return reply
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


def _system_error(op: str) -> Reply:
    if op.startswith("v2"):
        return v2.system_error()
    if op.startswith("v3"):
        return v3.refusal(v3.Refused(500, "SYSTEM_ERROR", "系统异常，请稍后重试"))
    return login.refusal(-1)


def _frequency_limited(world: World, message: Message, op: str) -> Reply:
    if op.startswith("v2"):
        return v2.throttled(world, message)
    if op.startswith("v3"):
        return v3.refusal(v3.Refused(429, "FREQUENCY_LIMITED", "频率超限"))
    return login.refusal(45011)
