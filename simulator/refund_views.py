"""How a refund is told: answers and notifications of both generations (v2.md 8, 9, 12.2, v3.md 13.1, 15.1).

Pure: refunds, orders, keys and times in; fields, objects and notices out. Sending is ``courier``'s.
"""

from __future__ import annotations

from typing import Any

from simulator import numbers, v2wire
from simulator.clock import rfc3339, spaced
from simulator.entities import ABNORMAL, CLOSED, PROCESSING, SUCCESS, Order, Refund
from simulator.notices import UNCHANGED, Changes, Event, Notice, overlaid
from simulator.primitives import ecb_encrypt, md5_upper
from simulator.wire import Seal

V2_STATES = {SUCCESS: "SUCCESS", PROCESSING: "PROCESSING", CLOSED: "REFUNDCLOSE", ABNORMAL: "CHANGE"}
_V2_ACCOUNTS = {"UNSETTLED": "REFUND_SOURCE_UNSETTLED_FUNDS", "AVAILABLE": "REFUND_SOURCE_RECHARGE_FUNDS"}
_SUMMARIES = {SUCCESS: "退款成功", ABNORMAL: "退款异常", CLOSED: "退款关闭"}
_COUPON = "SIM10000"


def v3_refund(refund: Refund, order: Order) -> dict[str, Any]:
    """The refund object of the call and of the query (v3.md 13.1)."""
    shown: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": refund.channel,
        "user_received_account": _received_by(refund, order),
        "create_time": rfc3339(refund.created_at),
        "status": refund.state,
        "funds_account": refund.account,
        "amount": _v3_amount(refund, order),
        "promotion_detail": _v3_promotions(refund, order),
    }
    return shown | ({"success_time": rfc3339(refund.success_at)} if refund.success_at is not None else {})


def v3_event(refund: Refund, order: Order, state: str) -> Event:
    """What a notification tells of a refund that came to ``state`` (v3.md 15.1): neither channel nor currency."""
    payer_total = order.payment.payer_total if order.payment else order.amount_fen
    content: dict[str, Any] = {
        "mchid": order.mchid,
        "out_trade_no": refund.out_trade_no,
        "transaction_id": refund.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_status": state,
        "user_received_account": _received_by(refund, order),
        "amount": {
            "total": order.amount_fen,
            "refund": refund.amount_fen,
            "payer_total": payer_total,
            "payer_refund": refund.payer_fen,
        },
    }
    if state == SUCCESS:
        content["success_time"] = rfc3339(_success_at(refund))
    return Event(f"REFUND.{state}", _SUMMARIES[state], "refund", content)


def v2_refund(refund: Refund, order: Order) -> dict[str, str]:
    """What the refund call answers beside the result (v2.md 8): accepted, which is not refunded."""
    fields = {
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_channel": "",
        "refund_fee": str(refund.amount_fen),
        "settlement_refund_fee": str(refund.amount_fen),
        "cash_refund_fee": str(refund.payer_fen),
        "coupon_refund_fee": str(refund.amount_fen - refund.payer_fen),
        "coupon_refund_count": "0",
        **_v2_order(order),
    }
    if refund.payer_fen != refund.amount_fen:
        fields |= {"coupon_refund_count": "1", "coupon_type_0": "CASH", "coupon_refund_id_0": _COUPON}
        fields |= {"coupon_refund_fee_0": str(refund.amount_fen - refund.payer_fen)}
    return fields


def v2_refunds(refunds: list[Refund], order: Order) -> dict[str, str]:
    """The answer to refundquery: each refund's fields with its ``$n`` (v2.md 9)."""
    fields = {
        "transaction_id": refunds[0].transaction_id,
        "out_trade_no": order.out_trade_no,
        "refund_count": str(len(refunds)),
        **_v2_order(order),
    }
    for n, refund in enumerate(refunds):
        fields |= {f"{name}_{n}": value for name, value in _v2_one(refund, order).items()}
        if refund.payer_fen != refund.amount_fen:
            fields |= {f"coupon_type_{n}_0": "CASH", f"coupon_refund_id_{n}_0": _COUPON}
            fields |= {f"coupon_refund_fee_{n}_0": str(refund.amount_fen - refund.payer_fen)}
    return fields


