"""The field tables of API v3 (v3.md 9, 12, 13) and their check. Pure; it must not know orders or signatures.

A table is built of ``Text``, ``Int``, ``Bool``, ``Object`` and ``Array``. Places are JSON pointers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator import rules


class FieldRefused(Exception):
    """A body field breaks its rule: its pointer, what is wrong with it (Chinese), and the value that was found."""

    def __init__(self, pointer: str, issue: str, value: object) -> None:
        super().__init__(f"{pointer}: {issue}")
        self.pointer = pointer
        self.issue = issue
        self.value = value


@dataclass(frozen=True, slots=True)
class Text:
    most: int
    required: bool = False
    rule: Callable[[str], str | None] | None = None

    def check(self, value: object, pointer: str) -> None:
        if not isinstance(value, str):
            raise FieldRefused(pointer, "类型必须是字符串", _kind(value))
        problem = rules.text_problem(value, self.most) or (self.rule(value) if self.rule else None)
        if problem:
            raise FieldRefused(pointer, f"字符串规则校验失败，{problem}", len(value.encode("utf-8", "replace")))


@dataclass(frozen=True, slots=True)
class Int:
    required: bool = False
    least: int = 0
    most: int = 10**10 - 1

    def check(self, value: object, pointer: str) -> None:
        if type(value) is not int:
            raise FieldRefused(pointer, "类型必须是整数", _kind(value))
        if not self.least <= value <= self.most:
            raise FieldRefused(pointer, f"数值规则校验失败，必须在 {self.least} 与 {self.most} 之间", str(value)[:40])


@dataclass(frozen=True, slots=True)
class Bool:
    required: bool = False

    def check(self, value: object, pointer: str) -> None:
        if not isinstance(value, bool):
            raise FieldRefused(pointer, "类型必须是布尔", _kind(value))


@dataclass(frozen=True, slots=True)
class Array:
    item: Rule
    required: bool = False
    most: int = 6000

    def check(self, value: object, pointer: str) -> None:
        if not isinstance(value, list):
            raise FieldRefused(pointer, "类型必须是数组", _kind(value))
        if not 1 <= len(value) <= self.most:
            raise FieldRefused(pointer, "数组长度不符合要求", len(value))
        for index, item in enumerate(value):
            self.item.check(item, f"{pointer}/{index}")


@dataclass(frozen=True, slots=True)
class Object:
    fields: Mapping[str, Rule]
    required: bool = False

    def check(self, value: object, pointer: str = "") -> None:
        if not isinstance(value, dict):
            raise FieldRefused(pointer, "类型必须是对象", _kind(value))
        for name, rule in self.fields.items():
            if rule.required and name not in value:
                raise FieldRefused(f"{pointer}/{name}", "缺少必填字段", None)
        for name, item in value.items():
            if name not in self.fields:
                raise FieldRefused(f"{pointer}/{ascii(name)[1:-1]}", "未定义的字段", _kind(item))
            self.fields[name].check(item, f"{pointer}/{name}")


Rule = Text | Int | Bool | Array | Object


def _kind(value: object) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _one_of(*allowed: str) -> Callable[[str], str | None]:
    return lambda value: None if value in allowed else f"只能是{'、'.join(allowed)}"


def _notify_url(value: str) -> str | None:
    return rules.notify_url_problem(value, https_only=True)


_GOODS = Object(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "quantity": Int(required=True, least=1),
        "unit_price": Int(required=True),
    }
)
_STORE = Object({"id": Text(32, required=True), "name": Text(256), "area_code": Text(32), "address": Text(512)})

JSAPI = Object(
    {
        "appid": Text(32, required=True),
        "mchid": Text(32, required=True),
        "description": Text(127, required=True),
        "out_trade_no": Text(32, required=True, rule=rules.order_number_problem),
        "time_expire": Text(64, rule=rules.rfc3339_problem),
        "attach": Text(128),
        "notify_url": Text(255, required=True, rule=_notify_url),
        "goods_tag": Text(32),
        "support_fapiao": Bool(),
        "limit_pay": Array(Text(32, rule=_one_of("no_balance", "no_credit", "no_debit", "balance_only")), most=5),
        "amount": Object(
            {"total": Int(required=True, least=1), "currency": Text(16, rule=_one_of("CNY"))}, required=True
        ),
        "payer": Object({"openid": Text(128, required=True)}, required=True),
        "detail": Object({"cost_price": Int(), "invoice_id": Text(32), "goods_detail": Array(_GOODS)}),
        "scene_info": Object(
            {
                "payer_client_ip": Text(45, required=True, rule=rules.address_problem),
                "device_id": Text(32),
                "store_info": _STORE,
            }
        ),
        "settle_info": Object({"profit_sharing": Bool()}),
    }
)

CLOSE = Object({"mchid": Text(32, required=True)})

_REFUNDED_GOODS = Object(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "unit_price": Int(required=True),
        "refund_amount": Int(required=True),
        "refund_quantity": Int(required=True, least=1),
    }
)
_FUNDED_FROM = Object(
    {
        "account": Text(32, required=True, rule=_one_of("AVAILABLE", "UNAVAILABLE")),
        "amount": Int(required=True, least=1),
    }
)

REFUND = Object(
    {
        "transaction_id": Text(32),
        "out_trade_no": Text(32, rule=rules.order_number_problem),
        "out_refund_no": Text(64, required=True, rule=rules.refund_number_problem),
        "reason": Text(80),
        "notify_url": Text(256, rule=_notify_url),
        "funds_account": Text(32, rule=_one_of("AVAILABLE", "UNSETTLED")),
        "amount": Object(
            {
                "refund": Int(required=True, least=1),
                "total": Int(required=True, least=1),
                "currency": Text(16, required=True, rule=_one_of("CNY")),
                "from": Array(_FUNDED_FROM, most=2),
            },
            required=True,
        ),
        "goods_detail": Array(_REFUNDED_GOODS),
    }
)

_BANKS = (
    "CMB", "COMM", "ABC", "CCB", "ICBC", "BOC", "PAB", "SPDB", "CITIC", "CEB", "CMBC", "CIB", "GDB", "PSBC", "NBCB",
)  # fmt: skip

ABNORMAL_REFUND = Object(
    {
        "out_refund_no": Text(64, required=True, rule=rules.refund_number_problem),
        "type": Text(32, required=True, rule=_one_of("USER_BANK_CARD", "MERCHANT_BANK_CARD")),
        "bank_type": Text(16, rule=_one_of(*(f"{bank}_DEBIT" for bank in _BANKS))),
        "bank_account": Text(1024),
        "real_name": Text(1024),
    }
)
