"""The simulator for clients that other people wrote, and an address that collects its notifications.

The clients are used as they are; only the address they call is set.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Inbox:
    """What was notified, and where. Nothing is acknowledged before a test has looked at it: 500, and come again."""

    url: str = ""
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def next(self) -> tuple[dict[str, str], bytes]:
        end = time.monotonic() + 8
        while not self.messages:
            assert time.monotonic() < end, "no notification came"
            time.sleep(0.02)
        return self.messages.pop(0)


class Sim:
    """The process, its controls, and the phone of a user."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.port = int(re.search(r"http://\S+:(\d+)", self.process.stdout.readline())[1])
        self.base = f"http://127.0.0.1:{self.port}"
        self.merchant = self.control("GET", "merchant")

    def control(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, f"/_sim/{path}", None if body is None else json.dumps(body).encode())
            response = connection.getresponse()
            assert response.status == 200, response.status
            return json.loads(response.read())
        finally:
            connection.close()

    def openid(self) -> str:
        openid = "o" + secrets.token_hex(13) + "x"
        self.control("POST", "login", {"openid": openid})
        return openid

    def beijing_day(self) -> str:
        """Today where the simulator's bills are made, as yyyy-mm-dd."""
        now = datetime.fromtimestamp(self.control("GET", "clock")["now"], UTC)
        return (now + timedelta(hours=8)).date().isoformat()

    def complaints(self) -> list[dict[str, Any]]:
        return self.control("GET", "complaints")["complaints"]

    def stop(self) -> int:
        self.process.terminate()
        status = self.process.wait(10)
        self.process.stdout.close()
        return status


@pytest.fixture(scope="session")
def sim() -> Iterator[Sim]:
    running = Sim()
    yield running
    assert running.stop() == 0


@pytest.fixture
def own_sim() -> Iterator[Callable[[], Sim]]:
    """Simulators whose clock a test may move."""
    started: list[Sim] = []

    def start() -> Sim:
        started.append(Sim())
        return started[-1]

    yield start
    for running in started:
        assert running.stop() == 0


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    collected = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collected.messages.append((dict(self.headers.items()), body))
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected.url = f"http://127.0.0.1:{server.server_address[1]}/notify"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield collected
    server.shutdown()
    server.server_close()
    thread.join(5)