def v2_notice(refund: Refund, order: Order, state: str, key: str, seal: Seal, changes: Changes = UNCHANGED) -> Notice:
    """XML without a sign: ``req_info`` is encrypted with the hex text of the key's MD5 (v2.md 12.2).

    There is nothing to leave out or to break but the key: any ``seal`` that is not genuine encrypts with another.
    """
    root = overlaid(_v2_root(refund, order, state), changes)
    known = key if seal.kind == "genuine" else numbers.text(32)
    cipher_key = md5_upper(known.encode()).lower().encode()
    outer = {
        "return_code": "SUCCESS",
        "appid": order.appid,
        "mch_id": order.mchid,
        "nonce_str": numbers.text(32),
        "req_info": ecb_encrypt(cipher_key, v2wire.write_xml(root, root="root")),
    }
    body = v2wire.write_xml(overlaid(outer, Changes(changes.envelope)))
    return Notice({"Content-Type": "text/xml"}, body)


def _v2_root(refund: Refund, order: Order, state: str) -> dict[str, str]:
    fields = {
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "total_fee": str(order.amount_fen),
        "settlement_total_fee": str(order.amount_fen),
        "refund_fee": str(refund.amount_fen),
        "settlement_refund_fee": str(refund.amount_fen),
        "refund_status": V2_STATES[state],
        "refund_recv_accout": _received_by(refund, order),
        "refund_account": _V2_ACCOUNTS[refund.account],
        "refund_request_source": "API" if refund.source == "api" else "VENDOR_PLATFORM",
    }
    return fields | ({"success_time": spaced(_success_at(refund))} if state == SUCCESS else {})


def _v2_order(order: Order) -> dict[str, str]:
    payer_total = order.payment.payer_total if order.payment else order.amount_fen
    return {
        "total_fee": str(order.amount_fen),
        "settlement_total_fee": str(order.amount_fen),
        "fee_type": "CNY",
        "cash_fee": str(payer_total),
        "cash_fee_type": "CNY",
    }


def _v2_one(refund: Refund, order: Order) -> dict[str, str]:
    coupon = refund.amount_fen - refund.payer_fen
    fields = {
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_channel": refund.channel,
        "refund_fee": str(refund.amount_fen),
        "settlement_refund_fee": str(refund.amount_fen),
        "coupon_refund_fee": str(coupon),
        "coupon_refund_count": "1" if coupon else "0",
        "refund_status": V2_STATES[refund.state],
        "refund_account": _V2_ACCOUNTS[refund.account],
        "refund_recv_accout": _received_by(refund, order),
    }
    return fields | ({"refund_success_time": spaced(refund.success_at)} if refund.success_at is not None else {})


def _v3_amount(refund: Refund, order: Order) -> dict[str, Any]:
    return {
        "total": order.amount_fen,
        "refund": refund.amount_fen,
        "from": [],
        "payer_total": order.payment.payer_total if order.payment else order.amount_fen,
        "payer_refund": refund.payer_fen,
        "settlement_refund": refund.amount_fen,
        "settlement_total": order.amount_fen,
        "discount_refund": refund.amount_fen - refund.payer_fen,
        "currency": "CNY",
        "refund_fee": 0,
    }


def _v3_promotions(refund: Refund, order: Order) -> list[dict[str, Any]]:
    coupon = refund.amount_fen - refund.payer_fen
    total = order.amount_fen - order.payment.payer_total if order.payment else 0
    one = {"promotion_id": _COUPON, "scope": "GLOBAL", "type": "COUPON", "amount": total, "refund_amount": coupon}
    return [one] if coupon else []


def _received_by(refund: Refund, order: Order) -> str:
    card = refund.channel != "ORIGINAL" or (order.payment is not None and order.payment.bank_type != "OTHERS")
    return "招商银行信用卡0403" if card else "支付用户零钱"


def _success_at(refund: Refund) -> float:
    """When it succeeded; of one that has not, when it was made, for notices made to measure."""
    return refund.success_at if refund.success_at is not None else refund.created_at
