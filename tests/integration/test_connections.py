"""Who keeps a connection waiting loses it: without a request, in the middle of a head, in the middle of a body."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
import tornado.netutil
import tornado.web

from handlers.connections import LOOK_EVERY, Server

LIMIT = 0.3  # seconds
LATE = LIMIT + LOOK_EVERY
GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\n"


class Slow(tornado.web.RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(LATE + 0.5)
        self.write("done")

    def post(self) -> None:
        self.write(self.request.body)


Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _talk(client: Client, *, idle: float = 60, body: float = 60) -> None:
    async def served() -> None:
        server = Server(tornado.web.Application([("/", Slow)], log_function=lambda _: None), idle=idle, body=body)
        [socket] = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets([socket])
        reader, writer = await asyncio.open_connection(*socket.getsockname())
        try:
            async with asyncio.timeout(30):
                await client(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()
            server.stop()
            await server.close_all_connections()

    asyncio.run(served())


async def _ends_late(reader: asyncio.StreamReader) -> None:
    began = time.monotonic()
    assert await reader.read() == b""
    assert time.monotonic() - began > LIMIT - 0.05


async def _answered(reader: asyncio.StreamReader, body: bytes) -> None:
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(len(body)) == body


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET[:-2]])
def test_a_connection_without_a_whole_head_is_closed(sent: bytes) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await _ends_late(reader)

    _talk(client, idle=LIMIT)


def test_a_kept_connection_may_idle_as_long_again_after_each_answer() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(POST + b"four")
            await _answered(reader, b"four")
            await asyncio.sleep(LIMIT / 2)
        await _ends_late(reader)

    _talk(client, idle=LIMIT)


def test_a_body_that_does_not_end_costs_the_connection() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(POST + b"fo")
        await _ends_late(reader)

    _talk(client, body=LIMIT)


def test_an_answer_may_take_as_long_as_it_takes() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET)
        await _answered(reader, b"done")

    _talk(client, idle=LIMIT, body=LIMIT)
