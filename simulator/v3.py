"""API v3 as WeChat answers it: jsapi, both queries, close, certificates (v3.md 3 to 12, 16, 20).

Every 2xx is signed, also the 204; errors are not. It must not know HTTP servers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from simulator import explain_v3, notices, numbers, rules, v3fields, v3wire
from simulator.clock import rfc3339
from simulator.ledger import CLOSED, NOTPAY, PAYERROR, REFUND, SUCCESS, Order
from simulator.primitives import Forged, rsa_verify
from simulator.trade import Draft, Kind, Refusal
from simulator.wire import GENUINE, Diagnosis, Message, Reply, Seal
from simulator.world import World

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_WINDOW = 300
_STATE_TEXTS = {
    SUCCESS: "支付成功", REFUND: "订单发生过退款", NOTPAY: "订单未支付", CLOSED: "订单已关闭", PAYERROR: "支付失败"
}  # fmt: skip
_REFUSALS = {
    Kind.PAID: (400, "ORDERPAID", "该订单已支付"),
    Kind.CLOSED: (400, "ORDER_CLOSED", "该订单已关闭"),
    Kind.OTHER_CONTENT: (400, "INVALID_REQUEST", "201 商户订单号重复"),
    Kind.USED: (403, "OUT_TRADE_NO_USED", "商户订单号已使用"),
    Kind.UNKNOWN: (404, "ORDER_NOT_EXIST", "订单不存在"),
}


class Refused(Exception):
    """An error answer: status, code, message, and the optional ``detail`` object (v3.md 16)."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: dict[str, Any] | None = None,
        diagnosis: Diagnosis | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.diagnosis = diagnosis


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
        return refusal(Refused(*_REFUSALS[refused_trade.kind]), "ok")
    return _signed(world, answer, kind, seal)


def admit(world: World, message: Message, accept: str = "application/json|\\*/\\*") -> None:
    """Headers as they must be, and a signature that holds; raises ``Refused``. ``accept``: a pattern for the header."""
    _check_headers(message, accept)
    _authenticate(world, message)


def refusal(refused: Refused, verdict: str = "none") -> Reply:
    """An error answer, unsigned."""
    value: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.detail:
        value["detail"] = refused.detail
    body, headers = v3wire.dump_json(value), {**_JSON, "Request-ID": _request_id()}
    return Reply(refused.status, headers, body, verdict, refused.code, refused.message, refused.diagnosis)


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
    return Answer(_transaction(world, world.trade.find(call.parts[0])))


def query_by_id(world: World, call: Call) -> Answer:
    """GET /v3/pay/transactions/id/{transaction_id}?mchid="""
    _check_query(world, call.message)
    return Answer(_transaction(world, world.trade.find_paid(call.parts[0])))


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
    """GET /v3/certificates: the platform certificate, encrypted with the APIv3 key (v3.md 6)."""
    if not world.keys.platform_certificates:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台申请使用微信支付公钥")
    merchant, now = world.merchant, world.clock.wire()
    sealed = v3wire.resource(
        merchant.v3_api_key, "certificate", numbers.text(12), merchant.platform_certificate.encode()
    )
    del sealed["original_type"]
    entry = {
        "serial_no": merchant.platform_serial_no,
        "effective_time": rfc3339(now - 86400),
        "expire_time": rfc3339(now + 5 * 365 * 86400 - 86400),
        "encrypt_certificate": sealed,
    }
    return Answer({"data": [entry]})


def _check_headers(message: Message, pattern: str) -> None:
    """A product string, an Accept that takes what comes, a JSON body (v3.md 1)."""
    if not message.headers.get("User-Agent", "").strip():
        raise param_error("header", "User-Agent", "Http头缺少User-Agent", None)
    accept = message.headers.get("Accept", "")
    if not re.search(pattern, accept):
        raise param_error("header", "Accept", "Http头Accept必须包含application/json", None)
    content_type = message.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if message.method == "POST" and content_type != "application/json":
        raise param_error("header", "Content-Type", "Http头Content-Type必须是application/json", None)


def _key_kind(world: World, message: Message) -> str:
    """Which of WeChat's keys the request names; one that WeChat does not have is a wrong setting."""
    serial = message.headers.get("Wechatpay-Serial", "")
    if serial not in ("", world.merchant.public_key_id, world.merchant.platform_serial_no):
        raise param_error("header", "Wechatpay-Serial", "Http头Wechatpay-Serial错误：无此公钥ID或平台证书序列号", None)
    return world.keys.kind_asked_for(serial)


