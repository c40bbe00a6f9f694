"""The program, imported once and started many times: to import is most of a start, 0.6 s of a processor each.

A process that has imported everything forks itself for each start and runs the named program as ``__main__``. The child
is what it would be otherwise, with a process group, an environment and files of its own. That the real commands start
is shown by what does without this: ``make run`` and what the README says (test_getting_started), the simulator's
command line, containers, benchmarks.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {("server.py",), ("cli.py",), ("-m", "simulator"), ("-m", "tests.console.hurried")}
LONGEST = 1 << 20  # bytes of a message


def can_start(command: Sequence[str]) -> bool:
    """Python, and one of the programs. Only Linux lets one wait for a process that is not one's own child."""
    return sys.platform == "linux" and command[0] == sys.executable and program(command[1:]) in PROGRAMS


def program(arguments: Sequence[str]) -> tuple[str, ...]:
    return tuple(arguments[: 2 if arguments[0] == "-m" else 1])


def start(command: Sequence[str], environ: Mapping[str, str], out: Path, errors: Path) -> Forked:
    """``out`` and ``errors``: files that are appended to."""
    wanted = {"arguments": command[1:], "environ": dict(environ), "out": str(out), "errors": str(errors)}
    return Forked(_parent(), _parent().ask({"start": wanted}))


def run(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """To its end, with what it said."""
    if not can_start(command):
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=timeout)
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        child = start(command, environ, out, errors)
        try:
            status = child.wait(timeout)
        finally:
            child.send_signal(signal.SIGKILL)  # nothing to one that has ended
        return subprocess.CompletedProcess(command, status, out.read_text("utf-8"), errors.read_text("utf-8"))


class Forked:
    """As much of ``subprocess.Popen`` as tests use, for a child of somebody else."""

    def __init__(self, parent: Parent, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._parent = parent
        self._handle = os.pidfd_open(pid)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._handle], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = self._parent.ask({"bury": self.pid})
            os.close(self._handle)
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)


class Parent:
    """The process that has imported everything, seen from the tests; it ends with them."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], start_new_session=True)
        self._turn = threading.Lock()
        theirs.close()

    def ask(self, message: dict[str, Any]) -> int:
        with self._turn:
            self._line.send(json.dumps(message).encode())
            return int(self._line.recv(LONGEST))

    def close(self) -> None:
        self._line.close()
        self._process.wait()


@cache
def _parent() -> Parent:
    parent = Parent()
    atexit.register(parent.close)
    return parent


# --- the process itself ---


def serve(line: socket.socket) -> dict[str, Any] | None:
    """Returns in each child with what it is to run, and in the parent, with None, when nobody asks any more."""
    while message := line.recv(LONGEST):
        told = json.loads(message)
        if "start" in told:
            pid = os.fork()
            if pid == 0:
                line.close()
                wanted: dict[str, Any] = told["start"]
                return wanted
            line.send(str(pid).encode())
        else:
            _, status = os.waitpid(told["bury"], 0)
            line.send(str(os.waitstatus_to_exitcode(status)).encode())
    return None


def become(wanted: dict[str, Any]) -> None:
    """Run the program as Python would. Its end is the end of this process."""
    os.setsid()
    os.environ.clear()
    os.environ.update(wanted["environ"])
    for number, name in ((1, wanted["out"]), (2, wanted["errors"])):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), number)
    arguments = wanted["arguments"]
    sys.argv = arguments[len(program(arguments)) - 1 :]
    if arguments[0] == "-m":
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(arguments[0], run_name="__main__")


def main() -> None:
    import cli  # noqa: F401 - and all that it imports
    import server  # noqa: F401
    import simulator.app  # noqa: F401

    gc.collect()
    gc.freeze()  # a child's collector leaves these pages alone: they stay shared
    if wanted := serve(socket.socket(fileno=int(sys.argv[1]))):
        become(wanted)


if __name__ == "__main__":
    main()
