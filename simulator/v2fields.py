"""The field tables of API v2 (v2.md 3, 4, 6 to 11) and their check. Pure; it must not know orders or signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator import rules, v3wire
from simulator.clock import from_compact

Rule = Callable[[str], str | None]


class FieldRefused(Exception):
    """A request field breaks its rule. ``code`` is LACK_PARAMS or PARAM_ERROR, ``text`` WeChat's err_code_des."""

    def __init__(self, code: str, text: str, name: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.name = name


@dataclass(frozen=True, slots=True)
class Field:
    most: int
    required: bool = False
    rule: Rule | None = None


def _one_of(*allowed: str) -> Rule:
    return lambda value: None if value in allowed else f"只能是{'、'.join(allowed)}"


def _amount(value: str) -> str | None:
    well = value.isascii() and value.isdigit() and value[0] != "0" and len(value) <= 10
    return None if well else "必须是大于0的整数，单位为分"


def _count(value: str) -> str | None:
    return None if value.isascii() and value.isdigit() else "必须是大于等于0的整数"


def _moment(value: str) -> str | None:
    try:
        from_compact(value)
    except ValueError:
        return "格式必须是yyyyMMddHHmmss"
    return None


def _day(value: str) -> str | None:
    return "格式必须是yyyyMMdd" if len(value) != 8 or _moment(f"{value}000000") else None


def _json_object(value: str) -> str | None:
    try:
        well = isinstance(v3wire.load_json(value.encode("utf-8", "surrogatepass")), dict)
    except v3wire.JsonRefused:
        well = False
    return None if well else "必须是JSON对象"


def _notify_url(value: str) -> str | None:
    return rules.notify_url_problem(value, https_only=False)


_COMMON = {
    "appid": Field(32, required=True),
    "mch_id": Field(32, required=True),
    "nonce_str": Field(32, required=True),
    "sign": Field(64, required=True),
    "sign_type": Field(32, rule=_one_of("MD5", "HMAC-SHA256")),
}

UNIFIED_ORDER = _COMMON | {
    "device_info": Field(32),
    "body": Field(127, required=True),
    "detail": Field(6000, rule=_json_object),
    "attach": Field(127),
    "out_trade_no": Field(32, required=True, rule=rules.order_number_problem),
    "fee_type": Field(16, rule=_one_of("CNY")),
    "total_fee": Field(10, required=True, rule=_amount),
    "spbill_create_ip": Field(64, required=True, rule=rules.address_problem),
    "time_start": Field(14, rule=_moment),
    "time_expire": Field(14, rule=_moment),
    "goods_tag": Field(32),
    "notify_url": Field(256, required=True, rule=_notify_url),
    "trade_type": Field(16, required=True, rule=_one_of("JSAPI")),
    "product_id": Field(32),
    "limit_pay": Field(32, rule=_one_of("no_credit")),
    "openid": Field(128, required=True),
    "receipt": Field(8, rule=_one_of("Y")),
    "profit_sharing": Field(16, rule=_one_of("Y", "N")),
    "scene_info": Field(256, rule=_json_object),
    "version": Field(32, rule=_one_of("1.0")),
}

ORDER_QUERY = _COMMON | {
    "transaction_id": Field(32),
    "out_trade_no": Field(32, rule=rules.order_number_problem),
}

CLOSE_ORDER = _COMMON | {"out_trade_no": Field(32, required=True, rule=rules.order_number_problem)}

REFUND = _COMMON | {
    "device_info": Field(32),
    "transaction_id": Field(32),
    "out_trade_no": Field(32, rule=rules.order_number_problem),
    "out_refund_no": Field(64, required=True, rule=rules.refund_number_problem),
    "total_fee": Field(10, required=True, rule=_amount),
    "refund_fee": Field(10, required=True, rule=_amount),
    "refund_fee_type": Field(8, rule=_one_of("CNY")),
    "refund_desc": Field(80),
    "refund_account": Field(30, rule=_one_of("REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS")),
    "notify_url": Field(256, rule=_notify_url),
    "op_user_id": Field(32),
}

REFUND_QUERY = _COMMON | {
    "device_info": Field(32),
    "transaction_id": Field(32),
    "out_trade_no": Field(32, rule=rules.order_number_problem),
    "out_refund_no": Field(64, rule=rules.refund_number_problem),
    "refund_id": Field(32),
    "offset": Field(10, rule=_count),
}

DOWNLOAD_BILL = _COMMON | {
    "device_info": Field(32),
    "bill_date": Field(8, required=True, rule=_day),
    "bill_type": Field(15, rule=_one_of("ALL", "SUCCESS", "REFUND", "RECHARGE_REFUND")),
    "tar_type": Field(8, rule=_one_of("GZIP")),
}

DOWNLOAD_FUND_FLOW = _COMMON | {
    "sign_type": Field(32, required=True, rule=_one_of("HMAC-SHA256")),
    "bill_date": Field(8, required=True, rule=_day),
    "account_type": Field(32, required=True, rule=_one_of("Basic", "Operation", "Fees")),
    "tar_type": Field(8, rule=_one_of("GZIP")),
}


def check(fields: Mapping[str, str], table: Mapping[str, Field]) -> None:
    """Raise ``FieldRefused`` for the first missing, unknown or ill-formed field."""
    for name, field in table.items():
        if field.required and not fields.get(name):
            raise FieldRefused("LACK_PARAMS", f"缺少参数{name}", name)
    for name, value in fields.items():
        if name not in table:
            raise FieldRefused("PARAM_ERROR", f"参数{name}未定义", name)
        problem = _problem(value, table[name]) if value else None
        if problem:
            raise FieldRefused("PARAM_ERROR", f"参数{name}格式错误：{problem}", name)


def _problem(value: str, field: Field) -> str | None:
    return rules.text_problem(value, field.most) or (field.rule(value) if field.rule else None)
