"""What each refusal is to a client: HTTP status, and words in English and Chinese that say what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    status: int
    en: str
    zh: str


WORDS = {
    # the request itself
    "malformed_json": Words(400, "The body is not valid JSON: {reason}", "请求体不是有效的 JSON：{reason}"),
    "invalid_field": Words(400, "{field}: {reason}", "{field}：{reason}"),
    "body_too_large": Words(413, "The body may have at most {limit} bytes", "请求体不得超过 {limit} 字节"),
    "unsupported_media_type": Words(
        415, "Send Content-Type: application/json", "请使用 Content-Type: application/json"
    ),
    "not_found": Words(404, "There is nothing at this address", "此地址不存在"),
    "method_not_allowed": Words(405, "This address does not know that method", "此地址不支持该方法"),
    "bad_request": Words(400, "The request cannot be understood", "无法理解该请求"),
    # who asks
    "token_missing": Words(
        401, "Log in first, and send Authorization: Bearer <token>", "请先登录，并携带 Authorization: Bearer <token>"
    ),
    "token_invalid": Words(401, "This token is not known here; log in again", "登录凭证无效，请重新登录"),
    "token_expired": Words(401, "This token has expired; log in again", "登录已过期，请重新登录"),
    "code_refused": Words(
        401, "WeChat refused the login code; call wx.login again", "登录 code 无效或已使用，请重新调用 wx.login"
    ),
    # orders
    "order_not_found": Words(404, "You have no such order", "订单不存在"),
    "product_unknown": Words(422, "{field}: no such product is for sale", "{field}：该商品不存在或已下架"),
    "amount_too_large": Words(422, "The order's total is too large", "订单总金额过大"),
    "idempotency_key_reused": Words(
        409, "This Idempotency-Key was used with another body", "该 Idempotency-Key 已用于不同的请求内容"
    ),
    "orders_too_many": Words(
        409,
        "You have {limit} unpaid, as many as may wait; pay or cancel one of them first",
        "您已有 {limit} 个待支付订单，请先支付或取消其中一个",
    ),
    "order_paid": Words(409, "The order is paid already", "订单已支付"),
    "order_closed": Words(409, "The order is closed; make a new one", "订单已关闭，请重新下单"),
    "order_closing": Words(409, "The order is being closed; make a new one", "订单正在关闭，请重新下单"),
    "payment_disputed": Words(
        409,
        "A payment of this order does not fit it; the shop must look at it",
        "该订单有一笔支付与订单不符，请联系商家",
    ),
    "order_expired": Words(409, "The order was not paid in time; make a new one", "订单已过期，请重新下单"),
    # refunds, by the merchant's own systems
    "merchant_key_wrong": Words(
        401, "Send Authorization: Bearer <MERCHANT_API_KEY>", "请携带 Authorization: Bearer <MERCHANT_API_KEY>"
    ),
    "merchant_api_closed": Words(
        403,
        "No MERCHANT_API_KEY is set on the server; this API is closed",
        "服务器未设置 MERCHANT_API_KEY，该接口未开放",
    ),
    "refund_not_found": Words(404, "The order has no such refund", "退款单不存在"),
    "order_not_paid": Words(409, "The order has not been paid", "订单尚未支付"),
    "discrepancy_not_found": Words(404, "There is no such discrepancy", "该差异记录不存在"),
    "discrepancy_resolved": Words(409, "The discrepancy is resolved already", "该差异记录已处理"),
    "refund_not_abnormal": Words(
        409, "Only a refund that is abnormal is to be resolved", "仅状态为 abnormal 的退款需要处理"
    ),
    "only_on_merchant_platform": Words(
        409,
        "WeChat's API of this payment has no such call; do it on the merchant platform",
        "该笔支付所用的微信接口不支持此操作，请在商户平台处理",
    ),
    "refund_exceeds_payment": Words(409, "More than what is left of the payment", "退款金额超过可退余额"),
    "refund_no_reused": Words(
        409, "This refund_no was used with another amount or reason", "该 refund_no 已用于不同的退款"
    ),
    "refund_too_late": Words(409, "WeChat refunds within a year of the payment", "支付已超过一年，微信不再支持退款"),
    "day_invalid": Words(400, "{field}: write a day as YYYY-MM-DD", "{field}：日期格式应为 YYYY-MM-DD"),
    "bill_being_read": Words(409, "The bill of that day is being read", "该日账单正在对账"),
    "bill_not_ready": Words(503, "WeChat has not made the bill of that day yet", "微信尚未生成该日账单"),
    "bill_empty": Words(404, "There was no trade on {day}, so there is no bill", "{day} 无交易，没有账单"),
    "bill_kind_not_configured": Words(
        409,
        "API v2 gives the fund flow to a client certificate alone: set WECHAT_V2_CERT_FILE and WECHAT_V2_KEY_FILE",
        "v2 资金账单需要双向证书，请设置 WECHAT_V2_CERT_FILE 与 WECHAT_V2_KEY_FILE",
    ),
    "file_unwritable": Words(409, "{file} cannot be written", "无法写入 {file}"),
    "refunds_too_many": Words(409, "WeChat allows 50 refunds of one payment", "单笔支付最多可退款 50 次"),
    # shipping, by the merchant's own systems
    "shipment_not_found": Words(404, "The order was not reported as shipped", "该订单尚未上报发货"),
    "express_incomplete": Words(422, "{field}: express needs it", "{field}：快递发货须填写"),
    "express_only": Words(
        422,
        "{field}: tracking_no, express_company and receiver_contact go with express alone",
        "{field}：仅快递发货可填写 tracking_no、express_company、receiver_contact",
    ),
    "order_refunded": Words(409, "The order's money was given back whole", "订单已全额退款"),
    "shipment_under_way": Words(
        409,
        "Another report of this order is under way; wait until it is uploaded or refused",
        "该订单有发货信息正在上报，请等待其完成",
    ),
    "shipment_corrected": Words(
        409, "WeChat allows one correction, and it was made", "微信仅允许更正一次发货信息，已用完"
    ),
    "token_being_fetched": Words(
        503, "WeChat's access token is being fetched; try again shortly", "正在获取微信访问凭证，请稍后重试"
    ),
    # the operations console
    "sign_in_refused": Words(401, "Name, password or code is wrong", "用户名、密码或动态验证码有误"),
    "sign_in_locked": Words(429, "Too many tries; wait {minutes} min", "尝试次数过多，请等待 {minutes} 分钟"),
    "phone_code_refused": Words(
        403,
        "The code is missing, wrong or used already; give the next one that your phone shows",
        "动态验证码缺失、有误或已使用，请输入手机上显示的下一个验证码",
    ),
    "signed_out": Words(401, "Sign in again", "请重新登录"),
    "role_missing": Words(403, "Your role does not allow this", "您的角色无权进行此操作"),
    "form_outdated": Words(
        403, "This form has expired or came from elsewhere; load the page again", "表单已失效或来源不明，请重新加载页面"
    ),
    "approval_not_found": Words(404, "There is no such request", "该申请不存在"),
    "approval_decided": Words(409, "The request was decided already", "该申请已处理"),
    "approval_own": Words(403, "Another person must decide on your request", "您的申请须由他人审批"),
    "operator_not_found": Words(404, "There is no such operator", "该操作员不存在"),
    "operator_exists": Words(409, "There is an operator of that name already", "该操作员已存在"),
    "operator_yourself": Words(409, "Another admin must do this to you", "不能对自己进行此操作，请由其他管理员处理"),
    "operator_name_invalid": Words(
        400,
        "A name has 2 to 20 of a-z, 0-9, dot, dash and underline, and is not terminal",
        "用户名须为 2 至 20 个字符：小写字母、数字、点、横线、下划线，且不得为 terminal",
    ),
    "role_unknown": Words(
        400, "A role is viewer, operator, approver or admin", "角色须为 viewer、operator、approver 或 admin"
    ),
    "only_simulated": Words(
        403, "Only with the simulator: a real phone shows it", "仅限模拟器模式，正式环境请查看手机"
    ),
    # what is not in the client's hands
    "busy": Words(503, "Too busy at the moment; try again shortly", "系统繁忙，请稍后重试"),
    "too_many_requests": Words(
        429, "Too many requests; try again in {seconds} s", "请求过于频繁，请在 {seconds} 秒后重试"
    ),
    "starting": Words(503, "The shop is just starting; try again shortly", "服务正在启动，请稍后重试"),
    "database_unavailable": Words(
        503, "The shop cannot answer at the moment; try again shortly", "服务暂不可用，请稍后重试"
    ),
    "login_unreachable": Words(
        503, "WeChat's login does not answer; try again shortly", "微信登录暂无响应，请稍后重试"
    ),
    "gateway_unreachable": Words(
        503, "WeChat Pay cannot be reached; try again shortly", "暂时无法连接微信支付，请稍后重试"
    ),
    "gateway_uncertain": Words(
        503, "WeChat Pay's answer is not certain yet; try again shortly", "支付结果确认中，请稍后重试"
    ),
    "gateway_busy": Words(503, "WeChat Pay asks to slow down; try again shortly", "微信支付请求过于频繁，请稍后重试"),
    "gateway_refused": Words(
        502,
        "WeChat Pay refused the request ({provider_code}); the shop must look at it",
        "微信支付拒绝了请求（{provider_code}），请联系商家",
    ),
    "login_not_configured": Words(
        502,
        "WeChat refused this shop's appid or secret ({provider_code})",
        "小程序 appid 或密钥配置有误（{provider_code}），请联系商家",
    ),
    "generation_not_configured": Words(
        502,
        "The order was begun through {adapter}, which is not configured any more",
        "该订单由 {adapter} 发起，但其配置已被移除，请联系商家",
    ),
    "amount_contradicts_items": Words(
        502, "The order's amount contradicts its items; the shop must look at it", "订单金额异常，请联系商家"
    ),
    "internal_error": Words(
        500, "Something went wrong here; tell the shop the request id", "服务器内部错误，请将请求编号告知商家"
    ),
}


# Why a body or a field was refused: pydantic's error types (with the limits it names), and our own.
REASONS = {
    "missing": ("is missing", "缺少该字段"),
    "extra_forbidden": ("unknown field", "未知字段"),
    "int_type": ("must be a whole number", "必须为整数"),
    "greater_than_equal": ("must be at least {ge}", "不得小于 {ge}"),
    "less_than_equal": ("must be at most {le}", "不得大于 {le}"),
    "string_type": ("must be a text", "必须为字符串"),
    "string_unicode": ("must be a text", "必须为字符串"),
    "string_too_short": ("is too short", "过短"),
    "string_too_long": ("may have at most {max_length} characters", "不得超过 {max_length} 个字符"),
    "string_pattern_mismatch": ("must match {pattern}", "须符合 {pattern}"),
    "bool_type": ("must be true or false", "必须为 true 或 false"),
    "list_type": ("must be a list", "必须为数组"),
    "too_short": ("must not be empty", "不得为空"),
    "too_long": ("may have at most {max_length} entries", "不得超过 {max_length} 项"),
    "model_type": ("must be an object", "必须为对象"),
    "amount_form": ("must be an amount such as 12.34", "须为金额，例如 12.34"),
    "key": ("1 to 64 visible ASCII characters", "须为 1 至 64 个可见 ASCII 字符"),
    "empty": ("it is empty", "内容为空"),
    "bom": ("it begins with a byte order mark", "以字节顺序标记开头"),
    "not_utf8": ("it is not UTF-8", "不是 UTF-8 编码"),
    "syntax": ("error at character {position}", "第 {position} 个字符处有语法错误"),
    "depth": ("it is nested too deeply", "嵌套过深"),
    "number": ("a number in it is too large", "数字过大"),
    "twice": ("a key stands in it twice", "同一键出现两次"),
    "constant": ("NaN and Infinity are not JSON", "NaN 与 Infinity 不是 JSON"),
}


def words_for(code: str, language: str, details: Mapping[str, str]) -> str:
    """The sentence for a person. ``details["reason"]`` is a key of ``REASONS``."""
    named = defaultdict(lambda: "-", details)
    if "reason" in details:
        english, chinese = REASONS.get(details["reason"], ("is not valid", "无效"))
        named["reason"] = (chinese if language == "zh" else english).format_map(named)
    return str(getattr(WORDS[code], language)).format_map(named)
