"""``python -m simulator``: reads the command line, refuses what is unsafe, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from simulator import rules
from simulator.app import Ports, serve
from simulator.ledger import LedgerRefused
from simulator.merchant import MerchantRefused
from simulator.world import World


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 after a clean stop, 2 if it would not start."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s simulator %(levelname)s %(message)s")
    if not rules.is_loopback(options.host) and not options.allow_remote:
        return _say(f"refused to listen on {options.host}: it is not loopback; --allow-remote if you mean it")
    ports = (options.port, options.secapi_port or 0)
    if not all(0 <= port <= 65535 for port in ports) or not 0 < options.time_scale <= 1_000_000:
        return _say("--port and --secapi-port must be 0 to 65535 and --time-scale a positive number up to 1000000")
    try:
        return asyncio.run(_serve(options))
    except (MerchantRefused, LedgerRefused) as refused:
        return _say(f"refused to start: {refused}")
    except OSError as error:
        return _say(f"cannot start: {error.strerror or error}")


async def _serve(options: argparse.Namespace) -> int:
    world = World(options.data, options.time_scale, options.allow_remote)
    shown = f"[{options.host}]" if ":" in options.host else options.host

    def ready(port: int) -> None:
        who = f"(test merchant {world.merchant.mchid}; v2 refunds by {world.secapi_url})"
        print(f"WeChat simulator on http://{shown}:{port} {who}", flush=True)

    return 0 if await serve(world, options.host, Ports(options.port, options.secapi_port), ready) else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m simulator", description="A local stand-in for WeChat Pay's servers.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900, help="0: any free port")
    parser.add_argument("--secapi-port", type=int, help="for mutual TLS; without it the port after --port, or any")
    parser.add_argument("--data", type=Path, help="keep the merchant and the ledger here; without it, in memory")
    parser.add_argument("--time-scale", type=float, default=1.0, help="how many seconds pass in one")
    parser.add_argument("--allow-remote", action="store_true", help="listen on, and notify, other machines")
    return parser.parse_args(arguments)


def _say(text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
