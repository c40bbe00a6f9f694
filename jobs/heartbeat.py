"""Write down when this process's jobs last ran and what it refused, for the console."""

from services.bundle import Services


async def run_once(services: Services) -> int:
    """One pass. Always 0: it is no work that a log should tell of."""
    await services.heartbeat.beat()
    return 0
