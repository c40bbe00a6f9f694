"""What API v3 says no with: every documented code of every operation, and what the caller may do.

Error answers may be unsigned (v3.md 4), so none of these is a fact about money: NotFound and Conflict are reasons to
ask, and the numbers that are asked with never change. Sources: v3.md 9 to 14, 16; money.md part 1, F4, F7, F9.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.errors import (
    Conflict,
    Malformed,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PaymentError,
    Rejected,
    Throttled,
)
from adapters.judging import plain
from adapters.text import tidy
from adapters.transport import Response
from adapters.wechat_v3 import codec

# code: (the HTTP status that it is documented with, what the caller may do)
Table = Mapping[str, tuple[int, type[PaymentError]]]

SLOWER: Table = {
    "FREQUENCY_LIMITED": (429, Throttled),
    "RATELIMIT_EXCEED": (429, Throttled),
    "RATELIMIT_EXCEEDED": (429, Throttled),
    "RATE_LIMITED": (429, Throttled),
}
NOBODY_KNOWS: Table = {
    "SYSTEM_ERROR": (500, OutcomeUnknown),
    "SERVICE_UNAVAILABLE": (503, OutcomeUnknown),
}

TABLE: Table = {
    **SLOWER,
    **NOBODY_KNOWS,
    # the number is spent, in use or in another state: query it, then decide
    "ORDERPAID": (400, Conflict),
    "ORDER_CLOSED": (400, Conflict),
    "OUT_TRADE_NO_USED": (403, Conflict),
    "TRADE_STATE_ERROR": (400, Conflict),
    "INVALID_REQUEST": (400, Conflict),  # mostly "same number, other parameters": the number is then known over there
    # nothing of that number
    "ORDER_NOT_EXIST": (404, NotFound),
    "RESOURCE_NOT_EXISTS": (404, NotFound),
    # done or not done, nobody knows
    "BANK_ERROR": (500, OutcomeUnknown),
    "USERPAYING": (400, OutcomeUnknown),
    # no, and no again however often it is asked
    "PARAM_ERROR": (400, Rejected),
    "APPID_MCHID_NOT_MATCH": (400, Rejected),
    "MCH_NOT_EXISTS": (400, Rejected),
    "SIGN_ERROR": (401, Rejected),
    "NO_AUTH": (403, Rejected),
    "ACCOUNT_ERROR": (403, Rejected),
    "RULE_LIMIT": (403, Rejected),
    "TRADE_ERROR": (403, Rejected),
    "NOT_ENOUGH": (403, Rejected),
    "OPENID_MISMATCH": (500, Rejected),
    "INVALID_TRANSACTIONID": (500, Rejected),
}

# A refund that is asked for. Rejected: this request created nothing; whether an earlier one under the same number did,
# a query says, before anybody counts on it.
REFUND: Table = {
    **SLOWER,
    **NOBODY_KNOWS,
    "NOT_ENOUGH": (403, Throttled),  # the merchant tops up; then the same number
    "SIGN_ERROR": (401, OutcomeUnknown),  # with such keys no query would be answered either
    "PARAM_ERROR": (400, Rejected),
    "INVALID_REQUEST": (400, Rejected),
    "NO_AUTH": (403, Rejected),
    "USER_ACCOUNT_ABNORMAL": (403, Rejected),
    "RESOURCE_NOT_EXISTS": (404, Rejected),  # no such order, or it is not paid
    "MCH_NOT_EXISTS": (404, Rejected),
}

# A question about a refund: a refused question says nothing about the refund.
REFUND_QUERY: Table = {
    **SLOWER,
    **NOBODY_KNOWS,
    "RESOURCE_NOT_EXISTS": (404, NotFound),
    "PARAM_ERROR": (400, OutcomeUnknown),
    "INVALID_REQUEST": (400, OutcomeUnknown),
    "SIGN_ERROR": (401, OutcomeUnknown),
    "NO_AUTH": (403, OutcomeUnknown),
    "NOT_ENOUGH": (403, OutcomeUnknown),
    "USER_ACCOUNT_ABNORMAL": (403, OutcomeUnknown),
    "MCH_NOT_EXISTS": (404, OutcomeUnknown),
}

BILL: Table = {
    **SLOWER,
    **NOBODY_KNOWS,
    "NO_STATEMENT_EXIST": (400, NotFound),  # no trade that day
    "STATEMENT_CREATING": (400, NotReady),
    "INVALID_REQUEST": (400, Rejected),
    "PARAM_ERROR": (400, Rejected),
    "SIGN_ERROR": (401, Rejected),
    "NO_AUTH": (403, Rejected),
}

# The file itself, after a signed answer said that there is one: no unsigned answer makes that a day without trade.
BILL_FILE: Table = {code: row for code, row in BILL.items() if row[1] is not NotFound}


def refusal(response: Response, table: Table = TABLE) -> PaymentError:
    """The error for an answer that is no 2xx: status first, then code, never the message (v3.md 16).

    A code counts only in the class of status (4xx, 5xx) that it is documented with; all else is an unknown outcome.
    """
    code, message = _words(response.body)
    if response.status == 429:
        return Throttled(message, code=code)
    status, kind = {plain(row): what for row, what in table.items()}.get(plain(code), (0, OutcomeUnknown))
    if status // 100 == response.status // 100:
        return kind(message, code=code)
    return OutcomeUnknown(f"HTTP {response.status} {message}".strip(), code=code)


def _words(body: bytes) -> tuple[str, str]:
    try:
        told = codec.loads(body)
    except Malformed:
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    return tidy(told.get("code"), 64), tidy(told.get("message"))
