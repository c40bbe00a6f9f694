"""Shipping information as api.weixin.qq.com answers it: upload, order, is_trade_managed (mini-program.md 4).

Field tables and answers; what may be shipped is ``shipments``' business. It must not know HTTP servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from simulator import miniprogram, rules
from simulator.entities import Order, Shipment
from simulator.miniprogram import ApiRefused, answer, body_of
from simulator.shipments import MOST_PARCELS, SPLIT, UNIFIED, Upload
from simulator.v3fields import Array, Bool, Int, Object, Text
from simulator.wire import Message, Reply
from simulator.world import World

_EXPRESS = 1
_BY_NUMBER, _BY_TRANSACTION = 1, 2
_MILLISECONDS = re.compile(r"[^.]{19}\.\d{3}[Z+-].*", re.ASCII)
_MASKED = re.compile(r"[0-9-]*\*[0-9*-]*", re.ASCII)


def _described(value: str) -> str | None:
    return "不能超过120个字符" if len(value) > 120 else None


def _upload_time(value: str) -> str | None:
    return rules.rfc3339_problem(value) or (None if _MILLISECONDS.fullmatch(value) else "必须精确到毫秒")


def _contact(value: str) -> str | None:
    clear = value.replace("-", "")[-4:]
    masked = _MASKED.fullmatch(value) and len(clear) == 4 and clear.isdigit()
    return None if masked else "必须打掩码，且最后4位数字不打掩码"


_CONTACT = Object({"consignor_contact": Text(1024, rule=_contact), "receiver_contact": Text(1024, rule=_contact)})
_PARCEL = Object(
    {
        "tracking_no": Text(128),
        "express_company": Text(128),
        "item_desc": Text(480, required=True, rule=_described),
        "contact": _CONTACT,
    }
)
UPLOAD = Object(
    {
        "order_key": Object(
            {
                "order_number_type": Int(required=True, least=_BY_NUMBER, most=_BY_TRANSACTION),
                "transaction_id": Text(32),
                "mchid": Text(32),
                "out_trade_no": Text(32),
            },
            required=True,
        ),
        "logistics_type": Int(required=True, least=1, most=4),
        "delivery_mode": Int(required=True, least=UNIFIED, most=SPLIT),
        "is_all_delivered": Bool(),
        "shipping_list": Array(_PARCEL, required=True, most=MOST_PARCELS),
        "upload_time": Text(64, required=True, rule=_upload_time),
        "payer": Object({"openid": Text(128, required=True)}, required=True),
    }
)
ORDER = Object({"transaction_id": Text(32), "merchant_id": Text(32), "merchant_trade_no": Text(32)})
MANAGED = Object({"appid": Text(32, required=True)})

Operation = Callable[[World, Message], dict[str, Any]]


def serve(world: World, message: Message, operation: Operation) -> Reply:
    """One call: the token first, then the body, then the business."""
    try:
        world.tokens.check(message)
    except ApiRefused as refused:
        return miniprogram.refusal(refused.errcode, verdict="bad")
    try:
        return answer({"errcode": 0, "errmsg": "ok", **operation(world, message)}, "ok")
    except ApiRefused as refused:
        return miniprogram.refusal(refused.errcode, refused.hint, "ok")


def upload(world: World, message: Message) -> dict[str, Any]:
    """POST /wxa/sec/order/upload_shipping_info."""
    body = body_of(message, UPLOAD)
    _check_parcels(body)
    world.shipments.upload(_keyed(world, body["order_key"]), _upload(body))
    return {}


def order(world: World, message: Message) -> dict[str, Any]:
    """POST /wxa/sec/order/get_order. Without a shipment the order has no ``shipping``."""
    body = body_of(message, ORDER)
    if "transaction_id" not in body:
        _need(body, "", "merchant_id", "merchant_trade_no")
    found = world.shipments.order_of(
        body.get("transaction_id", ""), body.get("merchant_id", ""), body.get("merchant_trade_no", "")
    )
    return {"order": _shown(world, found)}


def managed(world: World, message: Message) -> dict[str, Any]:
    """POST /wxa/sec/order/is_trade_managed."""
    if body_of(message, MANAGED)["appid"] != world.merchant.appid:
        raise ApiRefused(40013)
    return {"is_trade_managed": world.shipments.terms.managed}


def _keyed(world: World, key: dict[str, Any]) -> Order:
    if key["order_number_type"] == _BY_TRANSACTION:
        _need(key, "/order_key", "transaction_id")
        return world.shipments.order_of(key["transaction_id"])
    _need(key, "/order_key", "mchid", "out_trade_no")
    return world.shipments.order_of("", key["mchid"], key["out_trade_no"])


def _need(value: dict[str, Any], pointer: str, *names: str) -> None:
    for name in names:
        if name not in value:
            raise ApiRefused(47001, f"{pointer}/{name}: 缺少必填字段")


def _check_parcels(body: dict[str, Any]) -> None:
    """What one field asks of another: number and company by express, a contact with SF, one parcel if unified."""
    if body["delivery_mode"] == SPLIT:
        _need(body, "", "is_all_delivered")
    elif len(body["shipping_list"]) > 1:
        raise ApiRefused(47001, "/shipping_list: 统一发货只能有一个包裹")
    for index, parcel in enumerate(body["shipping_list"]):
        pointer = f"/shipping_list/{index}"
        if body["logistics_type"] == _EXPRESS:
            _need(parcel, pointer, "tracking_no", "express_company")
        if parcel.get("express_company") == "SF" and not parcel.get("contact"):
            raise ApiRefused(47001, f"{pointer}/contact: 顺丰必须填寄件人或收件人联系方式")


def _upload(body: dict[str, Any]) -> Upload:
    return Upload(
        openid=body["payer"]["openid"],
        logistics_type=body["logistics_type"],
        delivery_mode=body["delivery_mode"],
        parcels=body["shipping_list"],
        last=body["delivery_mode"] == UNIFIED or body["is_all_delivered"],
        upload_time=rules.parse_rfc3339(body["upload_time"]),
    )


def _shown(world: World, found: Order) -> dict[str, Any]:
    payment, shipment = found.payment, world.shipments.shipment(found)
    shown = {
        "transaction_id": payment.transaction_id if payment else "",
        "merchant_id": found.mchid,
        "merchant_trade_no": found.out_trade_no,
        "description": found.description,
        "paid_amount": found.amount_fen,
        "openid": found.openid,
        "trade_create_time": int(found.created_at),
        "pay_time": int(payment.paid_at) if payment else 0,
        "order_state": int(world.shipments.state(found)),
        "in_complaint": False,
    }
    return shown | ({"shipping": _shipping(shipment)} if shipment else {})


def _shipping(shipment: Shipment) -> dict[str, Any]:
    at = int(shipment.upload_time)
    parcels = [
        {"goods_desc": parcel["item_desc"], "upload_time": at, **{n: v for n, v in parcel.items() if n != "item_desc"}}
        for parcel in shipment.parcels
    ]
    return {
        "delivery_mode": shipment.delivery_mode,
        "logistics_type": shipment.logistics_type,
        "finish_shipping": shipment.finished > 0,
        "finish_shipping_count": shipment.finished,
        "goods_desc": "、".join(parcel["item_desc"] for parcel in shipment.parcels),
        "shipping_list": parcels,
    }
