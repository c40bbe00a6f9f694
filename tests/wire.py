"""Bytes to a server as they are, over plain sockets: what a polite client cannot be made to send, and a lot of it.

Judges nothing; every answer is handed back as it came, a cut connection as status 0.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Header = tuple[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` 0: the connection was closed without an answer."""

    status: int
    head: bytes = b""
    body: bytes = b""


CUT = Answer(0)


def request(method: str, path: str, headers: Iterable[Header] = (), body: bytes = b"", host: str = "shop") -> bytes:
    """One HTTP/1.1 request as bytes. Headers may stand twice and hold any byte."""
    lines = [f"{method} {path} HTTP/1.1".encode("latin-1", "replace"), f"Host: {host}".encode()]
    for name, value in headers:
        lines.append(name.encode() + b": " + (value.encode() if isinstance(value, str) else value))
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}".encode())
    return b"\r\n".join([*lines, b"", b""]) + body


def send(port: int, raw: bytes) -> Answer:
    """One request on a connection of its own."""
    return send_all([port], [raw])[0]


def send_all(ports: Sequence[int], requests: Sequence[bytes], connections: int = 16) -> list[Answer]:
    """All requests, over kept-alive connections spread evenly over the ports; the answers in order.

    Every connection is open before the first request leaves.
    """
    return asyncio.run(_send_all(ports, requests, min(connections, len(requests))))


async def _send_all(ports: Sequence[int], requests: Sequence[bytes], connections: int) -> list[Answer]:
    answers = [CUT] * len(requests)
    left = iter(range(len(requests)))
    lanes = [Lane(ports[i % len(ports)]) for i in range(connections)]
    for first in range(0, connections, 100):  # a listening socket queues 128 connections
        await asyncio.gather(*(lane.open() for lane in lanes[first : first + 100]))

    async def work(lane: Lane) -> None:
        for index in left:
            answers[index] = await lane.ask(requests[index])
        await lane.close()

    await asyncio.gather(*(work(lane) for lane in lanes))
    return answers


class Lane:
    """One connection, opened again if the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    @property
    def closed(self) -> bool:
        """By the server, meanwhile."""
        return self._reader.at_eof()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):  # the server was faster
            await self._writer.wait_closed()

    async def ask(self, raw: bytes) -> Answer:
        try:
            self._writer.write(raw)
            answer = await asyncio.wait_for(self._answer(), 20)
        except (OSError, asyncio.IncompleteReadError):
            answer = CUT
        if answer is CUT or _closing(answer):
            await self.close()
            await self.open()
        return answer

    async def _answer(self) -> Answer:
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        return Answer(status, head, await self._reader.readexactly(int(fields.get(b"content-length", 0))))


def _closing(answer: Answer) -> bool:
    """Said so; or a 400 of Tornado's own, which has no headers and is its last word."""
    head = answer.head.lower()
    return b"connection: close" in head or (answer.status == 400 and b"content-length" not in head)
