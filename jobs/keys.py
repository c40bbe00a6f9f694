"""Fetch WeChat's verification keys anew, so that a rotation is known before it happens (v3.md 6)."""

from adapters.errors import PaymentError
from services.bundle import Services
from services.errors import TryLater


async def run_once(services: Services) -> int:
    """One pass over the adapters; an adapter that cannot refresh keeps the keys it has.

    Returns how many have refreshed. Raises TryLater if one has not, so that the next pass comes soon.
    """
    failed = []
    for adapter in services.adapters.values():
        try:
            await adapter.refresh_keys()
        except PaymentError as error:
            failed.append(f"{adapter.name}: {error}")
    if failed:
        raise TryLater("keys_not_refreshed", reason="; ".join(failed))
    return len(services.adapters)
