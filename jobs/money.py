"""Look whether what must hold about money holds."""

from services.bundle import Services

WITHIN = 1.0  # seconds: a look that takes longer goes on by itself


async def run_once(services: Services) -> int:
    """One pass; returns how many statements do not hold."""
    return len((await services.watch.look(WITHIN)).broken)
