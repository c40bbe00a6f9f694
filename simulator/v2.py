"""API v2 as WeChat answers it: unifiedorder, orderquery, closeorder (v2.md 4, 6, 7, 15).

Refusals in WeChat's order: not POST, not XML, missing identity, unknown merchant, bad signature (all unsigned
``return_code=FAIL``), then what is wrong with the business (signed ``result_code=FAIL``). It must not know
HTTP servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from simulator import explain_v2, notices, numbers, v2fields, v2wire
from simulator.clock import from_compact
from simulator.entities import CLOSED, NOTPAY, PAYERROR, REFUND, SUCCESS, USERPAYING, Order
from simulator.primitives import Forged
from simulator.trade import Draft, Kind, Refusal
from simulator.wire import GENUINE, Diagnosis, Message, Reply, Seal
from simulator.world import World

Fields = dict[str, str]
T = TypeVar("T")
_XML = {"Content-Type": "text/xml; charset=utf-8"}
_STATE_TEXTS = {
    SUCCESS: "支付成功", REFUND: "转入退款", NOTPAY: "订单未支付", CLOSED: "订单已关闭", PAYERROR: "支付失败",
    USERPAYING: "用户支付中",
}  # fmt: skip
_REFUSALS = {
    Kind.PAID: ("ORDERPAID", "该订单已支付"),
    Kind.CLOSED: ("ORDERCLOSED", "该订单已关闭"),
    Kind.PAYING: ("TRADE_STATE_ERROR", "订单状态错误，用户支付中"),
    Kind.OTHER_CONTENT: ("INVALID_REQUEST", "201 商户订单号重复"),
    Kind.USED: ("OUT_TRADE_NO_USED", "商户订单号已使用"),
    Kind.UNKNOWN: ("ORDERNOTEXIST", "此交易订单号不存在"),
    Kind.STRANGER: ("PARAM_ERROR", "appid和openid不匹配"),
}


class ProtocolRefused(Exception):
    """Refused before any business: unsigned, ``return_msg`` only."""

    def __init__(self, code: str, text: str, diagnosis: Diagnosis | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.diagnosis = diagnosis


class BusinessRefused(Exception):
    """Refused with a signed ``result_code=FAIL``."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


Operation = Callable[[World, Fields], Fields]


def serve(world: World, message: Message, operation: Operation, seal: Seal = GENUINE) -> Reply:
    """One call, from raw message to signed reply."""
    try:
        fields = admit(world, message)
    except ProtocolRefused as refused:
        body = v2wire.write_xml({"return_code": "FAIL", "return_msg": refused.text})
        verdict = "bad" if refused.diagnosis else "none"
        return Reply(200, dict(_XML), body, verdict, refused.code, refused.text, refused.diagnosis)
    sign_type = fields.get("sign_type") or "MD5"
    try:
        if fields["appid"] != world.merchant.appid:
            raise BusinessRefused("APPID_NOT_EXIST", "APPID不存在")
        return _signed(world, {"result_code": "SUCCESS", **operation(world, fields)}, sign_type, seal)
    except (BusinessRefused, v2fields.FieldRefused) as refused:
        return refusal(world, refused.code, refused.text, sign_type, seal)


def refusal(world: World, code: str, text: str, sign_type: str = "MD5", seal: Seal = GENUINE) -> Reply:
    """A signed ``result_code=FAIL``."""
    reply = _signed(world, {"result_code": "FAIL", "err_code": code, "err_code_des": text}, sign_type, seal)
    reply.code, reply.why = code, text
    return reply


def communication_error(text: str) -> Reply:
    """``return_code=FAIL``: unsigned, and nothing but ``return_msg`` (v2.md 1)."""
    return Reply(200, dict(_XML), v2wire.write_xml({"return_code": "FAIL", "return_msg": text}), code="FAIL", why=text)


