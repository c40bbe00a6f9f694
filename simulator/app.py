"""The simulator as a server: routes, sockets, start and clean stop. It must not know the protocol."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from simulator import control, rules, tls
from simulator.door import WeChatHandler
from simulator.world import World

_MOST_BODY = 1 << 20


@dataclass(frozen=True)
class Ports:
    """0: any free port. ``secapi`` None: the next one after ``http``, or any if that is taken or ``http`` is 0."""

    http: int
    secapi: int | None = None


def _silent(_handler: object) -> None:
    """No access log: the exchanges are kept, masked, by ``records``."""


def make_app(world: World) -> Application:
    return Application(
        [*control.routes(world), (".*", WeChatHandler, {"world": world})],
        log_function=_silent,
        serve_traceback=False,
    )


async def serve(world: World, host: str, ports: Ports, ready: Callable[[int], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then save: True. False if the schedule broke. ``ready`` is told the port."""
    sockets, secapi_sockets = _bind(host, ports)
    world.secapi_url = f"https://{_reachable(host)}:{secapi_sockets[0].getsockname()[1]}"
    app = make_app(world)
    servers = [_listen(app, sockets, None), _listen(app, secapi_sockets, tls.server_context(world.merchant))]
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    schedule = asyncio.create_task(world.run())
    ready(sockets[0].getsockname()[1])
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait({schedule, stop}, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.stop()
    for task in (schedule, stop):
        task.cancel()
    ends = await asyncio.gather(schedule, stop, return_exceptions=True)
    for server in servers:
        await server.close_all_connections()
    await world.close()
    return isinstance(ends[0], asyncio.CancelledError)


def _bind(host: str, ports: Ports) -> tuple[list[socket.socket], list[socket.socket]]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockets = bind_sockets(ports.http, host, family=family)
    if ports.secapi is not None:
        return sockets, bind_sockets(ports.secapi, host, family=family)
    try:
        return sockets, bind_sockets(ports.http and min(ports.http + 1, 65535), host, family=family)
    except OSError:
        return sockets, bind_sockets(0, host, family=family)


def _listen(app: Application, sockets: list[socket.socket], context: ssl.SSLContext | None) -> HTTPServer:
    server = HTTPServer(app, max_body_size=_MOST_BODY, decompress_request=False, xheaders=False, ssl_options=context)
    server.add_sockets(sockets)
    return server


def _reachable(host: str) -> str:
    """The host as a URL has it, by a name that the certificate bears."""
    if not rules.is_loopback(host):
        return "localhost"
    return f"[{host}]" if ":" in host else host
