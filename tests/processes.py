"""Processes of the tests: started when they answer, stopped or killed, their log kept in a file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import preloaded

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0  # seconds: for a machine that is busy with much else; what comes, comes long before


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.02) -> Any:
    """What ``check`` returns once it is true. Fails with the last value if it never is. What takes its time is asked
    about less and less often, up to four times a second: a question costs those who are at work some milliseconds."""
    until = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < until, f"still {value!r} after {seconds} s"
        time.sleep(pause)
        pause = max(pause, min(pause * 1.3, 0.25))


def clean_environ() -> dict[str, str]:
    """Ours, without what would configure a server."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("WECHAT_", "DATABASE_URL", "PAY_"))}


@dataclass
class Process:
    """A child in a session of its own, logging to a file. ``fresh``: it imports what it needs by itself."""

    command: list[str]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    child: subprocess.Popen[bytes] | preloaded.Forked | None = None

    def start(self, ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
        self.child = self._begin({**clean_environ(), **self.environ})
        until = time.monotonic() + seconds
        while not ready():
            ended = self.child.poll()
            assert ended is None, f"ended with {ended}:\n{self.text()}"
            assert time.monotonic() < until, f"not ready after {seconds} s:\n{self.text()}"
            time.sleep(0.03)

    def _begin(self, environ: dict[str, str]) -> subprocess.Popen[bytes] | preloaded.Forked:
        if preloaded.can_start(self.command) and not self.fresh:
            return preloaded.start(self.command, environ, self.log, self.log)
        with self.log.open("ab") as out:
            return subprocess.Popen(self.command, cwd=ROOT, env=environ, stdout=out, stderr=out, start_new_session=True)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(PATIENCE)

    def kill(self) -> None:
        """SIGKILL to it and to its children."""
        assert self.child is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(PATIENCE)

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""
