"""What API v2 says no with: every documented ``err_code`` of every operation, and what the caller may do.

Only codes of answers whose signature held get here. Sources: v2.md 4, 6 to 11; money.md part 1, F9.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.errors import Conflict, NotFound, NotReady, OutcomeUnknown, PaymentError, Rejected, Throttled
from adapters.judging import plain
from adapters.text import tidy
from adapters.wechat_v2.codec import Fields

Table = Mapping[str, type[PaymentError]]

SLOWER: Table = {
    "FREQUENCY_LIMITED": Throttled,
    "INVALID_REQ_TOO_MUCH": Throttled,
    "RATELIMIT_EXCEED": Throttled,
    "RATELIMIT_EXCEEDED": Throttled,
}

TABLE: Table = {
    **SLOWER,
    # the number is spent, in use or in another state: query it, then decide
    "ORDERPAID": Conflict,
    "ORDERCLOSED": Conflict,
    "OUT_TRADE_NO_USED": Conflict,
    "TRADE_STATE_ERROR": Conflict,
    "INVALID_REQUEST": Conflict,  # mostly "same number, other parameters": the number is then known over there
    # nothing of that number
    "ORDERNOTEXIST": NotFound,
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

# A refund that is asked for. Rejected: this request created nothing; whether an earlier one under the same number did,
# a query says, before anybody counts on it.
REFUND: Table = {
    **SLOWER,
    "NOTENOUGH": Throttled,  # the merchant tops up; then the same number
    "BIZERR_NEED_RETRY": Throttled,  # turned away because of another request
    "SYSTEMERROR": OutcomeUnknown,
    "SIGNERROR": OutcomeUnknown,  # with such a key no query would be answered either
    "REFUND_FEE_MISMATCH": OutcomeUnknown,  # there is a refund under this number, with another amount
    "ERROR": Rejected,
    "TRADE_OVERDUE": Rejected,
    "USER_ACCOUNT_ABNORMAL": Rejected,
    "ORDERNOTEXIST": Rejected,  # no such order, or it is not paid
    "INVALID_TRANSACTIONID": Rejected,
    "PARAM_ERROR": Rejected,
    "APPID_NOT_EXIST": Rejected,
    "MCHID_NOT_EXIST": Rejected,
    "REQUIRE_POST_METHOD": Rejected,
    "XML_FORMAT_ERROR": Rejected,
}

# A question about a refund: a refused question says nothing about the refund.
REFUND_QUERY: Table = {
    **SLOWER,
    "REFUNDNOTEXIST": NotFound,
    "SYSTEMERROR": OutcomeUnknown,
    "INVALID_TRANSACTIONID": OutcomeUnknown,
    "PARAM_ERROR": OutcomeUnknown,
    "APPID_NOT_EXIST": OutcomeUnknown,
    "MCHID_NOT_EXIST": OutcomeUnknown,
    "REQUIRE_POST_METHOD": OutcomeUnknown,
    "SIGNERROR": OutcomeUnknown,
    "XML_FORMAT_ERROR": OutcomeUnknown,
}


def refusal(code: str, message: str, table: Table = TABLE) -> PaymentError:
    """The error for a signed ``result_code=FAIL``. A code that nobody documented is an unknown outcome."""
    kind = {plain(row): what for row, what in table.items()}.get(plain(code), OutcomeUnknown)
    return kind(tidy(message), code=tidy(code, 64))


# downloadbill says no in ``return_msg``; the numbers beside it are not fixed (v2.md 10). Letters only, in lower case.
BILL: Table = {
    "nobillexist": NotFound,  # no trade that day
    "billcreating": NotReady,
    "signerror": Rejected,
    "missingparameter": Rejected,
    "invalidbilltype": Rejected,
    "dataformaterror": Rejected,
    "systemerror": OutcomeUnknown,
    "compressgziperror": OutcomeUnknown,
    "uncompressgziperror": OutcomeUnknown,
}

# downloadfundflow says no in ``err_code`` (v2.md 11).
FUND_BILL: Table = {
    "NO_BILL_EXIST": NotFound,  # nothing moved that day
    "BILL_CREATING": NotReady,
    "PARAM_ERROR": Rejected,
    "SYSTEMERROR": OutcomeUnknown,
}


def bill_refusal(failure: Fields) -> PaymentError:
    """The error for what came, unsigned, instead of a bill of either kind."""
    if code := failure.get("err_code"):
        return refusal(code, failure.get("err_code_des", ""), FUND_BILL)
    message = failure.get("return_msg", "")
    letters = "".join(char for char in message.lower() if char.isalpha())
    return BILL.get(letters, OutcomeUnknown)(tidy(message), code=tidy(failure.get("error_code", ""), 64))
