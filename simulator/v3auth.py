"""Who may call API v3: headers as they must be, and a signature that holds over the raw bytes (v3.md 1, 3).

It must not know operations or orders.
"""

from __future__ import annotations

import re

from simulator import explain_v3, v3wire
from simulator.primitives import Forged, rsa_verify
from simulator.v3errors import Refused, param_error
from simulator.wire import Diagnosis, Message
from simulator.world import World

_WINDOW = 300


def admit(world: World, message: Message, accept: str = "application/json|\\*/\\*") -> None:
    """Headers as they must be, and a signature that holds; raises ``Refused``. ``accept``: a pattern for the header."""
    _check_headers(message, accept)
    _authenticate(world, message)


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
        elif world.keys.knows(items["serial_no"]):
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
