"""The web server: settings, parts, application, listen, wait for SIGTERM, finish what was accepted, close."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable

import tornado.netutil

from adapters.errors import ConfigError
from adapters.transport import Transport
from bootstrap import Program, build, configure_logging, find_merchant, prepare_tables
from handlers.connections import Server
from handlers.intake import in_flight
from jobs.runner import Runner
from models.engine import DatabaseUnavailable
from settings import Merchant, Settings, SettingsError, load
from settings.load import exposed_files
from supervisor import Child, supervise, told_to_stop

logger = logging.getLogger("pay.start")

SHARED_PORT = "PAY_SHARED_PORT"  # set for the children of a server with PROCESSES > 1
DATABASE_AGAIN = 1.0  # seconds between two looks for a database that is away at the start
TURN = 0.001  # seconds that one thread may keep the others waiting: the tables' threads ask for a turn at every row
YOUNG = 10_000  # objects made and not yet gone, before the collector looks at them; Python 3.11's own number is 700
M_ARENA_MAX = -8  # of glibc's malloc.h
FINISH_WITHIN = 10.0  # seconds for what was accepted before the stop


async def serve(settings: Settings, merchant: Merchant | None, parts: Callable[..., Program]) -> None:
    """One process, from its settings to its clean end."""
    transport = Transport()
    program = parts(settings, await find_merchant(settings, merchant, transport), transport)
    runner = Runner(program.services, shared=settings.plays("jobs"))
    stop = asyncio.create_task(told_to_stop())
    beginning = asyncio.create_task(_begin(program, runner))
    await asyncio.wait([beginning, stop], return_when=asyncio.FIRST_COMPLETED)
    if beginning.done():
        server = beginning.result()
        await stop
        await _stop(program, server, runner)
    else:  # told to stop while it waits: nothing was accepted
        beginning.cancel()
        await runner.stop(within=0)
        await program.close()


async def _begin(program: Program, runner: Runner) -> Server:
    """Tables, keys, jobs; then the doors open. While the database is away they are open to say so."""
    services, server, said = program.services, None, ""
    while missing := await _missing(program):
        if missing != said:
            logger.warning("waiting for the database: %s", missing)
        said, services.starting[:] = missing, ["the database was not reached yet"]
        server = server or listen(program)
        await asyncio.sleep(DATABASE_AGAIN)
    for name, count in (await services.orphans()).items():
        logger.error(
            "%d unsettled payments were made through %s, which is not configured: give its keys back", count, name
        )
    await runner.start()
    services.starting.clear()
    server = server or listen(program)
    _settled()
    return server


async def _missing(program: Program) -> str:
    """Why the tables cannot be reached, in words; empty if they are there and up to date. Raises SettingsError."""
    try:
        await asyncio.to_thread(prepare_tables, program)
    except DatabaseUnavailable as error:
        return str(error)
    return ""


def listen(program: Program) -> Server:
    """Limits after money.md part 4, with two exceptions. A body over 64 KB is read and refused by the door, so that its
    sender gets an answer; only over 2 MB the connection is cut. And a connection may idle 75 s, longer than a proxy's.
    """
    settings = program.settings
    server = Server(
        program.app(),
        max_body_size=2 * 1024 * 1024,
        max_header_size=16 * 1024,
        chunk_size=16 * 1024,  # made room for at each read: most requests fit
        idle=75,
        body=10,
        decompress_request=False,
    )
    server.add_sockets(_bind(settings, shared=SHARED_PORT in os.environ))
    logger.info("listening on http://%s:%d (new payments: %s)", settings.host, settings.port, settings.wechat_pay_api)
    return server


async def _stop(program: Program, server: Server, runner: Runner) -> None:
    logger.info("stopping: finishing %d requests", len(in_flight))
    program.services.leaving.append("the server is stopping")
    server.stop()
    cut_off, _ = await asyncio.gather(runner.stop(FINISH_WITHIN), _answered(FINISH_WITHIN))
    await _answered(1)  # what came over kept connections while the jobs ended
    if cut_off or in_flight:
        logger.warning("stopped with %d requests and the jobs %s unfinished", len(in_flight), cut_off)
    await server.close_all_connections()
    await program.close()


async def _answered(within: float) -> None:
    """Until every request is answered, or the time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while in_flight:
                await asyncio.sleep(0.02)


def _nobody_listens(settings: Settings) -> None:
    """Processes that share a port would also share it with another server, silently. Raises SettingsError."""
    for taken in _bind(settings, shared=False):
        taken.close()


def _bind(settings: Settings, *, shared: bool) -> list[socket.socket]:
    try:
        return tornado.netutil.bind_sockets(settings.port, settings.host, reuse_port=shared)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise SettingsError([f"HOST, PORT: cannot listen on {where}: {error.strerror}; choose another"]) from error


def _settled() -> None:
    """What is here now stays: the collector need not look at it again, nor so often for what requests leave behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def _one_heap() -> None:
    """glibc gives each thread a heap of its own, and keeps what was once wanted. Ours seldom want any at once."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def main(parts: Callable[..., Program] = build) -> int:
    """``parts``: a test may have its own put together."""
    sys.setswitchinterval(TURN)
    _one_heap()
    try:
        settings, merchant = load()
        configure_logging(settings.log_level)
        os.umask(0o077)  # the database file holds openids
        for path in exposed_files(settings):
            logger.warning("everybody on this machine can read %s, which holds secrets; run: chmod 600 %s", path, path)
        if settings.processes > 1 and SHARED_PORT not in os.environ:
            _nobody_listens(settings)
            child = Child([sys.executable, __file__], {SHARED_PORT: "1"})
            return asyncio.run(supervise([child] * settings.processes))
        asyncio.run(serve(settings, merchant, parts))
    except (SettingsError, ConfigError, DatabaseUnavailable) as error:
        print(f"cannot start: {error}", file=sys.stderr)  # noqa: T201 - said to the person who started us
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
