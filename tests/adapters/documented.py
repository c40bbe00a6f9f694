"""What every documented code means to a caller, written from the pages by hand: v2.md 4, 6 to 11, v3.md 13, 14, 16,
mini-program.md 1.1. Not taken from the tables under test, which are measured by this."""

from __future__ import annotations

from adapters.errors import Conflict, NotFound, NotReady, OutcomeUnknown, Rejected, Throttled
from adapters.miniprogram import LoginMisconfigured, LoginRefused

V2 = {
    Conflict: "ORDERPAID ORDERCLOSED OUT_TRADE_NO_USED TRADE_STATE_ERROR INVALID_REQUEST",
    NotFound: "ORDERNOTEXIST",
    Throttled: "FREQUENCY_LIMITED INVALID_REQ_TOO_MUCH RATELIMIT_EXCEED RATELIMIT_EXCEEDED",
    OutcomeUnknown: "SYSTEMERROR BIZERR_NEED_RETRY BANKERROR USERPAYING",
    Rejected: "NOAUTH NOTENOUGH APPID_NOT_EXIST MCHID_NOT_EXIST APPID_MCHID_NOT_MATCH LACK_PARAMS PARAM_ERROR "
    "XML_FORMAT_ERROR POST_DATA_EMPTY NOT_UTF8 REQUIRE_POST_METHOD SIGNERROR INVALID_TRANSACTIONID",
}
V3 = {
    (400, Conflict): "ORDERPAID ORDER_CLOSED INVALID_REQUEST TRADE_STATE_ERROR",
    (403, Conflict): "OUT_TRADE_NO_USED",
    (404, NotFound): "ORDER_NOT_EXIST RESOURCE_NOT_EXISTS",
    (429, Throttled): "FREQUENCY_LIMITED RATELIMIT_EXCEED RATELIMIT_EXCEEDED RATE_LIMITED",
    (500, OutcomeUnknown): "SYSTEM_ERROR BANK_ERROR",
    (503, OutcomeUnknown): "SERVICE_UNAVAILABLE",
    (400, OutcomeUnknown): "USERPAYING",
    (400, Rejected): "PARAM_ERROR APPID_MCHID_NOT_MATCH MCH_NOT_EXISTS",
    (401, Rejected): "SIGN_ERROR",
    (403, Rejected): "NO_AUTH ACCOUNT_ERROR RULE_LIMIT TRADE_ERROR NOT_ENOUGH",
    (500, Rejected): "OPENID_MISMATCH INVALID_TRANSACTIONID",
}
LATER = "FREQUENCY_LIMITED INVALID_REQ_TOO_MUCH RATELIMIT_EXCEED RATELIMIT_EXCEEDED"
V2_REFUND = {
    Throttled: LATER + " NOTENOUGH BIZERR_NEED_RETRY",
    OutcomeUnknown: "SYSTEMERROR SIGNERROR REFUND_FEE_MISMATCH",
    Rejected: "ERROR TRADE_OVERDUE USER_ACCOUNT_ABNORMAL ORDERNOTEXIST INVALID_TRANSACTIONID PARAM_ERROR "
    "APPID_NOT_EXIST MCHID_NOT_EXIST REQUIRE_POST_METHOD XML_FORMAT_ERROR",
}
V2_REFUND_QUERY = {
    NotFound: "REFUNDNOTEXIST",
    Throttled: LATER,
    OutcomeUnknown: "SYSTEMERROR INVALID_TRANSACTIONID PARAM_ERROR APPID_NOT_EXIST MCHID_NOT_EXIST "
    "REQUIRE_POST_METHOD SIGNERROR XML_FORMAT_ERROR",
}
V3_LATER = {
    (429, Throttled): "FREQUENCY_LIMITED RATELIMIT_EXCEED RATELIMIT_EXCEEDED RATE_LIMITED",
    (500, OutcomeUnknown): "SYSTEM_ERROR",
    (503, OutcomeUnknown): "SERVICE_UNAVAILABLE",
}
V3_REFUND = {
    **V3_LATER,
    (400, Rejected): "PARAM_ERROR INVALID_REQUEST",
    (401, OutcomeUnknown): "SIGN_ERROR",
    (403, Throttled): "NOT_ENOUGH",
    (403, Rejected): "USER_ACCOUNT_ABNORMAL NO_AUTH",
    (404, Rejected): "RESOURCE_NOT_EXISTS MCH_NOT_EXISTS",
}
V3_REFUND_QUERY = {
    **V3_LATER,
    (400, OutcomeUnknown): "PARAM_ERROR INVALID_REQUEST",
    (401, OutcomeUnknown): "SIGN_ERROR",
    (403, OutcomeUnknown): "NO_AUTH NOT_ENOUGH USER_ACCOUNT_ABNORMAL",
    (404, NotFound): "RESOURCE_NOT_EXISTS",
    (404, OutcomeUnknown): "MCH_NOT_EXISTS",
}
V3_BILL = {
    **V3_LATER,
    (400, NotFound): "NO_STATEMENT_EXIST",
    (400, NotReady): "STATEMENT_CREATING",
    (400, Rejected): "INVALID_REQUEST PARAM_ERROR",
    (401, Rejected): "SIGN_ERROR",
    (403, Rejected): "NO_AUTH",
}
V2_BILL = {
    NotFound: ["No Bill Exist", "NO Bill Exist"],
    NotReady: ["Bill Creating"],
    OutcomeUnknown: ["SYSTEMERROR", "CompressGZip Error", "UnCompressGZip Error"],
    Rejected: ["sign error", "SIGN ERROR", "missing parameter", "invalid bill_type", "data format error"],
}
V2_FUND_BILL = {
    NotFound: "NO_BILL_EXIST",
    NotReady: "BILL_CREATING",
    OutcomeUnknown: "SYSTEMERROR",
    Rejected: "PARAM_ERROR",
}
LOGIN = {
    OutcomeUnknown: "-1",
    LoginRefused: "40029 40163 40226 41008",
    Throttled: "45011",
    LoginMisconfigured: "40013 40125 41002 41004",
}


def meanings(expected):
    """What each code means: a class, or for v3 (HTTP status, class)."""
    listed = {what: codes.split() if isinstance(codes, str) else codes for what, codes in expected.items()}
    return {code: what for what, codes in listed.items() for code in codes}
