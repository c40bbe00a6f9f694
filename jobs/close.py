"""Close what was not paid in time: at WeChat first, here on proof."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.closing.close_due()
