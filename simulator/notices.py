"""Notifications: what is said of a payment (``Facts``), and how each generation says it (v2.md 12.1, v3.md 15.1).

Pure: facts, keys, times and nonces in; url, headers and body out. Sending is ``courier``'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator import numbers, v2wire, v3wire
from simulator.clock import compact, rfc3339
from simulator.entities import Order
from simulator.keys import Keys
from simulator.merchant import Merchant
from simulator.wire import Seal


@dataclass(frozen=True)
class Facts:
    """One payment, in neutral words. ``payer_total`` is what the user paid after coupons."""

    out_trade_no: str
    transaction_id: str
    appid: str
    mchid: str
    openid: str
    amount: int
    payer_total: int
    paid_at: float
    currency: str = "CNY"
    state: str = "SUCCESS"
    bank_type: str = "OTHERS"
    attach: str = ""


@dataclass(frozen=True)
class Notice:
    """A notification ready to be sent."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Event:
    """What a v3 envelope announces: its event_type, its summary, and the resource with its kind (v3.md 15.1)."""

    type: str
    summary: str
    original_type: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Changes:
    """What ``/_sim/notify`` wants different: fields merged into the message, envelope fields, names left out."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    envelope: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


UNCHANGED = Changes()


def facts_of(order: Order) -> Facts:
    """What there is to say about a paid order; about an unpaid one, what would be said if it were paid now."""
    paid = order.payment
    return Facts(
        out_trade_no=order.out_trade_no,
        transaction_id=paid.transaction_id if paid else numbers.transaction_id(order.created_at),
        appid=order.appid,
        mchid=order.mchid,
        openid=order.openid,
        amount=order.amount_fen,
        payer_total=paid.payer_total if paid else order.amount_fen,
        paid_at=paid.paid_at if paid else order.created_at,
        bank_type=paid.bank_type if paid else "OTHERS",
        attach=order.attach,
    )


def v3_transaction(facts: Facts) -> dict[str, Any]:
    """The transaction object of a paid order (v3.md 11)."""
    transaction: dict[str, Any] = {
        "mchid": facts.mchid,
        "appid": facts.appid,
        "out_trade_no": facts.out_trade_no,
        "transaction_id": facts.transaction_id,
        "trade_type": "JSAPI",
        "trade_state": facts.state,
        "trade_state_desc": "支付成功",
        "bank_type": facts.bank_type,
        "attach": facts.attach,
        "success_time": rfc3339(facts.paid_at),
        "payer": {"openid": facts.openid},
        "amount": {
            "total": facts.amount,
            "payer_total": facts.payer_total,
            "currency": facts.currency,
            "payer_currency": facts.currency,
        },
    }
    if facts.payer_total != facts.amount:
        transaction["promotion_detail"] = [_promotion(facts)]
    return transaction


def _promotion(facts: Facts) -> dict[str, Any]:
    coupon = facts.amount - facts.payer_total
    return {
        "coupon_id": "SIM10000",
        "name": "测试券",
        "scope": "GLOBAL",
        "type": "CASH",
        "amount": coupon,
        "stock_id": "SIM931386",
        "wechatpay_contribute": 0,
        "merchant_contribute": coupon,
        "other_contribute": 0,
        "currency": facts.currency,
    }


def v2_payment(facts: Facts) -> dict[str, str]:
    """The payment fields that a v2 query answer and a v2 notification share (v2.md 6, 12.1)."""
    fields = {
        "openid": facts.openid,
        "is_subscribe": "N",
        "trade_type": "JSAPI",
        "bank_type": facts.bank_type,
        "total_fee": str(facts.amount),
        "fee_type": facts.currency,
        "cash_fee": str(facts.payer_total),
        "cash_fee_type": facts.currency,
        "transaction_id": facts.transaction_id,
        "out_trade_no": facts.out_trade_no,
        "attach": facts.attach,
        "time_end": compact(facts.paid_at),
    }
    coupon = facts.amount - facts.payer_total
    if coupon:
        fields |= {"coupon_fee": str(coupon), "coupon_count": "1"}
        fields |= {"coupon_type_0": "CASH", "coupon_id_0": "SIM10000", "coupon_fee_0": str(coupon)}
    return fields


def v2_notice(
    facts: Facts, key: str, sign_type: str, seal: Seal, name_sign_type: bool, changes: Changes = UNCHANGED
) -> Notice:
    """XML signed with the order's sign type, which is named only for HMAC and only now and then (v2.md 2.3)."""
    fields = {
        "return_code": "SUCCESS",
        "appid": facts.appid,
        "mch_id": facts.mchid,
        "device_info": "",
        "nonce_str": numbers.text(32),
        "result_code": "SUCCESS" if facts.state == "SUCCESS" else "FAIL",
        **v2_payment(facts),
    }
    if name_sign_type:
        fields["sign_type"] = sign_type
    sealed = v2wire.sealed(overlaid(fields, changes), key, sign_type, seal)
    body = v2wire.write_xml(sealed, plain_integers=name_sign_type)
    return Notice({"Content-Type": "text/xml"}, body)


def overlaid(fields: Mapping[str, str], changes: Changes) -> dict[str, str]:
    """v2 fields with the changes laid over them; null removes."""
    laid = {**fields, **{name: str(value) for name, value in changes.extra.items() if value is not None}}
    dropped = {*changes.remove, *(name for name, value in changes.extra.items() if value is None)}
    return {name: value for name, value in laid.items() if name not in dropped}


def v3_notice(
    notice_id: str,
    facts: Facts,
    merchant: Merchant,
    keys: Keys,
    seal: Seal,
    now: tuple[int, float],
    changes: Changes = UNCHANGED,
) -> Notice:
    """The notification of a payment, as ``v3_envelope``."""
    event = Event("TRANSACTION.SUCCESS", "支付成功", "transaction", v3_transaction(facts))
    return v3_envelope(notice_id, event, merchant, keys, seal, now, changes)


def v3_envelope(
    notice_id: str,
    event: Event,
    merchant: Merchant,
    keys: Keys,
    seal: Seal,
    now: tuple[int, float],
    changes: Changes = UNCHANGED,
) -> Notice:
    """The signed envelope with its encrypted resource; ``now`` is the wire's and the virtual time.

    ``seal.key`` names the signing key; ``other_merchant`` encrypts for somebody else's APIv3 key.
    """
    content = _without(_merged(event.content, changes.extra), changes.remove)
    api_key = numbers.text(32) if seal.key == "other_merchant" else merchant.v3_api_key
    plaintext = v3wire.dump_json(content)
    envelope: dict[str, Any] = {
        "id": notice_id,
        "create_time": rfc3339(now[1]),
        "resource_type": "encrypt-resource",
        "event_type": event.type,
        "summary": event.summary,
        "resource": v3wire.resource(api_key, event.original_type, numbers.text(12), plaintext),
    }
    body = v3wire.dump_json(_merged(envelope, changes.envelope))
    key, serial = keys.for_notice(seal.key)
    key = keys.stranger if seal.kind == "forged" else key
    headers = v3wire.signature_headers(key, serial, now[0], numbers.text(32), body, seal)
    return Notice({"Content-Type": "application/json", **headers}, body)


def _merged(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``extra`` laid over it, objects member by member; null removes."""
    result = json.loads(json.dumps(base))
    for name, value in extra.items():
        if isinstance(value, Mapping) and isinstance(result.get(name), dict):
            result[name] = _merged(result[name], value)
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return dict(result)


def _without(base: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in base.items() if name not in names}
