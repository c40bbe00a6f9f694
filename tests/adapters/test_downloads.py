"""Downloads into a file, over real sockets; and certificates shown to a server that asks for one."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
from pathlib import Path

import pytest

from adapters.errors import NotSent, OutcomeUnknown
from adapters.transport import ClientCert, Transport
from tests.adapters.test_bill import WHOLE
from tests.adapters.wire import Authority, cut, http, reset, say, wire

PACKED = gzip.compress(WHOLE)


def fetch(script, target, *, method="GET", body=None, **options):
    """Download from a scripted server; the response or the error, and what the server saw."""

    async def run():
        async with wire(script) as server:
            transport = Transport(**options)
            try:
                return await transport.download(method, f"{server.url}/file?a=1", headers={}, body=body, target=target)
            except (NotSent, OutcomeUnknown) as error:
                return error
            finally:
                transport.close()

    return asyncio.run(run())


def flood(size, block=b"x" * 65_536):
    async def script(_request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()

    return script


# --- the transport ---


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops"])
def test_every_answer_goes_into_the_file(tmp_path, status):
    target = tmp_path / "file"
    found = fetch(say(http(bytes(range(256)), status, X="1")), target)
    assert (found.status, found.headers["x"], found.body) == (int(status[:3]), "1", b"")
    assert target.read_bytes() == bytes(range(256))


def test_what_is_sent_is_sent_as_it_is(tmp_path):
    seen = []

    async def script(request, writer):
        seen.append(request)
        writer.write(http(b"bill"))

    fetch(script, tmp_path / "file", method="POST", body=b"\x00signed")
    assert seen[0].startswith(b"POST /file?a=1 HTTP/1.1\r\n")
    assert seen[0].endswith(b"\r\n\r\n\x00signed")


def test_a_file_that_was_there_is_replaced(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"longer than what comes")
    fetch(say(http(b"new")), target)
    assert target.read_bytes() == b"new"


def test_a_large_file_passes_through_little_memory(tmp_path):
    size = 65_536 * 800
    target = tmp_path / "file"
    tracemalloc.start()
    try:
        assert fetch(flood(size), target).status == 200
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert target.stat().st_size == size


def test_a_file_larger_than_allowed(tmp_path):
    options = {"file_max_body": 1_000_000}
    assert isinstance(fetch(flood(65_536 * 800), tmp_path / "a", **options), OutcomeUnknown)
    assert (tmp_path / "a").stat().st_size <= 1_000_000
    assert fetch(say(http(b"x" * 1_000_000)), tmp_path / "b", **options).status == 200


@pytest.mark.parametrize("script", [cut(), reset, cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")])
def test_a_broken_download(tmp_path, script):
    assert isinstance(fetch(script, tmp_path / "file"), OutcomeUnknown)


def test_a_download_has_a_deadline_of_its_own(tmp_path):
    async def drip(_request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for _ in range(6):
            writer.write(b"x")
            await asyncio.sleep(0.1)

    assert fetch(drip, tmp_path / "file", deadline=0.2).status == 200
    began = time.monotonic()
    assert isinstance(fetch(drip, tmp_path / "file", file_deadline=0.2), OutcomeUnknown)
    assert time.monotonic() - began < 2


def test_a_folder_that_is_not_there(tmp_path):
    assert isinstance(fetch(say(http(b"x")), tmp_path / "no" / "file"), NotSent)


def test_a_full_disk():
    """Linux's own device for it; what is written to it fails as on a full disk."""
    found = fetch(flood(65_536 * 20), Path("/dev/full"))
    assert isinstance(found, OutcomeUnknown)
    assert "No space left" in str(found)


def test_a_compressed_file_stays_compressed(tmp_path):
    fetch(say(http(PACKED, **{"Content-Encoding": "gzip"})), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == PACKED


# --- certificates ---


def test_a_certificate_is_shown_only_where_it_is_given(tmp_path):
    authority = Authority(tmp_path)
    cert, key = authority.client()

    async def run():
        async with wire(say(http(b"in")), authority.server(mutual=True)) as server:
            transport = Transport()
            mine = ClientCert(cert, key, str(authority.ca))
            try:
                first = await transport.request("POST", server.url, headers={}, body=b"x", client_cert=mine)
                with pytest.raises((NotSent, OutcomeUnknown)):  # neither certificate nor trust is left over
                    await transport.request("POST", server.url, headers={}, body=b"y")
                return first.body, [request[-1:] for request in server.requests]
            finally:
                transport.close()

    assert asyncio.run(run()) == (b"in", [b"x"])


def test_without_a_certificate_the_server_refuses(tmp_path):
    authority = Authority(tmp_path)

    async def run():
        async with wire(say(http(b"in")), authority.server(mutual=True)) as server:
            transport = Transport(ca_certs=str(authority.ca))
            try:
                return await transport.request("GET", server.url, headers={}), server
            except (NotSent, OutcomeUnknown) as error:
                return error, server.requests
            finally:
                transport.close()

    error, requests = asyncio.run(run())
    assert isinstance(error, (NotSent, OutcomeUnknown))
    assert requests == []
