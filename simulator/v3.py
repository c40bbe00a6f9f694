"""API v3 as WeChat answers it: jsapi, both queries, close, certificates (v3.md 3 to 12, 16, 20).

Every 2xx is signed, also the 204; errors are not. It must not know HTTP servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from simulator import notices, numbers, rules, v3fields, v3wire
from simulator.clock import rfc3339
from simulator.entities import CLOSED, NOTPAY, PAYERROR, REFUND, SUCCESS, USERPAYING, Certificate, Order
from simulator.trade import Draft, Kind, Refusal
from simulator.v3auth import admit
from simulator.v3errors import JSON, Refused, param_error, refusal, request_id
from simulator.wire import GENUINE, Message, Reply, Seal
from simulator.world import World

_FIVE_YEARS = 5 * 365 * 86400
_STATE_TEXTS = {
    SUCCESS: "支付成功", REFUND: "订单发生过退款", NOTPAY: "订单未支付", CLOSED: "订单已关闭", PAYERROR: "支付失败",
    USERPAYING: "用户支付中，需要输入密码",
}  # fmt: skip
_REFUSALS = {
    Kind.PAID: (400, "ORDERPAID", "该订单已支付"),
    Kind.CLOSED: (400, "ORDER_CLOSED", "该订单已关闭"),
    Kind.PAYING: (202, "USERPAYING", "用户支付中，需要输入密码"),
    Kind.OTHER_CONTENT: (400, "INVALID_REQUEST", "201 商户订单号重复"),
    Kind.USED: (403, "OUT_TRADE_NO_USED", "商户订单号已使用"),
    Kind.UNKNOWN: (404, "ORDER_NOT_EXIST", "订单不存在"),
}


@dataclass(frozen=True)
class Answer:
    """A success: 200 with a value, or 204 without."""

    value: dict[str, Any] | None


@dataclass(frozen=True)
class Call:
    """An authentic request: the path's own parts, decoded, and the kind of key the answer is to be signed with."""

    message: Message
    parts: tuple[str, ...]
    key_kind: str


Operation = Callable[[World, Call], Answer]


def serve(world: World, message: Message, operation: Operation, parts: tuple[str, ...], seal: Seal = GENUINE) -> Reply:
    """One call, from raw message to signed reply."""
    try:
        admit(world, message)
    except Refused as refused:
        return refusal(refused, "bad" if refused.status == 401 else "none")
    try:
        kind = _key_kind(world, message)
        answer = operation(world, Call(message, tuple(map(unquote, parts)), kind))
    except Refused as refused:
        return refusal(refused, "ok")
    except Refusal as refused_trade:
        return refused_signed(world, message, Refused(*_REFUSALS[refused_trade.kind]), seal)
    body = b"" if answer.value is None else v3wire.dump_json(answer.value)
    status, headers = (204, {}) if answer.value is None else (200, JSON)
    return _sealed(world, Reply(status, {**headers, "Request-ID": request_id()}, body, "ok"), kind, seal)


def refused_signed(world: World, message: Message, refused: Refused, seal: Seal = GENUINE) -> Reply:
    """A refusal of an authentic request: one with a 2xx, "accepted, not finished", is signed like every other 2xx."""
    reply = refusal(refused, "ok")
    if refused.status >= 300:
        return reply
    return _sealed(world, reply, world.keys.kind_asked_for(message.headers.get("Wechatpay-Serial", "")), seal)


