"""``python -m simulator`` as a child on a free port, and plain HTTP to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def xml(self) -> dict[str, str]:
        return fields_of(self.body)

    @property
    def explanation(self) -> dict[str, str]:
        return json.loads(self.headers["x-sim-explain"])


def answered(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> Answer:
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


class Process:
    """``python -m simulator`` on a free port."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)", line)
        if not found:
            raise RuntimeError(f"the simulator did not start: {line}{self.process.stderr.read()}")
        self.port = int(found[1])
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.log.append(line)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(10)
        self._reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        return answered(connection, method, path, body, headers or {})

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = self.call(method, f"/_sim/{path}", None if body is None else json.dumps(body).encode())
        assert answer.status == 200, answer
        return answer.json


def fields_of(body: bytes) -> dict[str, str]:
    """Fields of a flat XML message, read without a parser: CDATA or plain."""
    pattern = r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>"
    return {name: cdata or plain for name, cdata, plain in re.findall(pattern, body.decode("utf-8"), re.DOTALL)}


def xml_of(fields: dict[str, str]) -> bytes:
    return ("<xml>" + "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in fields.items()) + "</xml>").encode()
