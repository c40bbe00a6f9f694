"""The web server: settings, parts, application, listen, wait for SIGTERM, finish what was accepted, close."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import tornado.httpserver
import tornado.netutil

from adapters.errors import ConfigError
from adapters.transport import Transport
from bootstrap import Program, build, configure_logging, find_merchant, prepare_tables
from handlers.base import in_flight
from jobs.runner import Runner
from models.database import DatabaseUnavailable
from settings import Merchant, Settings, SettingsError, load
from supervisor import Child, supervise, told_to_stop

logger = logging.getLogger("pay.start")

SHARED_PORT = "PAY_SHARED_PORT"  # set for the children of a server with PROCESSES > 1
FINISH_WITHIN = 10.0  # seconds for what was accepted before the stop


async def serve(settings: Settings, merchant: Merchant | None) -> None:
    """One process, from its settings to its clean end."""
    transport = Transport()
    program = build(settings, await find_merchant(settings, merchant, transport), transport)
    await asyncio.to_thread(prepare_tables, program)
    for name, count in (await program.services.orphans()).items():
        logger.error(
            "%d unsettled payments were made through %s, which is not configured: give its keys back", count, name
        )
    runner = Runner(program.services)
    await runner.start()
    server = listen(program)
    await told_to_stop()
    await _stop(program, server, runner)


def listen(program: Program) -> tornado.httpserver.HTTPServer:
    """Limits from money.md part 4. A body over 64 KB is refused by the door; over 2 MB the connection is cut."""
    settings = program.settings
    server = tornado.httpserver.HTTPServer(
        program.app(),
        max_body_size=2 * 1024 * 1024,
        max_header_size=16 * 1024,
        idle_connection_timeout=75,
        body_timeout=10,
        decompress_request=False,
    )
    shared = SHARED_PORT in os.environ
    try:
        server.add_sockets(tornado.netutil.bind_sockets(settings.port, settings.host, reuse_port=shared))
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise SettingsError([f"HOST, PORT: cannot listen on {where}: {error.strerror}; choose another"]) from error
    logger.info("listening on http://%s:%d (new payments: %s)", settings.host, settings.port, settings.wechat_pay_api)
    return server


async def _stop(program: Program, server: tornado.httpserver.HTTPServer, runner: Runner) -> None:
    logger.info("stopping: finishing %d requests", len(in_flight))
    program.services.leaving.append("the server is stopping")
    server.stop()
    try:
        async with asyncio.timeout(FINISH_WITHIN):
            await asyncio.gather(runner.stop(), _answered())
            await _answered()  # what came over kept connections while the jobs ended
    except TimeoutError:
        logger.warning("stopped with %d requests unfinished", len(in_flight))
    await server.close_all_connections()
    await program.close()


async def _answered() -> None:
    while in_flight:
        await asyncio.sleep(0.02)


def main() -> int:
    try:
        settings, merchant = load()
        configure_logging(settings.log_level)
        if settings.processes > 1 and SHARED_PORT not in os.environ:
            child = Child([sys.executable, __file__], {SHARED_PORT: "1"})
            return asyncio.run(supervise([child] * settings.processes))
        asyncio.run(serve(settings, merchant))
    except (SettingsError, ConfigError, DatabaseUnavailable) as error:
        print(f"cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
