"""wx.requestPayment: checks what the phone was handed, as WeChat's client does, shows what is to be paid, then lets the
money move or not.

(mini-program.md 2, v2.md 5, v3.md 10.) The paySign is checked by the scheme of the order that the prepay_id names.
It must not know HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from simulator import explain_v2, explain_v3, v2wire, wishes
from simulator.entities import NOTPAY, SUCCESS, Order, Paying
from simulator.primitives import Forged, rsa_verify
from simulator.trade import Kind, Refusal
from simulator.v2 import candidate_keys
from simulator.wire import Diagnosis
from simulator.world import World

OUTCOMES = ("ok", "cancel", "fail", "lost", "paying")
_THEN = {"ok": SUCCESS, "cancel": NOTPAY}
_REQUIRED = ("timeStamp", "nonceStr", "package", "paySign")
_OPTIONAL = ("appId", "signType", "outcome", "coupon_fen", "seconds", "then")
_TEXTS = {
    Kind.PAID: "该订单已支付",
    Kind.CLOSED: "该订单已关闭",
    Kind.PAYING: "该订单正在支付中",
    Kind.UNKNOWN: "支付场景非法，预支付订单不存在",
    Kind.PREPAY_EXPIRED: "预支付订单已过期，请重新下单",
    Kind.ORDER_EXPIRED: "订单已过有效期",
}
_PAYING_SECONDS = 10
_BAD_SIGN = "支付验证签名失败"


@dataclass(frozen=True)
class Outcome:
    """What wx.requestPayment calls back with. ``lost``: the money moved, but no callback ever comes."""

    err_msg: str
    lost: bool = False
    diagnosis: Diagnosis | None = None


class PayRefused(Exception):
    """``requestPayment:fail`` and this text."""

    def __init__(self, text: str, diagnosis: Diagnosis | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.diagnosis = diagnosis


def pay(world: World, given: Mapping[str, object]) -> Outcome:
    """One tap on "pay": parameters, prepay_id, order, signature, then the outcome that was asked for."""
    shown = show(world, given)
    if isinstance(shown, Outcome):
        return shown
    try:
        return _settle(world, shown, given)
    except PayRefused as refused:
        return Outcome(f"requestPayment:fail {refused.text}")


def show(world: World, given: Mapping[str, object]) -> Order | Outcome:
    """What the sheet is to show, before anything is typed; or why there will be none."""
    try:
        fields = _parameters(given)
        order = _order(world, fields["package"])
        _check_signature(world, order, fields)
        return order
    except PayRefused as refused:
        return Outcome(f"requestPayment:fail {refused.text}", diagnosis=refused.diagnosis)


def _parameters(given: Mapping[str, object]) -> dict[str, str]:
    """The texts that were handed to the client; ``signType`` is MD5 when it is left out."""
    fields: dict[str, str] = {}
    for name in (*_REQUIRED, "appId", "signType"):
        value = given.get(name, "" if name in _REQUIRED else None)
        if value is None and name not in _REQUIRED:
            continue
        if not isinstance(value, str):
            raise PayRefused(f"parameter error: parameter.{name} should be String instead of {_kind(value)};")
        if not value:
            raise PayRefused(f"parameter error: parameter.{name} is missing;")
        fields[name] = value
    unknown = sorted(ascii(name) for name in given if name not in (*_REQUIRED, *_OPTIONAL))
    if unknown:
        raise PayRefused(f"parameter error: unknown parameter {unknown[0]};")
    if given.get("outcome", "ok") not in OUTCOMES:
        raise PayRefused(f"parameter error: outcome must be one of {', '.join(OUTCOMES)};")
    return {"signType": "MD5", **fields}


def _kind(value: object) -> str:
    names = {bool: "Boolean", int: "Number", float: "Number", list: "Array", dict: "Object"}
    return names.get(type(value), "Null")


def _order(world: World, package: str) -> Order:
    prepay_id = package.removeprefix("prepay_id=")
    if prepay_id == package and prepay_id in world.ledger.by_prepay_id:
        raise PayRefused(_BAD_SIGN, Diagnosis("package must be prepay_id= and the prepay_id", ""))
    try:
        return world.trade.payable(prepay_id)
    except Refusal as refused:
        raise PayRefused(_TEXTS[refused.kind]) from refused


def _check_signature(world: World, order: Order, fields: Mapping[str, str]) -> None:
    appid = fields.get("appId", world.merchant.appid)
    if appid != world.merchant.appid:
        raise PayRefused(_BAD_SIGN, Diagnosis("appId is not the mini program's", ""))
    if fields["signType"] != order.scheme:
        cause = f"signType is {fields['signType']}, but the order was made with {order.scheme}"
        raise PayRefused(_BAD_SIGN, Diagnosis(cause, ""))
    verify = _verify_v3 if order.scheme == "RSA" else _verify_v2
    verify(world, {**fields, "appId": appid})
    _check_form(fields)


def _check_form(fields: Mapping[str, str]) -> None:
    """Well signed, but not in the form of v2.md 5: seconds as ten digits, a nonce of at most 32."""
    if not re.fullmatch(r"[0-9]{10}", fields["timeStamp"]):
        milliseconds = re.fullmatch(r"[0-9]{13}", fields["timeStamp"])
        cause = (
            "timeStamp is in milliseconds: it must be in seconds" if milliseconds else "timeStamp must be ten digits"
        )
        raise PayRefused(_BAD_SIGN, Diagnosis(cause, ""))
    if not re.fullmatch(r"[!-~]{1,32}", fields["nonceStr"]):
        raise PayRefused(_BAD_SIGN, Diagnosis("nonceStr must be 1 to 32 ASCII characters", ""))


def _verify_v2(world: World, fields: Mapping[str, str]) -> None:
    signed = {name: fields[name] for name in ("appId", "nonceStr", "package", "signType", "timeStamp")}
    sign_type = fields["signType"]
    try:
        v2wire.verify({**signed, "sign": fields["paySign"]}, world.merchant.v2_api_key, sign_type)
    except Forged as forged:
        diagnosis = explain_v2.explain(signed, candidate_keys(world), sign_type, fields["paySign"])
        raise PayRefused(_BAD_SIGN, diagnosis) from forged


def _verify_v3(world: World, fields: Mapping[str, str]) -> None:
    signed = explain_v3.PayRequest(fields["appId"], fields["timeStamp"], fields["nonceStr"], fields["package"])
    try:
        rsa_verify(world.merchant.verifying_key, signed.text(), fields["paySign"])
    except Forged as forged:
        diagnosis = explain_v3.explain_pay(world.merchant.verifying_key, signed, fields["paySign"])
        raise PayRefused(_BAD_SIGN, diagnosis) from forged


def _settle(world: World, order: Order, given: Mapping[str, object]) -> Outcome:
    outcome, coupon_fen = given.get("outcome", "ok"), given.get("coupon_fen", 0)
    if outcome == "cancel":
        return Outcome("requestPayment:fail cancel")
    if outcome == "fail":
        world.trade.fail_payment(order)
        return Outcome("requestPayment:fail 支付失败，请更换支付方式")
    if type(coupon_fen) is not int or not 0 <= coupon_fen < order.amount_fen:
        raise PayRefused("parameter error: coupon_fen must be 0 or more and less than the amount;")
    if outcome == "paying":
        world.trade.pay_later(order, _paying(world, given, coupon_fen))
        return Outcome("requestPayment:fail 支付处理中，请稍后查询支付结果")
    world.trade.pay(order, coupon_fen)
    return Outcome("requestPayment:ok", lost=outcome == "lost")


def _paying(world: World, given: Mapping[str, object], coupon_fen: int) -> Paying:
    """The password is entered, the bank has not answered."""
    then = given.get("then", "ok")
    try:
        seconds = wishes.seconds(given, "seconds", _PAYING_SECONDS)
    except wishes.WishRefused as refused:
        raise PayRefused(f"parameter error: {refused};") from refused
    if then not in _THEN:
        raise PayRefused(f"parameter error: then must be one of {', '.join(_THEN)};")
    return Paying(world.clock.now() + seconds, _THEN[str(then)], coupon_fen)
