"""Drives an adapter against a scripted server, for the tests of its calls."""

from __future__ import annotations

import asyncio

from adapters.transport import Transport
from tests.adapters.wire import wire


def drive(make, script, use, *, base="", tls=None, **options):
    """What ``use(adapter)`` gives or raises against the script, and the requests that the server saw."""

    async def run():
        async with wire(script, tls) as server:
            transport = Transport()
            try:
                return await use(make(transport, base_url=server.url + base, **options)), server.requests
            except Exception as error:
                return error, server.requests
            finally:
                transport.close()

    return asyncio.run(run())


def in_turn(*answers):
    left = list(answers)

    async def script(_request, writer):
        writer.write(left.pop(0))

    return script
