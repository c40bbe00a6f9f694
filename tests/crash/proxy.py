"""A TCP proxy at one wire of the server, which sees what crosses it message by message and may cut it at any byte.

On all wires here (server and database, server and gateway, buyer and server) one side asks and the other answers, so
whoever speaks after the other has answered begins a new message: no more of a protocol is understood than its name.
It knows nothing of payments, and changes no byte.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import socketserver
import threading
from collections.abc import Callable

Watch = Callable[[str, str], int | None]
"""Told "before" a message goes on and "after" its answer has come, with its name; what it returns is done: None lets
everything through, a number lets so many bytes through and then cuts both sides."""

COM_QUERY = b"\x00\x03"  # the first packet of an exchange; a statement in text
WRITE = re.compile(rb"(INSERT INTO|UPDATE|DELETE FROM) `(?!job_runs|refusals)(\w+)`")  # a heartbeat is no step
NUMBER = re.compile(r"/[A-Z0-9]{16,}")


class Sql:
    """The names of one connection's statements: ``UPDATE orders``, ``COMMIT of orders, state_log``, ``SELECT``."""

    def __init__(self) -> None:
        self._written: list[str] = []

    def __call__(self, said: bytes) -> str:
        if said[3:5] != COM_QUERY:
            return ""
        if write := WRITE.match(said, 5):
            verb, table = write[1].decode().split()[0], write[2].decode()
            self._written.append(table)
            return f"{verb} {table}"
        verb = said[5:40].split()[0].decode("ascii", "replace").upper()
        written = ", ".join(dict.fromkeys(self._written))
        if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
            self._written.clear()
        return f"COMMIT of {written}" if verb == "COMMIT" and written else verb


class Http:
    """The names of one connection's requests: ``POST /api/orders/{no}/pay``."""

    def __call__(self, said: bytes) -> str:
        line = said.split(b"\r\n", 1)[0].decode("ascii", "replace")
        method, _, rest = line.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        return f"{method} {NUMBER.sub('/{no}', path)}" if method.isupper() and path.startswith("/") else ""


class Wire:
    """Listens on ``port`` and leads to ``target``, a port of this machine, until it is closed."""

    def __init__(self, target: int, names: Callable[[], Callable[[bytes], str]]) -> None:
        self.target = target
        self.names = names
        self.watch: Watch = let_through
        wire = self

        class Link(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire._carry(self.request)

        self._server = _Listener(("127.0.0.1", 0), Link)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _carry(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            names, name, asked = self.names(), "", False
            while True:
                for end in select.select([near, far], [], [])[0]:
                    if not (chunk := end.recv(1 << 16)):
                        return
                    through = None
                    if asked != (end is near):  # the turn has changed: a message begins, or its answer
                        asked = end is near
                        name = names(chunk) if asked else name
                        through = self.watch("before" if asked else "after", name) if name else None
                    (far if end is near else near).sendall(chunk[:through])
                    if through is not None:
                        return


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def let_through(moment: str, name: str) -> int | None:
    return None


def through(wire: Wire, url: str) -> str:
    """The database's URL by way of the wire."""
    return re.sub(r":\d+/", f":{wire.port}/", url)


def is_write(name: str) -> bool:
    """A statement that changes a row, or the COMMIT of some."""
    return name.startswith(("INSERT ", "UPDATE ", "DELETE ", "COMMIT of "))
