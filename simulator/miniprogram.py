"""How api.weixin.qq.com answers: JSON with ``errcode``, status 200 whatever happens (mini-program.md).

It knows texts and forms; it must not know codes, tokens, orders or HTTP servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator import numbers, v3fields, v3wire
from simulator.wire import Message, Reply

_TEXTS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    42001: "access_token expired",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit  mustslower  retry next minute",
    47001: "data format error",
    10060001: "支付单不存在",
    10060002: "支付单已完成发货，无法继续发货",
    10060003: "支付单已使用重新发货机会",
    10060004: "支付单处于不可发货的状态",
    10060031: "该笔支付单不属于openid所指定的用户",
}
_HEX = "0123456789abcdef"


class ApiRefused(Exception):
    """``errcode`` of WeChat, and what its text adds."""

    def __init__(self, errcode: int, hint: str = "") -> None:
        super().__init__(f"{errcode} {hint}")
        self.errcode = errcode
        self.hint = hint


def answer(value: Mapping[str, Any], verdict: str = "none") -> Reply:
    return Reply(200, {"Content-Type": "application/json; charset=UTF-8"}, v3wire.dump_json(value), verdict)


def refusal(errcode: int, hint: str = "", verdict: str = "none") -> Reply:
    """An error answer; ``errmsg`` ends with the request's id."""
    text = _TEXTS.get(errcode, "planned error") + (f" hint: [{hint}]" if hint else "")
    refused = answer({"errcode": errcode, "errmsg": f"{text}, rid: {_rid()}"}, verdict)
    refused.code, refused.why = str(errcode), text
    return refused


def body_of(message: Message, table: v3fields.Object) -> dict[str, Any]:
    """The checked JSON body; 47001 for any that breaks its table."""
    try:
        body: dict[str, Any] = v3wire.load_json(message.body)
        table.check(body)
    except v3wire.JsonRefused as refused:
        raise ApiRefused(47001, "the body is not JSON") from refused
    except v3fields.FieldRefused as refused:
        raise ApiRefused(47001, f"{refused.pointer}: {refused.issue}") from refused
    return body


def _rid() -> str:
    return f"{numbers.text(8, _HEX)}-{numbers.text(8, _HEX)}-{numbers.text(8, _HEX)}"
