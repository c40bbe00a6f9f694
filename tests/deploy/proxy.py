"""The real nginx on the site that is shipped: names, ports and files are put in, nothing else is changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
from pathlib import Path

import httpx

from tests.adapters.wire import Authority
from tests.processes import ROOT, Process, free_port

SITE = ROOT / "deploy" / "nginx" / "pay.conf"
NAME = "localhost"  # stands for pay.example.com
FRAME = """
{user}
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    include {folder}/site.conf;
}}
"""


class Nginx:
    """In front of ``upstream``, a port of this machine. ``authority`` vouches for it."""

    def __init__(self, folder: Path, upstream: int, authority: Authority) -> None:
        self.folder = folder
        self.authority = authority
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://{NAME}:{self.port}"
        self.access_log, self.error_log = folder / "access.log", folder / "error.log"
        self._write(upstream)
        command = [self.program(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(self.error_log)]
        self.command = command
        self.process = Process(command, folder / "nginx.out")

    @staticmethod
    def program() -> str:
        return shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "")

    def start(self) -> None:
        self.process.start(self._listens)

    def client(self, address: str = "127.0.0.1") -> httpx.Client:
        """A client that comes from ``address``: every 127.x.x.x is this machine."""
        transport = httpx.HTTPTransport(
            verify=ssl.create_default_context(cafile=self.authority.ca), local_address=address
        )
        return httpx.Client(base_url=self.url, transport=transport, timeout=15)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _write(self, upstream: int) -> None:
        user = "user root root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(FRAME.format(user=user, folder=self.folder))
        (self.folder / "site.conf").write_text(self._site(upstream))

    def _site(self, upstream: int) -> str:
        """The shipped text. Every replacement must find its place, or the site has changed and this has not."""
        pem = str(self.authority.server_file(NAME))
        text = SITE.read_text("utf-8")
        for shipped, here in {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream};",
            "/etc/letsencrypt/live/pay.example.com/fullchain.pem": pem,
            "/etc/letsencrypt/live/pay.example.com/privkey.pem": pem,
            "/var/log/nginx/pay.log": str(self.access_log),
            "/var/www/acme": str(self.folder),
            "pay.example.com": NAME,
            "listen 80": f"listen 127.0.0.1:{self.plain_port}",
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "listen [::]:80": _listen6(self.plain_port),
            "listen [::]:443": _listen6(self.port),
        }.items():
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        return text


def _listen6(port: int) -> str:
    """On IPv6, where this machine has it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return f"listen [::1]:{port}"
    return "#"
