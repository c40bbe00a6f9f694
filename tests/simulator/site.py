"""The merchant's notify addresses on a real socket: they remember what came, and answer as they are told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.simulator.process import fields_of

ACK = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def xml(self) -> dict[str, str]:
        return fields_of(self.body)


@dataclass
class Merchant:
    """A notify address that remembers what came, and answers as it is told: (status, headers, body) per path."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    replies: dict[str, Callable[[], tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [received for received in self.received if received.path == path]

    def answer(self, path: str, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> str:
        """Answer so at this path from now on; gives the URL."""
        self.replies[path] = lambda: (status, headers or {}, body)
        return self.url(path)


class Server(ThreadingHTTPServer):
    """Many may knock at once, and a caller may leave before it is answered."""

    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        assert isinstance(sys.exc_info()[1], ConnectionError)


def _handler(merchant: Merchant) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            merchant.received.append(Received(self.path, dict(self.headers.items()), body))
            status, headers, reply = merchant.replies.get(self.path, lambda: (204, {}, b""))()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    return Handler


@contextmanager
def opened() -> Iterator[Merchant]:
    merchant = Merchant()
    server = Server(("127.0.0.1", 0), _handler(merchant))
    merchant.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield merchant
    server.shutdown()
    server.server_close()
    thread.join(5)
