"""What API v3 says no with: every documented code of order, query and close, and what the caller may do.

Error answers may be unsigned (v3.md 4), so none of these is a fact about money: NotFound and Conflict are reasons to
ask, and the numbers that are asked with never change. Sources: v3.md 9 to 12, 16; money.md F4, F7, F9.
"""

from __future__ import annotations

from adapters.errors import Conflict, Malformed, NotFound, OutcomeUnknown, PaymentError, Rejected, Throttled
from adapters.judging import plain
from adapters.text import tidy
from adapters.transport import Response
from adapters.wechat_v3 import codec

# code: (the HTTP status that it is documented with, what the caller may do)
TABLE: dict[str, tuple[int, type[PaymentError]]] = {
    # the number is spent, in use or in another state: query it, then decide
    "ORDERPAID": (400, Conflict),
    "ORDER_CLOSED": (400, Conflict),
    "OUT_TRADE_NO_USED": (403, Conflict),
    "TRADE_STATE_ERROR": (400, Conflict),
    "INVALID_REQUEST": (400, Conflict),  # mostly "same number, other parameters": the number is then known over there
    # nothing of that number
    "ORDER_NOT_EXIST": (404, NotFound),
    "RESOURCE_NOT_EXISTS": (404, NotFound),
    # the same request later
    "FREQUENCY_LIMITED": (429, Throttled),
    "RATELIMIT_EXCEED": (429, Throttled),
    "RATELIMIT_EXCEEDED": (429, Throttled),
    "RATE_LIMITED": (429, Throttled),
    # done or not done, nobody knows
    "SYSTEM_ERROR": (500, OutcomeUnknown),
    "BANK_ERROR": (500, OutcomeUnknown),
    "SERVICE_UNAVAILABLE": (503, OutcomeUnknown),
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

_BY_PLAIN = {plain(code): row for code, row in TABLE.items()}


def refusal(response: Response) -> PaymentError:
    """The error for an answer that is no 2xx: status first, then code, never the message (v3.md 16).

    A code counts only in the class of status (4xx, 5xx) that it is documented with; all else is an unknown outcome.
    """
    code, message = _words(response.body)
    if response.status == 429:
        return Throttled(message, code=code)
    status, kind = _BY_PLAIN.get(plain(code), (0, OutcomeUnknown))
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
