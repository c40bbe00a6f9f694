"""The transport on real sockets: what comes back, what certainly never left, and what nobody knows."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import time

import pytest

from adapters.errors import NotSent, OutcomeUnknown
from adapters.transport import Response, Transport
from tests.adapters.wire import Authority, cut, http, reset, say, wire

CANARY = "canary-0123456789"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def ask(script, *, tls=None, calls=1, method="GET", body=None, path="/pay", headers=None, **options):
    """Call a scripted server; the responses or the error, what the server saw, and the seconds it took."""

    async def run():
        async with wire(script, tls) as server:
            transport = Transport(**options)
            began = time.monotonic()
            try:
                url = server.url + path
                found = [await transport.request(method, url, headers=headers or {}, body=body) for _ in range(calls)]
            except (NotSent, OutcomeUnknown) as error:
                found = error
            finally:
                transport.close()
            return found, server, time.monotonic() - began

    return asyncio.run(run())


def call(url, **options):
    async def run():
        transport = Transport(**options)
        try:
            return await transport.request("GET", url, headers={})
        finally:
            transport.close()

    return asyncio.run(run())


# --- answers ---


def test_exact_bytes_out_and_in():
    body = bytes(range(256))
    found, server, _ = ask(say(http(body, X="1")), method="POST", body=body, headers={"Content-Type": "text/xml"})
    assert (found[0].status, found[0].body, found[0].headers["x"]) == (200, body, "1")
    head, sent = server.requests[0].split(b"\r\n\r\n", 1)
    assert sent == body
    assert head.startswith(b"POST /pay HTTP/1.1\r\n")
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert sorted(names) == [b"accept", b"content-length", b"content-type", b"host", b"user-agent"]


def test_a_user_agent_that_is_not_empty():
    _, server, _ = ask(say(http()))
    assert b"\r\nUser-Agent: wechat-pay-backend/" in server.requests[0]
    assert b"accept-encoding" not in server.requests[0].lower()


def test_path_and_query_go_out_as_they_were_signed():
    path = "/v3/refunds/R%7C2024%2A1%402?a=%20b&c=+&d=%2f"
    _, server, _ = ask(say(http()), path=path)
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("status", ["204 No Content", "301 Moved", "404 Not Found", "429 Slow", "500 Oops", "503 Busy"])
def test_every_status_is_an_answer(status):
    body = b"" if status.startswith("204") else b"words"
    found, _, _ = ask(say(http(body, status)))
    assert (found[0].status, found[0].body) == (int(status[:3]), body)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(status):
    found, server, _ = ask(say(http(b"", status, Location="/elsewhere")), method="POST", body=b"x")
    assert found[0].status == int(status[:3])
    assert len(server.requests) == 1


def test_headers_are_found_in_any_case_and_repeats_are_joined():
    found, _, _ = ask(say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nwechatpay-nonce: a\r\nWechatpay-Nonce: b\r\n\r\n"))
    assert found[0].headers["WECHATPAY-NONCE"] == "a,b"


def test_connections_are_kept_alive():
    found, server, _ = ask(say(http(b"ok")), calls=20)
    assert [each.body for each in found] == [b"ok"] * 20
    assert server.connections == 1


def test_a_body_is_in_no_repr():
    assert CANARY not in repr(Response(200, {}, CANARY.encode()))


# --- TLS ---


def test_tls_connections_are_kept_alive(authority):
    _, server, _ = ask(say(http(b"ok")), tls=authority.server(), ca_certs=str(authority.ca), calls=20)
    assert (server.connections, len(server.requests)) == (1, 20)


@pytest.mark.parametrize("case", ["system authorities only", "another host", "expired"])
def test_tls_is_verified(authority, case):
    context = {
        "system authorities only": authority.server(),
        "another host": authority.server("127.0.0.2"),
        "expired": authority.server(days=-1),
    }[case]
    trusted = {} if case == "system authorities only" else {"ca_certs": str(authority.ca)}
    found, server, _ = ask(say(http()), tls=context, **trusted)
    assert isinstance(found, NotSent)
    assert server.requests == []


def test_no_tls_where_tls_is_due():
    async def run():
        async def plain(_reader, writer):
            writer.write(http(b"", "400 Bad Request"))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            transport = Transport()
            with pytest.raises(NotSent):
                await transport.request("GET", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", headers={})
            transport.close()

    asyncio.run(run())


# --- certainly not sent ---


def test_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent):
            call(f"http://127.0.0.1:{free.getsockname()[1]}/pay")


def test_no_such_host():
    with pytest.raises(NotSent):
        call("http://nonexistent.invalid/pay")


def test_no_address_at_all():
    with pytest.raises(NotSent):
        call("http://127.0.0.1:99999/pay")


def test_no_connection_in_time():
    """Nobody accepts, and the queue of those who wait for it is full: nothing was sent, however long it took."""
    with socket.socket() as deaf, contextlib.ExitStack() as queue:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(8):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        with pytest.raises(NotSent, match="curl 28"):
            call(f"http://127.0.0.1:{deaf.getsockname()[1]}/pay")


def test_no_handshake_in_time():
    async def run():
        async with wire(say()) as server:
            transport = Transport(connect_timeout=0.3)
            try:
                with pytest.raises(NotSent, match="curl 28"):
                    await transport.request("POST", f"https://127.0.0.1:{server.port}/pay", headers={}, body=b"pay")
            finally:
                transport.close()
            return server.connections, server.requests

    assert asyncio.run(run()) == (1, [])


def test_no_free_connection():
    async def slow(_request, _writer):
        await asyncio.sleep(30)

    async def run():
        async with wire(slow) as server:
            transport = Transport(connect_timeout=0.2, deadline=0.6, max_clients=1)
            calls = [transport.request("GET", server.url, headers={}) for _ in range(3)]
            errors = await asyncio.gather(*calls, return_exceptions=True)
            transport.close()
            return sorted(type(error).__name__ for error in errors), len(server.requests)

    kinds, requests = asyncio.run(run())
    assert kinds == ["NotSent", "NotSent", "OutcomeUnknown"]
    assert requests == 1


# --- nobody knows ---


@pytest.mark.parametrize(
    "script",
    [
        cut(),
        reset,
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"),
        cut(b"no http at all\r\n\r\n"),
        cut(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 400_000 + b"\r\n\r\n"),
    ],
    ids=["closed", "reset", "body cut", "chunk cut", "not http", "endless head"],
)
def test_a_broken_answer_leaves_the_outcome_unknown(script):
    found, server, _ = ask(script, method="POST", body=b"pay")
    assert isinstance(found, OutcomeUnknown)
    assert server.requests[0].endswith(b"\r\n\r\npay")


@pytest.mark.parametrize("end", [cut(), reset], ids=["closed", "reset"])
def test_nothing_with_a_body_is_sent_twice_on_its_own(end):
    """The second call meets a kept-alive connection that dies before a byte of the answer."""
    turns = [say(http(b"ok")), end, say(http(b"repeated"))]

    async def script(request, writer):
        await turns.pop(0)(request, writer)

    found, server, _ = ask(script, method="POST", body=b"pay", calls=2)
    assert isinstance(found, OutcomeUnknown)
    assert len(server.requests) == 2


def test_silence_on_a_connection_that_was_kept_alive_leaves_the_outcome_unknown():
    turns = [say(http(b"ok")), say()]

    async def script(request, writer):
        await turns.pop(0)(request, writer)

    found, server, _ = ask(script, method="POST", body=b"pay", calls=2, deadline=1)
    assert isinstance(found, OutcomeUnknown)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_the_deadline_covers_the_last_byte():
    async def drip(_request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.1)

    found, _, seconds = ask(drip, deadline=0.5)
    assert isinstance(found, OutcomeUnknown)
    assert 0.4 < seconds < 2


def test_the_deadline_covers_the_first_byte():
    async def silence(_request, _writer):
        await asyncio.sleep(30)

    found, _, seconds = ask(silence, deadline=0.3)
    assert isinstance(found, OutcomeUnknown)
    assert seconds < 2


def chunked(size):
    async def script(_request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"x" * 65_536
        for _ in range(size // len(block)):
            writer.write(b"%x\r\n%s\r\n" % (len(block), block))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    return script


@pytest.mark.parametrize("script", [say(http(b"x" * 1_000_001)), chunked(64_000_000)], ids=["told", "untold"])
def test_a_huge_body_is_cut_off(script):
    found, _, seconds = ask(script)
    assert isinstance(found, OutcomeUnknown)
    assert seconds < 2


def test_the_largest_body_allowed():
    found, _, _ = ask(say(http(b"x" * 1_000_000)))
    assert len(found[0].body) == 1_000_000


def test_a_compressed_bomb_stays_compressed():
    bomb = gzip.compress(b"\0" * 50_000_000)
    found, _, _ = ask(say(http(bomb, **{"Content-Encoding": "gzip"})))
    assert found[0].body == bomb


# --- what is not said ---


def test_no_query_header_or_body_in_any_error_or_log_line(caplog):
    caplog.set_level(logging.DEBUG)
    canaries = {"headers": {"Authorization": CANARY, "X": CANARY}, "path": f"/v3/no/WX241121ABC?secret={CANARY}"}
    scripts = [say(http(CANARY.encode(), X=CANARY)), cut(), reset, say(http(b"", "302 Found", Location=f"/{CANARY}"))]
    errors = [ask(script, method="POST", body=CANARY.encode(), **canaries)[0] for script in scripts]
    for url in ("http://nonexistent.invalid", "http://127.0.0.1:1", "http://127.0.0.1:99999", "http://[bad"):
        with pytest.raises((NotSent, ValueError)) as caught:
            call(f"{url}/?secret={CANARY}")
        errors.append(caught.value)
    told = [f"{error!r} {error.__cause__!r} {error.__context__!r}" for error in errors if isinstance(error, Exception)]
    assert len(told) >= 5
    assert not [line for line in told + [record.getMessage() for record in caplog.records] if CANARY in line]
    ours = [record.getMessage() for record in caplog.records if record.name == "pay.transport"]
    assert any(line.startswith("POST 127.0.0.1/v3/no/{} status=200 ms=") for line in ours)


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    found, _, _ = ask(say(http(b"direct")))
    assert found[0].body == b"direct"
