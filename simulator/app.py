"""The simulator as a server: routes, sockets, start and clean stop. It must not know the protocol."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from simulator import control
from simulator.door import WeChatHandler
from simulator.world import World

_MOST_BODY = 1 << 20


def _silent(_handler: object) -> None:
    """No access log: the exchanges are kept, masked, by ``records``."""


def make_app(world: World) -> Application:
    return Application(
        [*control.routes(world), (".*", WeChatHandler, {"world": world})],
        log_function=_silent,
        serve_traceback=False,
    )


async def serve(world: World, host: str, port: int, ready: Callable[[int], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then save: True. False if the schedule broke. ``ready`` is told the port."""
    sockets = bind_sockets(port, host, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    server = HTTPServer(make_app(world), max_body_size=_MOST_BODY, decompress_request=False, xheaders=False)
    server.add_sockets(sockets)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    schedule = asyncio.create_task(world.courier.run())
    ready(sockets[0].getsockname()[1])
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait({schedule, stop}, return_when=asyncio.FIRST_COMPLETED)
    server.stop()
    for task in (schedule, stop):
        task.cancel()
    ends = await asyncio.gather(schedule, stop, return_exceptions=True)
    await server.close_all_connections()
    await world.close()
    return isinstance(ends[0], asyncio.CancelledError)
