"""API v2's refunds as WeChat answers them: refund (mutual TLS) and refundquery (v2.md 8, 9).

It must not know HTTP servers or certificates; what may be refunded is decided by ``refunds``.
"""

from __future__ import annotations

import json

from simulator import refund_views, v2fields
from simulator.entities import Order, Refund
from simulator.refunds import RefundDraft, RefundRefused, Why
from simulator.v2 import BusinessRefused, Fields
from simulator.world import World

_ACCOUNTS = {"REFUND_SOURCE_RECHARGE_FUNDS": "AVAILABLE"}
_PAGE = 10
_REFUSALS = {
    Why.NO_ORDER: ("ORDERNOTEXIST", "订单不存在或未支付"),
    Why.OTHER_CONTENT: ("REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致，请核实后再试"),
    Why.OTHER_TOTAL: ("PARAM_ERROR", "订单总金额与原订单不一致"),
    Why.OVERDUE: ("TRADE_OVERDUE", "订单已经超过退款期限"),
    Why.TOO_MANY: ("ERROR", "单笔订单退款次数超过50次"),
    Why.ALL_REFUNDED: ("ERROR", "订单已全额退款"),
    Why.TOO_MUCH: ("ERROR", "退款金额大于可退款余额"),
    Why.TOO_SOON: ("FREQUENCY_LIMITED", "频率限制，同一订单退款请间隔1分钟"),
    Why.NOT_ENOUGH: ("NOTENOUGH", "基本账户余额不足，请充值后重新发起"),
    Why.NO_REFUND: ("REFUNDNOTEXIST", "退款单不存在"),
}


def refund(world: World, fields: Fields) -> Fields:
    """POST /secapi/pay/refund: accepted, or the refund that was made before with this number and content."""
    v2fields.check(fields, v2fields.REFUND)
    if not fields.get("transaction_id") and not fields.get("out_trade_no"):
        raise BusinessRefused("PARAM_ERROR", "缺少参数out_trade_no或transaction_id")
    try:
        made = world.refunds.create(_draft(fields))
    except RefundRefused as refused:
        raise BusinessRefused(*_REFUSALS[refused.why]) from refused
    return refund_views.v2_refund(made, world.ledger.orders[made.out_trade_no])


def query(world: World, fields: Fields) -> Fields:
    """POST /pay/refundquery: refund_id before out_refund_no before transaction_id before out_trade_no."""
    v2fields.check(fields, v2fields.REFUND_QUERY)
    try:
        if fields.get("refund_id") or fields.get("out_refund_no"):
            found = world.refunds.find(fields.get("out_refund_no", ""), fields.get("refund_id", ""))
            return refund_views.v2_refunds([world.shown_refund(found)], world.ledger.orders[found.out_trade_no])
        order, refunds = _of_order(world, fields)
    except RefundRefused as refused:
        code, text = _REFUSALS[refused.why]
        raise BusinessRefused("REFUNDNOTEXIST" if code == "ORDERNOTEXIST" else code, text) from refused
    offset = int(fields.get("offset") or 0)
    if offset >= len(refunds):
        raise BusinessRefused("PARAM_ERROR", "offset超出退款笔数")
    page = refund_views.v2_refunds(list(map(world.shown_refund, refunds[offset : offset + _PAGE])), order)
    return {"total_refund_count": str(len(refunds)), **page}


def _of_order(world: World, fields: Fields) -> tuple[Order, list[Refund]]:
    transaction_id = fields.get("transaction_id", "")
    if not transaction_id and not fields.get("out_trade_no"):
        raise BusinessRefused("LACK_PARAMS", "缺少参数refund_id、out_refund_no、transaction_id或out_trade_no")
    order = world.refunds.order_of(transaction_id, "" if transaction_id else fields["out_trade_no"])
    refunds = world.ledger.refunds_for(order.out_trade_no)
    if not refunds:
        raise RefundRefused(Why.NO_REFUND)
    return order, refunds


def _draft(fields: Fields) -> RefundDraft:
    """transaction_id wins; which of the two names the order does not change the content."""
    left_out = ("sign", "nonce_str", "transaction_id", "out_trade_no")
    content = {name: value for name, value in fields.items() if name not in left_out and value}
    transaction_id = fields.get("transaction_id", "")
    return RefundDraft(
        out_refund_no=fields["out_refund_no"],
        out_trade_no="" if transaction_id else fields["out_trade_no"],
        transaction_id=transaction_id,
        amount_fen=int(fields["refund_fee"]),
        total_fen=int(fields["total_fee"]),
        api="v2",
        reason=fields.get("refund_desc", ""),
        notify_url=fields.get("notify_url", ""),
        content=json.dumps(content, sort_keys=True, ensure_ascii=False),
        account=_ACCOUNTS.get(fields.get("refund_account", ""), "UNSETTLED"),
        key_kind="none",
    )