def prepay(world: World, call: Call) -> Answer:
    """POST /v3/pay/transactions/jsapi."""
    body = body_of(call.message, v3fields.JSAPI)
    _check_mchid(world, body["mchid"], "body", "/mchid")
    if body["appid"] != world.merchant.appid:
        raise Refused(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    try:
        return Answer({"prepay_id": world.trade.prepay(_draft(body, call.key_kind))})
    except Refusal as refused:
        if refused.kind is Kind.STRANGER:
            raise param_error("body", "/payer/openid", "openid与appid不匹配", None) from refused
        raise


def query_by_number(world: World, call: Call) -> Answer:
    """GET /v3/pay/transactions/out-trade-no/{out_trade_no}?mchid="""
    _check_query(world, call.message)
    return Answer(_transaction(world, world.shown_order(world.trade.find(call.parts[0]))))


def query_by_id(world: World, call: Call) -> Answer:
    """GET /v3/pay/transactions/id/{transaction_id}?mchid="""
    _check_query(world, call.message)
    shown = world.shown_order(world.trade.find_paid(call.parts[0]))
    if shown.payment is None:
        raise Refusal(Kind.UNKNOWN)
    return Answer(_transaction(world, shown))


def close(world: World, call: Call) -> Answer:
    """POST .../{out_trade_no}/close: 204, also for an order that is closed already (v3.md 12)."""
    body = body_of(call.message, v3fields.CLOSE)
    _check_mchid(world, body["mchid"], "body", "/mchid")
    try:
        world.trade.close(call.parts[0])
    except Refusal as refused:
        if refused.kind is not Kind.CLOSED:
            raise
    return Answer(None)


def certificates(world: World, _call: Call) -> Answer:
    """GET /v3/certificates: every platform certificate, encrypted with the APIv3 key (v3.md 6)."""
    if not world.keys.platform_certificates:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台申请使用微信支付公钥")
    return Answer({"data": [_published(world, certificate) for certificate in world.keys.listed()]})


def _published(world: World, certificate: Certificate) -> dict[str, Any]:
    text = certificate.certificate.encode()
    sealed = v3wire.resource(world.merchant.v3_api_key, "certificate", numbers.text(12), text)
    del sealed["original_type"]
    return {
        "serial_no": certificate.serial_no,
        "effective_time": rfc3339(certificate.effective_at),
        "expire_time": rfc3339(certificate.effective_at + _FIVE_YEARS),
        "encrypt_certificate": sealed,
    }


def _key_kind(world: World, message: Message) -> str:
    """Which of WeChat's keys the request names; one that WeChat does not have is a wrong setting."""
    serial = message.headers.get("Wechatpay-Serial", "")
    if serial and not world.keys.knows(serial):
        raise param_error("header", "Wechatpay-Serial", "Http头Wechatpay-Serial错误：无此公钥ID或平台证书序列号", None)
    return world.keys.kind_asked_for(serial)


def body_of(message: Message, table: v3fields.Object) -> dict[str, Any]:
    """The checked JSON body; raises ``Refused`` with PARAM_ERROR."""
    try:
        body = v3wire.load_json(message.body)
        table.check(body)
    except v3wire.JsonRefused as refused:
        raise param_error(
            "body", "", "无法将JSON输入源“/body”映射到目标，请检查JSON格式", None, str(refused)
        ) from refused
    except v3fields.FieldRefused as refused:
        text = f"输入源“/body{refused.pointer}”映射失败，{refused.issue}"
        raise param_error("body", refused.pointer, text, refused.value, refused.issue) from refused
    checked: dict[str, Any] = body
    return checked


def _check_mchid(world: World, mchid: str, location: str, field: str) -> None:
    if mchid != world.merchant.mchid:
        raise param_error(location, field, "输入源中的mchid与Http头Authorization中的mchid不一致", None)


def _check_query(world: World, message: Message) -> None:
    pairs = parse_qsl(message.query, keep_blank_values=True, errors="replace")
    if [name for name, _ in pairs] != ["mchid"]:
        raise param_error("query", "mchid", "输入源“/query/mchid”缺少或重复，或有未定义的参数", None)
    _check_mchid(world, pairs[0][1], "query", "mchid")


def _draft(body: dict[str, Any], key_kind: str) -> Draft:
    expires = body.get("time_expire")
    content = v3wire.dump_json(ordered(body))
    return Draft(
        out_trade_no=body["out_trade_no"],
        api="v3",
        scheme="RSA",
        appid=body["appid"],
        mchid=body["mchid"],
        openid=body["payer"]["openid"],
        amount_fen=body["amount"]["total"],
        description=body["description"],
        attach=body.get("attach", ""),
        notify_url=body["notify_url"],
        content=hashlib.sha256(content).hexdigest(),
        expires_at=rules.parse_rfc3339(expires) if expires else None,
        key_kind=key_kind,
    )


def ordered(value: Any) -> Any:
    """The same value with its keys in order: order does not make content different."""
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def _transaction(world: World, order: Order) -> dict[str, Any]:
    """Paid orders in full, others in the few fields that the field shows (v3.md 11); an unknown key now and then."""
    future = {"sim_future_key": "ignore me"} if world.turn("v3") % 3 == 0 else {}
    if order.payment:
        state = {"trade_state": order.state, "trade_state_desc": _STATE_TEXTS[order.state]}
        return notices.v3_transaction(notices.facts_of(order)) | state | future
    return {
        "appid": order.appid,
        "mchid": order.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": _STATE_TEXTS[order.state],
        "amount": {"total": order.amount_fen, "payer_currency": "CNY"},
        "promotion_detail": [],
        "scene_info": {"device_id": ""},
        **future,
    }


def _sealed(world: World, reply: Reply, kind: str, seal: Seal) -> Reply:
    key, serial = world.keys.for_answer(kind)
    key = world.keys.stranger if seal.kind == "forged" else key
    reply.headers |= v3wire.signature_headers(key, serial, world.clock.wire(), numbers.text(32), reply.body, seal)
    return reply
