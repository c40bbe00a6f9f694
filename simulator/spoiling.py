"""What the fault plan makes of an answer: another one instead of the work, or the work's own answer spoilt.

What is done to the connection is ``door``'s business. It must not decide whether a rule strikes (``faults``).
"""

from __future__ import annotations

from simulator import login, miniprogram, v2, v2bills, v3
from simulator.faults import NOT_DONE, Rule, tampered
from simulator.routes import Route
from simulator.v3errors import Refused
from simulator.wire import GENUINE, PAGE, Message, Reply
from simulator.world import World

_PLANNED = "按错误计划返回"


def answer(world: World, message: Message, route: Route, parts: tuple[str, ...], rule: Rule | None) -> Reply:
    """The operation's reply, or what the fault makes of it."""
    if rule is None:
        return route.serve(world, message, parts, GENUINE)
    if rule.fault in NOT_DONE:
        return _instead(world, message, route.op, rule)
    with world.under(rule.fault):
        reply = route.serve(world, message, parts, rule.seal).held()
    match rule.fault:
        case "http_500_after":
            return _bad_gateway()
        case "system_error_after":
            return _system_error(world, message, route.op)
        case "tamper":
            reply.body = tampered(reply.body, rule)
        case "huge_body":
            reply.body += b" " * rule.bytes
    return reply


def _instead(world: World, message: Message, op: str, rule: Rule) -> Reply:
    """What is answered when nothing is done."""
    match rule.fault:
        case "system_error":
            return _system_error(world, message, op)
        case "frequency_limited":
            return _refusal(world, message, op, 429, "45011" if _has_errcode(op) else "FREQUENCY_LIMITED")
        case "error":
            return _refusal(world, message, op, rule.status, rule.code)
        case "communication_error":
            return v2.communication_error(rule.code)
        case "html":
            return Reply(200, dict(PAGE), b"<html><body>Please log in</body></html>")
        case "redirect":
            return Reply(302, {"Location": rule.location}, b"")
        case "empty":
            return Reply(200, {}, b"")
        case _:
            return _bad_gateway()


def _bad_gateway() -> Reply:
    return Reply(500, dict(PAGE), b"<html><body><h1>500 Internal Server Error</h1></body></html>")


def _system_error(world: World, message: Message, op: str) -> Reply:
    if op == "v2.bill":
        return _refusal(world, message, op, 200, "SYSTEMERROR")
    if op.startswith("v2"):
        return v2.system_error()
    return _refusal(world, message, op, 500, "-1" if _has_errcode(op) else "SYSTEM_ERROR")


def _refusal(world: World, message: Message, op: str, status: int, code: str) -> Reply:
    """A refusal in the operation's own form. v3's has the status; an errcode that is no number is -1."""
    if op == "v2.bill":
        return v2bills.refused_unread(message, code, _PLANNED)
    if op.startswith("v2"):
        return v2.refused_unread(world, message, code, _PLANNED)
    if op.startswith("v3"):
        return v3.refused_signed(world, message, Refused(status, code, _PLANNED))
    errcode = int(code) if code.removeprefix("-").isdecimal() else -1
    return login.refusal(errcode) if op == "login" else miniprogram.refusal(errcode)


def _has_errcode(op: str) -> bool:
    return not op.startswith(("v2", "v3"))
