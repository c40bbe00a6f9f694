"""The one place that opens a connection to a provider: bytes out as they were signed, bytes in as they arrived.

It must not know what the bytes mean, must not log or raise a body, a header or a query (code2session carries the
AppSecret in its query), and must not repeat anything on its own. libcurl would: when a kept-alive connection closes
before the first byte of an answer, it sends again on a new one. For a body that is switched off here (see ``_harden``);
a GET, which changes nothing, may be repeated.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pycurl
from tornado.curl_httpclient import CurlAsyncHTTPClient, CurlError
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from adapters.errors import NotSent, OutcomeUnknown
from adapters.hosts import Host

logger = logging.getLogger("pay.transport")

USER_AGENT = "wechat-pay-backend/0.1 (python; libcurl)"  # WeChat refuses an empty one (v3.md 1)

# PyPI's pycurl brings a libcurl that looks for Red Hat's bundle only; these are where other systems keep theirs.
CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_NUMBER = re.compile(r"/(?:[^/]*\d){3}[^/]*")  # a path segment with three digits or more is somebody's number


@dataclass(frozen=True, slots=True)
class Response:
    """Any HTTP answer, good or bad. ``headers`` is case-insensitive; repeated headers are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCert:
    """What mutual TLS takes: PEM files of our certificate and key, and of authorities other than the transport's."""

    cert_file: str
    key_file: str
    ca_certs: str | None = None


