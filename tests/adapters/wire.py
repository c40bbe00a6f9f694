"""A server on a real socket that answers what a test scripts, byte by byte; and an authority for its certificate."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import re
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def say(*chunks: bytes) -> Script:
    async def script(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(chunks))
        await writer.drain()

    return script


def cut(*chunks: bytes) -> Script:
    """Say that much, then close."""

    async def script(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(chunks))
        writer.close()

    return script


async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER of zero seconds: close with RST
    writer.transport.abort()


class Wire:
    """What the server saw. ``url`` is its address."""

    def __init__(self, script: Script, scheme: str) -> None:
        self.script = script
        self.scheme = scheme
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                if found := re.search(rb"(?i)content-length: *(\d+)", request):
                    request += await reader.readexactly(int(found[1]))
                self.requests.append(request)
                await self.script(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()
        except asyncio.CancelledError:  # the test is over
            writer.transport.abort()


@contextlib.asynccontextmanager
async def wire(script: Script, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Wire]:
    told = Wire(script, "https" if tls else "http")
    server = await asyncio.start_server(told.serve, "127.0.0.1", port, ssl=tls)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)


class Authority:
    """A certificate authority of its own: ``ca`` is its PEM file, ``server()`` a TLS context that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._issue(self._name, self._key, None, 1).public_bytes(Encoding.PEM))

    def client(self) -> tuple[str, str]:
        """The PEM files of a client's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test client")])
        certificate = self._issue(name, key, "127.0.0.1", 1)
        files = self._folder / "client_cert.pem", self._folder / "client_key.pem"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(files[0]), str(files[1])

    def server_file(self, address: str, days: int = 1) -> Path:
        """A server's key and certificate in one PEM file; ``address`` is an IP address or a host's name."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test server")])
        certificate = self._issue(name, key, address, days)
        path = self._folder / f"server{days}{address}.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
        return path

    def server(self, address: str = "127.0.0.1", days: int = 1, *, mutual: bool = False) -> ssl.SSLContext:
        """``mutual``: clients must show a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_file(address, days))
        if mutual:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _issue(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, address: str | None, days: int
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
        )
        if address is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(address)]), critical=False)
        return builder.sign(self._key, SHA256())


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)
