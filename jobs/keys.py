"""Fetch WeChat's verification keys anew, so that a rotation is known before it happens (v3.md 6)."""

import logging

from adapters.errors import PaymentError
from services.bundle import Services

logger = logging.getLogger("pay.jobs")


async def run_once(services: Services) -> int:
    """One pass over the adapters; an adapter that cannot refresh keeps the keys it has. Returns how many could."""
    refreshed = 0
    for adapter in services.adapters.values():
        try:
            await adapter.refresh_keys()
            refreshed += 1
        except PaymentError as error:
            logger.warning("keys not refreshed adapter=%s reason=%s", adapter.name, type(error).__name__)
    return refreshed