def system_error() -> Reply:
    """The unsigned SYSTEMERROR that is seen in the field (v2.md 2.3): its outcome is unknown."""
    fields = {"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "SYSTEMERROR", "err_code_des": "系统错误"}
    return Reply(200, dict(_XML), v2wire.write_xml(fields))


def refused_unread(world: World, message: Message, code: str, text: str) -> Reply:
    """A business refusal before the request was looked at, but signed as its ``sign_type`` asks."""
    try:
        sign_type = v2wire.parse_xml(message.body).get("sign_type", "")
    except v2wire.XmlRefused:
        sign_type = ""
    return refusal(world, code, text, sign_type if sign_type in v2wire.SIGN_TYPES else "MD5")


def prepay(world: World, fields: Fields) -> Fields:
    """POST /pay/unifiedorder."""
    v2fields.check(fields, v2fields.UNIFIED_ORDER)
    _check_times(fields)
    prepay_id = _traded(lambda: world.trade.prepay(_draft(fields)))
    return {"device_info": fields.get("device_info", ""), "trade_type": "JSAPI", "prepay_id": prepay_id}


def query(world: World, fields: Fields) -> Fields:
    """POST /pay/orderquery; ``transaction_id`` wins over ``out_trade_no``."""
    v2fields.check(fields, v2fields.ORDER_QUERY)
    if fields.get("transaction_id"):
        order = _traded(lambda: world.trade.find_paid(fields["transaction_id"]))
    elif fields.get("out_trade_no"):
        order = _traded(lambda: world.trade.find(fields["out_trade_no"]))
    else:
        raise BusinessRefused("LACK_PARAMS", "缺少参数out_trade_no或transaction_id")
    return _order_fields(_shown(world, order, fields))


def _shown(world: World, order: Order, fields: Fields) -> Order:
    """Before its payment an order has no transaction_id to be asked by."""
    shown = world.shown_order(order)
    if fields.get("transaction_id") and not shown.payment:
        raise BusinessRefused(*_REFUSALS[Kind.UNKNOWN])
    return shown


def close(world: World, fields: Fields) -> Fields:
    """POST /pay/closeorder. Earlier than five minutes after the order it works, but is complained of (v2.md 7)."""
    v2fields.check(fields, v2fields.CLOSE_ORDER)
    order = _traded(lambda: world.trade.close(fields["out_trade_no"]))
    if world.clock.now() - order.created_at < 300:
        text = "closed earlier than the 5 minutes after ordering that WeChat asks for"
        world.records.complain("v2.close", "CLOSED_EARLY", f"{order.out_trade_no}: {text}")
    return {"result_msg": "OK"}


def admit(world: World, message: Message) -> Fields:
    """The fields of a well-formed and well-signed request of this merchant; raises ``ProtocolRefused``."""
    if message.method != "POST":
        raise ProtocolRefused("REQUIRE_POST_METHOD", "请使用post方法")
    try:
        fields = v2wire.parse_xml(message.body)
    except v2wire.XmlRefused as refused:
        raise ProtocolRefused(refused.code, _xml_text(refused)) from refused
    for name in ("appid", "mch_id", "nonce_str", "sign"):
        if not fields.get(name):
            raise ProtocolRefused("LACK_PARAMS", f"缺少参数{name}")
    if fields["mch_id"] != world.merchant.mchid:
        raise ProtocolRefused("MCHID_NOT_EXIST", "商户号mch_id不存在")
    _check_signature(world, fields)
    return fields


def _xml_text(refused: v2wire.XmlRefused) -> str:
    texts = {"POST_DATA_EMPTY": "post数据为空", "NOT_UTF8": "编码格式错误，请使用UTF-8编码格式"}
    return texts.get(refused.code, "XML格式错误")


def _check_signature(world: World, fields: Fields) -> None:
    sign_type, key = fields.get("sign_type") or "MD5", world.merchant.v2_api_key
    if sign_type not in v2wire.SIGN_TYPES:
        raise ProtocolRefused("SIGNERROR", "签名类型sign_type错误")
    try:
        v2wire.verify(fields, key, sign_type)
    except Forged as forged:
        diagnosis = explain_v2.explain(fields, candidate_keys(world), sign_type, fields["sign"])
        raise ProtocolRefused("SIGNERROR", "签名错误", diagnosis) from forged


def candidate_keys(world: World) -> explain_v2.Keys:
    """The right key, and what this merchant could have put in its place."""
    wrong = {"the APIv3 key was used": world.merchant.v3_api_key, "the AppSecret was used": world.merchant.app_secret}
    return explain_v2.Keys(world.merchant.v2_api_key, wrong)


def _signed(world: World, fields: Mapping[str, str], sign_type: str, seal: Seal) -> Reply:
    """``sign_type`` of the request, unnamed; integers plain, and an unknown field, now and then (v2.md 15)."""
    turn = world.turn("v2")
    answer = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "appid": world.merchant.appid,
        "mch_id": world.merchant.mchid,
        "nonce_str": numbers.text(16),
        **({"sim_future_field": "sign me too"} if turn % 3 == 0 else {}),
        **fields,
    }
    sealed = v2wire.sealed(answer, world.merchant.v2_api_key, sign_type, seal)
    return Reply(200, dict(_XML), v2wire.write_xml(sealed, plain_integers=turn % 2 == 0), "ok")


def _check_times(fields: Fields) -> None:
    start, expire = fields.get("time_start"), fields.get("time_expire")
    if start and expire and from_compact(expire) - from_compact(start) < 60:
        raise BusinessRefused("INVALID_REQUEST", "time_expire时间过短")


def _draft(fields: Fields) -> Draft:
    content = {k: v for k, v in fields.items() if k not in ("sign", "nonce_str") and v}
    return Draft(
        out_trade_no=fields["out_trade_no"],
        api="v2",
        scheme=fields.get("sign_type") or "MD5",
        appid=fields["appid"],
        mchid=fields["mch_id"],
        openid=fields["openid"],
        amount_fen=int(fields["total_fee"]),
        description=fields["body"],
        attach=fields.get("attach", ""),
        notify_url=fields["notify_url"],
        content=json.dumps(content, sort_keys=True),
        expires_at=from_compact(fields["time_expire"]) if fields.get("time_expire") else None,
        key_kind="none",
        device_info=fields.get("device_info", ""),
    )


def _traded(step: Callable[[], T]) -> T:
    try:
        return step()
    except Refusal as refused:
        raise BusinessRefused(*_REFUSALS[refused.kind]) from refused


def _order_fields(order: Order) -> Fields:
    """Unpaid orders show little; all else is optional (v2.md 6)."""
    state = {"trade_state": order.state, "trade_state_desc": _STATE_TEXTS[order.state]}
    if order.payment:
        return {"device_info": order.device_info, **notices.v2_payment(notices.facts_of(order)), **state}
    return {
        "device_info": order.device_info,
        "out_trade_no": order.out_trade_no,
        "total_fee": str(order.amount_fen),
        "attach": order.attach,
        **state,
    }