def _authenticate(world: World, message: Message) -> None:
    """The whole of v3.md 3: scheme, items, merchant, serial, clock, and the signature over the raw bytes."""
    try:
        items = v3wire.parse_authorization(message.headers.get("Authorization", ""))
    except v3wire.HeaderRefused as refused:
        raise _sign_error(
            "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》", str(refused)
        ) from refused
    if items["mchid"] != world.merchant.mchid:
        raise Refused(400, "MCH_NOT_EXISTS", "商户号不存在")
    _check_clock(items["timestamp"], world.clock.wire())
    if not re.fullmatch(r"[!-~]{1,32}", items["nonce_str"]):
        raise _sign_error("Http头Authorization中的nonce_str长度或字符错误", "nonce_str must be 1 to 32 characters")
    if items["serial_no"] != world.merchant.merchant_serial_no:
        cause = "unknown merchant certificate serial number"
        if items["serial_no"].upper() == world.merchant.merchant_serial_no:
            cause = "the serial number must be in upper case"
        elif items["serial_no"] in (world.merchant.platform_serial_no, world.merchant.public_key_id):
            cause = "wrong serial: this one names WeChat's key; Authorization needs the merchant certificate's"
        raise _sign_error("商户证书序列号有误。请使用签名私钥匹配的证书序列号", cause, "serial_no")
    _check_signature(world, message, items)


def _check_clock(timestamp: str, now: int) -> None:
    message = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
    if not re.fullmatch(r"[0-9]{1,16}", timestamp):
        raise _sign_error(message, "timestamp must be decimal digits", "timestamp")
    behind = now - int(timestamp)
    if abs(behind) > _WINDOW:
        cause = f"the clock is {abs(behind)} s {'behind' if behind > 0 else 'ahead'}; the limit is {_WINDOW} s"
        if abs(now - int(timestamp) // 1000) <= _WINDOW:
            cause = "timestamp in milliseconds: it must be in seconds"
        raise _sign_error(message, cause, "timestamp")


def _check_signature(world: World, message: Message, items: dict[str, str]) -> None:
    host = message.headers.get("Host", "")
    signed = explain_v3.Request(message.method, message.url, items["timestamp"], items["nonce_str"], message.body, host)
    text = signed.text()
    try:
        rsa_verify(world.merchant.verifying_key, text, items["signature"])
    except Forged as forged:
        refused = _sign_error("错误的签名，验签失败", "sign not match")
        refused.detail = (refused.detail or {}) | {"sign_information": _sign_information(message, text)}
        refused.diagnosis = explain_v3.explain_request(world.merchant.verifying_key, signed, items["signature"])
        raise refused from forged


def _sign_information(message: Message, text: bytes) -> dict[str, object]:
    shown = text.decode("utf-8", "backslashreplace")
    return {
        "method": message.method,
        "url": message.url,
        "truncated_sign_message": shown[:400],
        "sign_message_length": len(text),
    }


def _sign_error(message: str, cause: str, field: str = "signature") -> Refused:
    detail = {"detail": {"issue": cause}, "field": field, "location": "authorization"}
    return Refused(401, "SIGN_ERROR", message, detail, Diagnosis(cause, ""))


def param_error(location: str, field: str, message: str, value: object, issue: str = "") -> Refused:
    """400 PARAM_ERROR with its place (v3.md 16)."""
    detail = {"location": location, "field": field, "issue": issue or message}
    if value is not None:
        detail["value"] = value  # type: ignore[assignment]
    return Refused(400, "PARAM_ERROR", message, detail)


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


def _signed(world: World, answer: Answer, kind: str, seal: Seal) -> Reply:
    body = b"" if answer.value is None else v3wire.dump_json(answer.value)
    key, serial = world.keys.named(kind)
    signature = v3wire.signature_headers(key, serial, world.clock.wire(), numbers.text(32), body, seal)
    status, headers = (204, {}) if answer.value is None else (200, _JSON)
    return Reply(status, {**headers, "Request-ID": _request_id(), **signature}, body, "ok")


def _request_id() -> str:
    return "08" + numbers.text(38, "0123456789ABCDEF") + "-0"
