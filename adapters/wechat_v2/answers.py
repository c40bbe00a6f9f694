"""What API v2 says no with: every documented ``err_code`` of order, query and close, and what the caller may do.

Only codes of answers whose signature held get here. Sources: v2.md 4, 6, 7, 8; money.md F9.
"""

from __future__ import annotations

from adapters.errors import Conflict, NotFound, OutcomeUnknown, PaymentError, Rejected, Throttled
from adapters.judging import plain
from adapters.text import tidy

TABLE: dict[str, type[PaymentError]] = {
    # the number is spent, in use or in another state: query it, then decide
    "ORDERPAID": Conflict,
    "ORDERCLOSED": Conflict,
    "OUT_TRADE_NO_USED": Conflict,
    "TRADE_STATE_ERROR": Conflict,
    "INVALID_REQUEST": Conflict,  # mostly "same number, other parameters": the number is then known over there
    # nothing of that number
    "ORDERNOTEXIST": NotFound,
    # the same request later
    "FREQUENCY_LIMITED": Throttled,
    "INVALID_REQ_TOO_MUCH": Throttled,
    "RATELIMIT_EXCEED": Throttled,
    "RATELIMIT_EXCEEDED": Throttled,
    # done or not done, nobody knows
    "SYSTEMERROR": OutcomeUnknown,
    "BIZERR_NEED_RETRY": OutcomeUnknown,
    "BANKERROR": OutcomeUnknown,
    "USERPAYING": OutcomeUnknown,
    # no, and no again however often it is asked
    "NOAUTH": Rejected,
    "NOTENOUGH": Rejected,
    "APPID_NOT_EXIST": Rejected,
    "MCHID_NOT_EXIST": Rejected,
    "APPID_MCHID_NOT_MATCH": Rejected,
    "LACK_PARAMS": Rejected,
    "PARAM_ERROR": Rejected,
    "XML_FORMAT_ERROR": Rejected,
    "POST_DATA_EMPTY": Rejected,
    "NOT_UTF8": Rejected,
    "REQUIRE_POST_METHOD": Rejected,
    "SIGNERROR": Rejected,
    "INVALID_TRANSACTIONID": Rejected,
}


_BY_PLAIN = {plain(code): kind for code, kind in TABLE.items()}


def refusal(code: str, message: str) -> PaymentError:
    """The error for a signed ``result_code=FAIL``. A code that nobody documented is an unknown outcome."""
    return _BY_PLAIN.get(plain(code), OutcomeUnknown)(tidy(message), code=tidy(code, 64))
