"""Apply notifications that were stored and acknowledged, and could not be applied at once."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.apply_inbox()
