"""A call to WeChat that brought no good answer: logged, counted, and said to our caller in our own words."""

from __future__ import annotations

import logging

from adapters.errors import NotSent, PaymentError, Rejected, Throttled, Unsupported
from services.errors import ProviderRefused, Refused, TryLater
from services.metrics import GATEWAY

logger = logging.getLogger("pay.gateway")


def refusal(operation: str, number: str, error: PaymentError) -> Refused:
    """``operation``: prepay, query, close, refund ...; ``number``: what it was about, for the log.

    Only a Rejected is final. Everything else, also an answer that did not verify, is to be asked again.
    """
    if isinstance(error, Unsupported):
        return ProviderRefused("only_on_merchant_platform")
    GATEWAY.labels(operation, type(error).__name__).inc()
    logger.info("%s number=%s %s: %s", operation, number, type(error).__name__, error)
    if isinstance(error, Rejected):
        return ProviderRefused("gateway_refused", provider_code=error.code)
    if isinstance(error, NotSent):
        return TryLater("gateway_unreachable")
    return TryLater("gateway_busy" if isinstance(error, Throttled) else "gateway_uncertain")
