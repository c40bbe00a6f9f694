"""The nginx site as shipped, before the real server: what it lets through, and what it says itself."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from handlers.words import WORDS
from tests.adapters.wire import Authority
from tests.conftest import lacking
from tests.deploy.proxy import NAME, Nginx
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Simulator
from tests.processes import eventually, free_port
from tests.sale import Sale

LOGINS = 10


class Site(Fleet):
    """nginx, one server behind it, and a simulator that believes nginx's certificate."""

    nginx: Nginx
    server: Server

    def open(self, authority: Authority) -> Site:
        folder = self.folder / "nginx"
        folder.mkdir()
        upstream = free_port()
        self.nginx = Nginx(folder, upstream, authority)
        environ = {**V3.environ, "PUBLIC_URL": self.nginx.url, "LIMIT_LOGINS": str(LOGINS)}
        self.server = self.start(port=upstream, **environ)
        self.server.http = self.nginx.client()
        self.nginx.start()
        return self


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not Nginx.program():
        lacking("nginx is not installed: apt-get install nginx-light")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def site(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    simulator = Simulator(folder, SSL_CERT_FILE=str(authority.ca))
    with Site(folder, simulator, f"sqlite:///{folder / 'pay.db'}") as site:
        yield site.open(authority)
        assert site.nginx.process.stop() == 0
        logged = site.nginx.access_log.read_text() + site.nginx.error_log.read_text() + site.nginx.process.text()
        assert [secret for secret in site.server.secrets() if secret in logged] == []
    simulator.close()


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with site.nginx.client() as client:
        yield client


def test_nginx_has_no_complaint(site: Site) -> None:
    done = subprocess.run([*site.nginx.command, "-t"], capture_output=True, text=True, check=True)
    assert "[" not in done.stderr.replace("[::1]", ""), done.stderr  # no [warn], [notice], [emerg]
    assert "syntax is ok" in done.stderr


def test_a_whole_purchase_through_it(site: Site) -> None:
    buyer = Buyer(site.server)
    order_no = buyer.order("latte")["order_no"]
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")
    source = f"SELECT p.source FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.order_no = '{order_no}'"
    assert site.tables.one(source) == "notification"
    eventually(lambda: "POST /notify/wechat_v3/payment 204" in site.nginx.access_log.read_text())
    assert site.server.http.get("/pictures/latte.svg").status_code == 200


def test_who_asks_is_who_connects(site: Site) -> None:
    """Whatever address a client claims, its own is limited: by the server, which nginx tells."""
    forged = ({name: f"203.0.113.{number}"} for number in range(LOGINS) for name in ("X-Real-Ip", "X-Forwarded-For"))
    with site.nginx.client("127.0.0.2") as flooder, site.nginx.client("127.0.0.3") as other:
        answers = [flooder.post("/api/login", json={"code": "x"}, headers=headers) for headers in forged]
        assert Counter(answer.status_code for answer in answers) == {401: LOGINS, 429: LOGINS}
        assert "Retry-After" in answers[-1].headers  # nginx itself says none
        assert other.post("/api/login", json={"code": "x"}).status_code == 401


def test_nginx_limits_shoppers_and_no_notification(site: Site) -> None:
    notice = Sale.unnoticed(site.server, site.tables).notice()
    site.simulator.clear_faults()

    def flood(send: str) -> Counter[int]:
        with site.nginx.client("127.0.0.4") as client, ThreadPoolExecutor(8) as pool:
            if send == "login":
                answers = pool.map(lambda _: client.post("/api/login", json={}), range(200))
            else:
                said = {"content": notice.body, "headers": notice.headers}
                answers = pool.map(lambda _: client.post(notice.path, **said), range(200))
            seen = list(answers)
        refused = next((each for each in seen if each.status_code == 429), None)
        assert refused is None or refused.json()["error"]["code"] == "too_many_requests"
        return Counter(answer.status_code for answer in seen)

    shoppers = flood("login")
    assert shoppers.keys() == {400, 429}
    assert shoppers[400] >= 60
    assert flood("notify") == {204: 200}


@pytest.mark.parametrize("size", [100_000, 200_000])
def test_a_body_that_is_too_large_is_refused_in_words(site: Site, size: int) -> None:
    """64 KB is the server's limit, 128 KB nginx's: the same words from both."""
    with site.nginx.client("127.0.0.5") as client:
        reply = client.post("/api/login", content=b" " * size)
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")
        assert client.post("/notify/wechat_v3/payment", content=b" " * 200_000).status_code == 413


def test_plain_http_is_sent_to_https(site: Site) -> None:
    plain = f"http://{NAME}:{site.nginx.plain_port}"
    reply = httpx.get(f"{plain}/api/orders?page=2")
    assert (reply.status_code, reply.headers["Location"]) == (301, f"https://{NAME}/api/orders?page=2")
    with pytest.raises(httpx.RemoteProtocolError):  # another name: not a byte
        httpx.get(f"{plain}/api/orders", headers={"Host": "evil.example"})


def test_another_name_gets_no_certificate(site: Site) -> None:
    context = ssl.create_default_context(cafile=site.nginx.authority.ca)
    for name in ("evil.example", NAME):
        with socket.create_connection(("127.0.0.1", site.nginx.port), 5) as raw:
            if name == NAME:
                with context.wrap_socket(raw, server_hostname=name) as secure:
                    assert secure.version() in ("TLSv1.2", "TLSv1.3")
            else:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(raw, server_hostname=name)


INNER = ("/metrics", "/healthz", "/healthz/money", "/readyz", "/openapi.json", "/ops", "/ops/", "/", "/static/app.js")
TRICKS = ("//metrics", "/api/../metrics", "/api/%2e%2e/metrics", "/notify/..%2fmetrics", "/METRICS", "/metrics/")


@pytest.mark.parametrize("path", [*INNER, *TRICKS])
def test_what_is_not_named_is_not_reachable(site: Site, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode()
    context = ssl.create_default_context(cafile=site.nginx.authority.ca)
    with (
        socket.create_connection(("127.0.0.1", site.nginx.port), 5) as raw,
        context.wrap_socket(raw, server_hostname=NAME) as secure,
    ):
        secure.sendall(request)
        answer = secure.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"Server: nginx\r\n" in answer  # nginx's own answer: nothing reached the server


def test_what_the_checklist_asks_from_outside(site: Site, client: httpx.Client) -> None:
    assert client.get("/api/products").json()["products"]
    site.expect_log("not acknowledged adapter=wechat_v3")
    assert client.post("/notify/wechat_v3/payment").status_code == 401


def test_every_answer_keeps_to_https(client: httpx.Client) -> None:
    for path in ("/api/products", "/metrics", "/api/orders"):
        assert client.get(path).headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_a_server_that_is_away_is_told_in_words(authority: Authority, tmp_path: Path) -> None:
    nginx = Nginx(tmp_path, free_port(), authority)
    nginx.start()
    with nginx.client() as client:
        for path in ("/api/login", "/notify/wechat_v2/payment"):
            reply = client.post(path, json={})
            error = reply.json()["error"]
            assert (reply.status_code, error["code"]) == (503, "starting")
            assert WORDS[error["code"]].status == 503
            assert error.keys() == {"code", "message", "request_id"}
    assert nginx.process.stop() == 0
