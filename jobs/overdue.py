"""Put paid orders that were not reported as shipped in time before a person."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.shipping.alarm()