class Transport:
    """Kept-alive connections to providers, with deadlines and size caps.

    ``connect_timeout`` is the seconds to wait for one of ``max_clients`` connections, and again to make it;
    ``deadline`` is for everything, from the call to the last byte of the answer, and is more than both. ``max_body`` is
    bytes as they cross the wire: nothing is decompressed, so a compressed bomb stays small. The ``file_`` twins are for
    downloads. ``ca_certs`` is a PEM file of the authorities to trust instead of the system's. TLS chain and host name
    are always verified, redirects are never followed, proxies of the environment are ignored. A host that cannot be
    reached is left alone for a while, and the clock of one that answers is compared with ours (``hosts``).
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 2.0,
        deadline: float = 5.0,
        max_body: int = 1_000_000,
        max_clients: int = 50,
        file_deadline: float = 60.0,
        file_max_body: int = 256_000_000,
        ca_certs: str | None = None,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clocks = (steady, wall)
        self._hosts: dict[str, Host] = {}
        self._connect_timeout = connect_timeout
        self._ca_certs = ca_certs or _system_ca_bundle()
        self._calls = _Lane(max_clients, deadline, max_body)
        self._files = _Lane(2, file_deadline, file_max_body)
        # At DEBUG Tornado's client logs whole URLs, headers and bodies. No log level of ours may switch that on.
        logging.getLogger("tornado.curl_httpclient").setLevel(logging.INFO)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        client_cert: ClientCert | None = None,
    ) -> Response:
        """Send once and return whatever HTTP answer came, 3xx, 4xx and 5xx included. ``body`` goes out untouched.

        ``client_cert`` is shown to a server that asks for one.

        Raises NotSent if the request certainly did not leave (DNS, refused, TLS handshake, no connection in time, a
        host that is left alone), OutcomeUnknown for every other way of not getting a whole answer.
        """
        request = self._prepare(method, url, headers, body, client_cert)
        answer = await self._exchange(self._calls, request)
        return Response(answer.code, answer.headers, answer.body)

    async def download(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        client_cert: ClientCert | None = None,
        target: Path,
    ) -> Response:
        """As ``request``, but the answer's body, of whatever status, goes into the file ``target`` as it arrives.

        ``Response.body`` is empty. OutcomeUnknown too if the file cannot be written; part of it may then be there.
        """
        request = self._prepare(method, url, headers, body, client_cert)
        with _Sink(target) as sink:
            request.streaming_callback = sink.write
            answer = await self._exchange(self._files, request)
        return Response(answer.code, answer.headers, b"")

    def close(self) -> None:
        """Close every connection. The transport is not usable afterwards."""
        self._calls.close()
        self._files.close()

    def _prepare(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, shown: ClientCert | None
    ) -> HTTPRequest:
        request = HTTPRequest(
            url,
            method=method,
            headers=HTTPHeaders(headers),
            body=body,
            user_agent=USER_AGENT,
            connect_timeout=self._connect_timeout,
            follow_redirects=False,
            decompress_response=False,
            validate_cert=True,
            ca_certs=self._ca_certs,
        )
        if shown is not None:
            request.client_cert, request.client_key = shown.cert_file, shown.key_file
            request.ca_certs = shown.ca_certs or self._ca_certs
        return request

    async def _exchange(self, lane: _Lane, request: HTTPRequest) -> HTTPResponse:
        began = time.monotonic()
        where = f"{request.method} {_template(request.url)}"
        host = self._host(request.url)
        host.enter()
        try:
            async with asyncio.timeout(self._connect_timeout):
                await lane.slots.acquire()
        except TimeoutError:
            raise NotSent(f"{where}: no free connection") from None
        try:
            left = lane.deadline - (time.monotonic() - began)
            request.request_timeout = max(left, 0.001)  # libcurl refuses a time that is over: a machine stood still
            answer = await _fetch(lane.client, request, where)
        except NotSent:
            host.missed()
            raise
        finally:
            lane.slots.release()
        host.answered(answer.headers.get("Date"))
        logger.info("%s status=%d ms=%d", where, answer.code, round(1000 * (time.monotonic() - began)))
        return answer

    def skew(self, url: str) -> int:
        """Our clock minus that of the host, in seconds, as its newest answers say; 0 if there are none."""
        return self._host(url).skew

    def _host(self, url: str) -> Host:
        name = urlsplit(url).netloc.rpartition("@")[2]
        return self._hosts.setdefault(name, Host(name, *self._clocks))


class _Lane:
    """So many connections at once, so many seconds for a call, so many bytes for an answer."""

    def __init__(self, clients: int, deadline: float, max_body: int) -> None:
        self.slots = asyncio.Semaphore(clients)
        self.deadline = deadline
        self._clients = clients
        self._max_body = max_body
        self._client: CurlAsyncHTTPClient | None = None

    @property
    def client(self) -> CurlAsyncHTTPClient:
        """Made when it is first wanted, because it belongs to the running loop."""
        if self._client is None:
            self._client = CurlAsyncHTTPClient(
                force_instance=True, max_clients=self._clients, max_body_size=self._max_body
            )
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class _Sink:
    """A file that an answer flows into. What goes wrong there is kept for the caller, not raised into libcurl."""

    def __init__(self, target: Path) -> None:
        self._failed: OSError | None = None
        try:
            self._file = target.open("wb")
        except OSError as error:
            raise NotSent(f"cannot write the download: {error.strerror}") from None

    def write(self, piece: bytes) -> None:
        try:
            if self._failed is None and not self._file.closed:  # closed: the caller has gone, the answer not yet
                self._file.write(piece)
        except OSError as error:
            self._failed = error

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._failed = error
        if self._failed is not None and kind is None:
            raise OutcomeUnknown(f"cannot write the download: {self._failed.strerror}")


async def _fetch(client: CurlAsyncHTTPClient, request: HTTPRequest, where: str) -> HTTPResponse:
    """``from None``: the original exception holds the request, and the request holds secrets."""
    begun = asyncio.Event()
    request.prepare_curl_callback = partial(_harden, begun)
    try:
        return await client.fetch(request, raise_error=False)
    except CurlError as error:
        kind = OutcomeUnknown if begun.is_set() else NotSent
        raise kind(f"{where}: {error.message or 'no answer'} (curl {error.errno})") from None


def _harden(begun: asyncio.Event, curl: pycurl.Curl) -> None:
    """What Tornado leaves to libcurl's defaults and we do not. ``begun`` is set when a request may begin to leave."""
    curl.setopt(pycurl.PROXY, "")  # unset would mean: whatever the environment says
    curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
    curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.NOSIGNAL, 1)
    # A body that cannot be rewound is never sent a second time: libcurl gives up instead, and the caller decides.
    curl.setopt(pycurl.SEEKFUNCTION, _no_rewind)
    # Called when a connection is there, with its TLS, and before the first byte of a request goes out on it.
    curl.setopt(pycurl.PREREQFUNCTION, partial(_begin, begun))


def _begin(begun: asyncio.Event, *_addresses: object) -> int:
    begun.set()
    return pycurl.PREREQFUNC_OK


def _no_rewind(_offset: int, _origin: int) -> int:
    return pycurl.SEEKFUNC_FAIL


def _system_ca_bundle() -> str | None:
    """The system's trusted authorities; None leaves libcurl's own idea, and then TLS fails in words."""
    named = ssl.get_default_verify_paths().cafile
    candidates = [named, *CA_BUNDLES] if named else CA_BUNDLES
    return next((path for path in candidates if Path(path).is_file()), None)


def _template(url: str) -> str:
    """Host and path with numbers blanked and without the query: fit for a log line or an error."""
    parts = urlsplit(url)
    return f"{parts.hostname}{_NUMBER.sub('/{}', parts.path)}"
