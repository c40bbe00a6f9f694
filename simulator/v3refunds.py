"""API v3's refunds as WeChat answers them: the call, the query, and an abnormal refund sent elsewhere (v3.md 13, 16).

It must not know HTTP servers; what may be refunded is decided by ``refunds``.
"""

from __future__ import annotations

from typing import Any

from simulator import refund_views, v3fields, v3wire
from simulator.entities import Refund
from simulator.primitives import Forged, oaep_decrypt
from simulator.refunds import RefundDraft, RefundRefused, Why
from simulator.v3 import Answer, Call, body_of, ordered
from simulator.v3errors import Refused, param_error
from simulator.world import World

_REFUSALS = {
    Why.NO_ORDER: (404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付"),
    Why.OTHER_ORDER: (400, "INVALID_REQUEST", "transaction_id和out_trade_no不是同一订单"),
    Why.OTHER_CONTENT: (400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试"),
    Why.OTHER_TOTAL: (400, "INVALID_REQUEST", "订单金额与原订单不一致"),
    Why.OVERDUE: (400, "INVALID_REQUEST", "订单已超过退款期限"),
    Why.TOO_MANY: (400, "INVALID_REQUEST", "单笔订单退款次数超过50次"),
    Why.ALL_REFUNDED: (400, "INVALID_REQUEST", "订单已全额退款"),
    Why.TOO_MUCH: (400, "INVALID_REQUEST", "退款金额大于可退款余额"),
    Why.TOO_SOON: (429, "FREQUENCY_LIMITED", "同一订单退款频率过快，请间隔1分钟后再试"),
    Why.NOT_ENOUGH: (403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起"),
    Why.NO_REFUND: (404, "RESOURCE_NOT_EXISTS", "退款单不存在"),
    Why.NOT_ABNORMAL: (400, "INVALID_REQUEST", "退款单状态不是退款异常"),
}


def refund(world: World, call: Call) -> Answer:
    """POST /v3/refund/domestic/refunds: 200 and PROCESSING; a repeat gets the same refund as it now is."""
    body = body_of(call.message, v3fields.REFUND)
    if not body.get("transaction_id") and not body.get("out_trade_no"):
        raise param_error("body", "/out_trade_no", "transaction_id和out_trade_no不能同时为空", None)
    parts = body["amount"].get("from")
    if parts and sum(part["amount"] for part in parts) != body["amount"]["refund"]:
        raise param_error("body", "/amount/from", "出资金额之和不等于退款金额", None)
    try:
        return _shown(world, world.refunds.create(_draft(body, call.key_kind)))
    except RefundRefused as refused:
        raise Refused(*_REFUSALS[refused.why]) from refused


def query(world: World, call: Call) -> Answer:
    """GET /v3/refund/domestic/refunds/{out_refund_no}, without a query string."""
    if call.message.query:
        raise param_error("query", "", "有未定义的参数", None)
    return _shown(world, world.shown_refund(_found(world, out_refund_no=call.parts[0])))


def send_elsewhere(world: World, call: Call) -> Answer:
    """POST .../{refund_id}/apply-abnormal-refund: to another bank card, or back to the merchant (v3.md 13.3)."""
    if not call.message.headers.get("Wechatpay-Serial"):
        raise param_error("header", "Wechatpay-Serial", "Http头缺少Wechatpay-Serial", None)
    body = body_of(call.message, v3fields.ABNORMAL_REFUND)
    if body["type"] == "USER_BANK_CARD":
        _check_card(world, body, call.message.headers.get("Wechatpay-Serial", ""))
    found = _found(world, refund_id=call.parts[0])
    if found.out_refund_no != body["out_refund_no"]:
        raise param_error("body", "/out_refund_no", "out_refund_no与refund_id不匹配", None)
    try:
        return _shown(world, world.refunds.send_elsewhere(found))
    except RefundRefused as refused:
        raise Refused(*_REFUSALS[refused.why]) from refused


def _check_card(world: World, body: dict[str, Any], serial: str) -> None:
    """A card needs its bank, its number and a name, the last two encrypted with the key that the header names."""
    for name in ("bank_type", "bank_account", "real_name"):
        if name not in body:
            raise param_error("body", f"/{name}", "退款至用户银行卡时必填", None)
    key = world.keys.opening(serial)
    for name in ("bank_account", "real_name"):
        try:
            oaep_decrypt(key, body[name]).decode("utf-8")
        except (Forged, UnicodeDecodeError) as error:
            raise param_error("body", f"/{name}", "敏感信息解密失败，请检查加密所用的公钥", None) from error


def _found(world: World, out_refund_no: str = "", refund_id: str = "") -> Refund:
    try:
        return world.refunds.find(out_refund_no, refund_id)
    except RefundRefused as refused:
        raise Refused(*_REFUSALS[refused.why]) from refused


def _shown(world: World, found: Refund) -> Answer:
    future = {"sim_future_key": "ignore me"} if world.turn("v3 refund") % 3 == 0 else {}
    return Answer(refund_views.v3_refund(found, world.ledger.orders[found.out_trade_no]) | future)


def _draft(body: dict[str, Any], key_kind: str) -> RefundDraft:
    """The order may be named either way: naming it the other way in a repeat is the same content."""
    content = {name: value for name, value in body.items() if name not in ("transaction_id", "out_trade_no")}
    return RefundDraft(
        out_refund_no=body["out_refund_no"],
        out_trade_no=body.get("out_trade_no", ""),
        transaction_id=body.get("transaction_id", ""),
        amount_fen=body["amount"]["refund"],
        total_fen=body["amount"]["total"],
        api="v3",
        reason=body.get("reason", ""),
        notify_url=body.get("notify_url", ""),
        content=v3wire.dump_json(ordered(content)).decode("utf-8"),
        account=body.get("funds_account", "UNSETTLED"),
        key_kind=key_kind,
    )
