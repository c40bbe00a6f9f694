"""Ask WeChat about refunds that an unsigned notice named."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.refunds.follow_hints()
