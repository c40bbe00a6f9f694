"""Report to WeChat what was shipped, again and again until it has it."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.shipping.run_due()
