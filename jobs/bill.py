"""Compare our tables with WeChat's bills of the last days, once each, when they are ready."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many days were compared. Raises TryLater while a bill is not ready."""
    return await services.reconciliation.run_due()
