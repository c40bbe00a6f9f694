"""Ask WeChat about payments whose notification has not come."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass; returns how many pieces of work it did."""
    return await services.asking.ask_due()
