"""Runs child processes as one: started in order, stopped together when one ends, a signal comes or we are killed.

Knows nothing of payments. The web server uses it for PROCESSES, ``cli.py run`` for simulator and server.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

ASKED = (signal.SIGINT, signal.SIGTERM)
LEFT_ALONE = signal.SIGHUP  # the terminal was closed, or our supervisor was killed: once for each of its threads
STOP_WITHIN = 15.0  # seconds: a little more than the server takes to finish what it accepted
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True, slots=True)
class Child:
    """A command, what it needs in its environment besides ours, and how to tell that the next one may start."""

    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[None]] | None = None


async def told_to_stop() -> None:
    """Returns at the first SIGINT, SIGTERM or SIGHUP; a second one of the first two ends the process at once.

    A second SIGHUP is nobody's word: until the loop is closed, which it would only disturb, it is ignored.
    """
    stop = asyncio.Event()
    for number in (*ASKED, LEFT_ALONE):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    signal.signal(LEFT_ALONE, signal.SIG_IGN)
    for number in ASKED:
        asyncio.get_running_loop().remove_signal_handler(number)


async def supervise(children: Sequence[Child], announce: str = "") -> int:
    """Exit code: 0 if asked to stop, else that of the child that ended first."""
    running: list[asyncio.subprocess.Process] = []
    asked = asyncio.create_task(told_to_stop())
    try:
        for child in children:
            running.append(await _start(child))
            if child.ready and not await _before(child.ready(), asked, running):
                return 0 if asked.done() else 1
        if announce:
            print(announce, flush=True)  # noqa: T201 - said to the person who started us
        await _first([asked, *(asyncio.create_task(process.wait()) for process in running)])
        return 0 if asked.done() else max((process.returncode or 0 for process in running), default=0) or 1
    finally:
        asked.cancel()
        await _stop(running)


async def _start(child: Child) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C reaches us alone, and we decide who stops first.
    return await asyncio.create_subprocess_exec(
        *child.command,
        env={**os.environ, **child.environ},
        start_new_session=True,
        preexec_fn=partial(_ends_with, os.getpid()) if sys.platform == "linux" else None,
    )


def _ends_with(parent: int) -> None:
    """In the child, before its program: killed with -9 we cannot stop it, so the system sends it SIGHUP. Elsewhere, as
    on macOS, it goes on."""
    LIBC.prctl(PR_SET_PDEATHSIG, LEFT_ALONE)
    if os.getppid() != parent:  # killed already
        os._exit(1)


async def _before(ready: Awaitable[None], asked: asyncio.Task[None], running: list[asyncio.subprocess.Process]) -> bool:
    """True when ``ready`` came before a signal and before any child ended."""
    waiting = asyncio.ensure_future(ready)
    done = await _first([waiting, asked, *(asyncio.create_task(process.wait()) for process in running)])
    if waiting in done and waiting.exception() is None:
        return True
    waiting.cancel()
    return False


async def _first(tasks: list[asyncio.Future[None] | asyncio.Task[None] | asyncio.Task[int]]) -> set[object]:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return set(done)


async def _stop(running: list[asyncio.subprocess.Process]) -> None:
    """The last started goes first: the server, then the simulator that it talks to."""
    for process in reversed(running):
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()
