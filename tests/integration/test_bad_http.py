"""HTTP as no polite client writes it: headers, methods, addresses, sizes. A 4xx or a cut connection at worst."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scene import GOOD, OWN, Scene, order, refused
from tests.wire import request, send

pytestmark = pytest.mark.usefixtures("nothing_is_written")
NOTICE = "/notify/wechat_v3/payment"


def test_five_megabytes_cost_the_connection_at_most(scene: Scene) -> None:
    headers = [("Authorization", f"Bearer {scene.alice.token}"), ("Content-Type", "application/json")]
    for body in (b" " * 5_000_000, b'{"items":"' + b"x" * 5_000_000):
        assert send(scene.server.port, request("POST", OWN, headers, body)).status in (0, 400, 413)
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = request("POST", OWN, [*headers, ("Transfer-Encoding", "chunked")]).replace(b"Content-Length: 0\r\n", b"")
    assert send(scene.server.port, head + chunk * 5 + b"0\r\n\r\n").status in (0, 400, 413)
    assert scene.server.http.get("/healthz").status_code == 200


# --- headers ---


@pytest.mark.parametrize("key", [b"", b"a" * 65, b"a" * 9000, b"a b", b"\xff", "钥匙".encode(), b"a\tb"])
def test_an_idempotency_key_is_short_visible_ascii(scene: Scene, key: bytes) -> None:
    refused(order(scene, {"items": [GOOD]}, Idempotency_Key=key), 400, "invalid_field", "Idempotency-Key")


@pytest.mark.parametrize(
    "headers",
    [
        [("Accept-Language", b"\xff\xfe")],
        [("Accept-Language", "zh" * 4000)],
        [("Content-Type", b"application/\xffjson")],
        [("User-Agent", "茶".encode())],
        [("Cookie", b"\x80=\xff; ;;=")],
        [("X-Forwarded-For", b"\xff, 1.2.3.4")],
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    ],
)
def test_headers_that_are_not_ascii(scene: Scene, headers: list[Any]) -> None:
    answer = send(scene.server.port, request("POST", OWN, headers, b"{}"))
    assert answer.status == 401, answer
    assert json.loads(answer.body)["error"]["code"] in ("token_missing", "token_invalid")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: shop\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /api/products HTTP/1.1\r\nHost shop\r\n\r\n",
        b"GET /api/products HTTP/9.9\r\nHost: shop\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nHost: shop\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nHost: shop\r\nContent-Length: 1e3\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /api/login HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /api/login HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["long", "no colon", "version", "negative", "float", "two lengths", "length and chunks", "bad chunk", "TLS"],
)
def test_what_is_not_http(scene: Scene, raw: bytes) -> None:
    """Tornado cuts these off before our code sees them."""
    assert send(scene.server.port, raw).status in (0, 400)
    assert scene.server.http.get("/healthz").status_code == 200


def test_each_answer_to_a_notification_is_its_own(scene: Scene) -> None:
    """Headers are made once a second: what one request asked for is not in the answer to another."""
    plain, old = request("POST", NOTICE, [], b"{}"), (b"HTTP/1.1\r\n", b"HTTP/1.0\r\n")
    kept = request("POST", NOTICE, [("Connection", "keep-alive")], b"{}")
    closed = request("POST", NOTICE, [("Connection", "close")], b"{}")
    asked = [
        (plain, 401, b""),
        (closed, 401, b"Connection: close"),
        (plain.replace(*old), 401, b""),
        (kept.replace(*old), 401, b"Connection: Keep-Alive"),
        (kept, 401, b""),
        (request("GET", NOTICE), 405, b"Allow: POST"),
        (request("HEAD", NOTICE), 405, b"Allow: POST"),
    ]
    for raw, status, header in 3 * asked:
        answer = send(scene.server.port, raw)
        said = [line for line in answer.head.split(b"\r\n") if line.startswith((b"Connection", b"Allow"))]
        assert (answer.status, said) == (status, [header] if header else []), raw


# --- addresses ---


ROUTES = {
    "/api/login": {"POST"},
    "/api/products": {"GET"},
    OWN: {"GET", "POST"},
    OWN + "/{number}": {"GET"},
    OWN + "/{number}/pay": {"POST"},
    OWN + "/{number}/sync": {"POST"},
    OWN + "/{number}/close": {"POST"},
    "/healthz": {"GET"},
    "/healthz/money": {"GET"},
    "/readyz": {"GET"},
    "/metrics": {"GET"},
    "/openapi.json": {"GET"},
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_method_that_an_address_does_not_know(scene: Scene, path: str) -> None:
    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - ROUTES[path]):
        reply = scene.alice.call(method, path.format(number=scene.order_no))
        refused(reply, 405, "method_not_allowed")
    assert scene.alice.call("HEAD", path.format(number=scene.order_no)).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/orders/",
        "/api//orders",
        "/API/orders",
        "/api/orders.json",
        "/api/orders/{number}/",
        "/api/orders/{number}/refund",
        "/api/orders/{number}/pay/again",
        "/api/orders/{lower}",
        "/api/orders/{number}%00",
        "/api/orders/%FF%FE",
        "/api/orders/%2e%2e/%2e%2e/etc/passwd",
        "/api/orders/MP1'%20OR%20'1'='1",
        "/api/orders/{number}%0d%0aX-Evil:%201",
        "/api/orders/" + "A" * 5000,
        "/api/orders/订单",
        "/pictures/..%2f..%2fserver.py",
        "/static/../../server.py",
        "/static/%2e%2e/%2e%2e/settings/load.py",
        "//api/orders",
        "/notify/wechat_v9/payment",
        "/notify/wechat_v3/",
    ],
)
def test_an_address_that_does_not_exist(scene: Scene, path: str) -> None:
    target = path.format(number=scene.order_no, lower=scene.order_no.lower())
    raw = request("GET", "", [("Authorization", f"Bearer {scene.alice.token}")])
    answer = send(scene.server.port, raw.replace(b"GET  ", b"GET " + target.encode() + b" ", 1))
    assert answer.status == 404, answer
    assert b"X-Evil" not in answer.head
    assert b"Tornado" not in answer.head
    if answer.status == 404:
        assert json.loads(answer.body)["error"]["code"] == "not_found"
