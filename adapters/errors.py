"""What can go wrong at a payment provider, named by what the caller may do next.

    PaymentError
      ConfigError      said at start only                                -> the operator mends the settings
      NotSent          refused, DNS, TLS: certainly not delivered        -> may be sent again
      OutcomeUnknown   timeout, reset, 5xx, SYSTEMERROR, unverifiable    -> same number, query; never "failed"
      Throttled        429, FREQUENCY_LIMITED, NOTENOUGH for a refund    -> later, same request
        NotReady       that bill is not made, that order not in shipping -> not there yet: later in the day
        TokenRefused   the access token is dead                          -> with another token, same request
      Rejected         the provider said no: code, message               -> final
        Conflict       ORDERPAID, ORDERCLOSED, OUT_TRADE_NO_USED         -> query, then decide
        NotFound       ORDERNOTEXIST, 404 ORDER_NOT_EXIST                -> nothing of that number over there
      Unsupported      this provider has no such call                    -> a person, on the provider's own platform
      BadSignature     not authentic, stale, unknown serial              -> refuse, count, never parse
        SignatureProbe WECHATPAY/SIGNTEST/: a test of whether we verify  -> the same refusal, counted apart
      Malformed        authentic and not understood                      -> refuse, alarm

An error carries the provider's own code and text where there is one, never a key, a signature or a body.
"""


class PaymentError(Exception):
    """Root of the tree. ``code`` and ``message`` are the provider's words, empty where it said nothing."""

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.message = message


class ConfigError(PaymentError):
    """The adapter cannot be built from these settings. Raised at start, never while serving."""


class NotSent(PaymentError):
    """The request certainly did not reach the provider: it may be sent again as it is."""


class OutcomeUnknown(PaymentError):
    """The provider may or may not have done the work: ask again with the same number, never book a failure."""


class Throttled(PaymentError):
    """The provider asks us to slow down and has done nothing: the same request, later."""


class NotReady(Throttled):
    """What is asked for does not exist yet, and will: ask later in the day."""


class TokenRefused(Throttled):
    """The access token has expired or was replaced, and nothing was done: the same request with another token."""


class Rejected(PaymentError):
    """The provider understood the request and said no. Sending it again unchanged changes nothing."""


class Conflict(Rejected):
    """The number is already paid, closed or used at the provider: query it, then decide."""


class NotFound(Rejected):
    """The provider knows nothing under this number."""


class Unsupported(PaymentError):
    """The provider has no such call, so nothing was asked: a person does it on the provider's own platform."""


class BadSignature(PaymentError):
    """Not authentic: missing, wrong or stale signature, or an unknown key. Refuse, count, never parse."""


class SignatureProbe(BadSignature):
    """WeChat's own test of whether we verify (``WECHATPAY/SIGNTEST/``). Refused like any other; counted apart."""


class Malformed(PaymentError):
    """Authentic, but not a message this adapter understands: refuse, and alarm an operator."""
