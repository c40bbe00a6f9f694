"""Carry on refunds: send, ask again, and give back what must go back by itself."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.refunds.run_due()
