"""What no client should send: a 4xx that names the field, nothing written, never a 500 (issue 2, "Bad input")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Tables
from tests.wire import request, send

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}
GOOD = {"product_id": "latte", "quantity": 1}
OWN = "/api/orders"


@dataclass(frozen=True)
class Scene:
    """Alice has an order with a prepay_id; Mallory has a token of his own."""

    server: Server
    tables: Tables
    alice: Buyer
    mallory: Buyer
    order_no: str


@pytest.fixture(scope="module")
def scene(shop: Fleet) -> Scene:
    server = shop.start(**V3.environ)
    alice, mallory = Buyer(server), Buyer(server)
    order_no = alice.order("latte")["order_no"]
    alice.prepay(order_no)
    # The query job would note its questions in this row while a test looks on: here it has none to ask.
    shop.tables.change("UPDATE transactions SET ask_at = NULL")
    return Scene(server, shop.tables, alice, mallory, order_no)


@pytest.fixture(autouse=True)
def _nothing_is_written(scene: Scene) -> Iterator[None]:
    before = scene.tables.snapshot()
    yield
    assert scene.tables.snapshot() == before


def refused(reply: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The error of a refusal, after looking at its shape (contract.md)."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Server" not in reply.headers
    body = reply.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"code", "message", "request_id"} | ({"field"} if field else set())
    assert error["code"] == code
    assert error["message"]
    assert len(error["request_id"]) == 16
    if field:
        assert error["field"] == field
        assert field in error["message"]
    return error


def order(scene: Scene, body: Any = None, content: bytes | None = None, **headers: str | bytes) -> httpx.Response:
    raw = json.dumps(body).encode() if content is None else content
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return scene.alice.call("POST", OWN, content=raw, headers=named)


# --- fields ---


@pytest.mark.parametrize(
    "name", ["amount_fen", "total_fee", "price_fen", "openid", "user_id", "currency", "order_no", "é"]
)
def test_the_client_names_neither_price_nor_person(scene: Scene, name: str) -> None:
    refused(order(scene, {"items": [GOOD], name: 1}), 400, "invalid_field", name)
    refused(order(scene, {"items": [{**GOOD, name: 1}]}), 400, "invalid_field", f"items[0].{name}")


@pytest.mark.parametrize(
    "quantity",
    [
        "0",
        "-1",
        "1000",
        "1000000000",
        "1.5",
        "1.0",
        "1e0",
        "1e2",
        "-0",
        "true",
        "false",
        "null",
        '"1"',
        '"１"',
        '""',
        "[1]",
        "{}",
    ],
)
def test_a_quantity_is_a_whole_number_in_range(scene: Scene, quantity: str) -> None:
    content = f'{{"items": [{{"product_id": "latte", "quantity": {quantity}}}]}}'.encode()
    refused(order(scene, content=content), 400, "invalid_field", "items[0].quantity")


@pytest.mark.parametrize(
    "quantity", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "01", "+1", "0x1", "1" * 5000, "１"]
)
def test_a_number_that_json_does_not_have(scene: Scene, quantity: str) -> None:
    content = f'{{"items": [{{"product_id": "latte", "quantity": {quantity}}}]}}'.encode()
    refused(order(scene, content=content), 400, "malformed_json")


@pytest.mark.parametrize(
    "product", [1, 1.5, True, None, [], {}, "", "LATTE", "latte ", "a" * 33, "latte\x00", "茶", "\ud800"]
)
def test_a_product_is_a_name_of_the_catalogue(scene: Scene, product: Any) -> None:
    refused(order(scene, {"items": [{**GOOD, "product_id": product}]}), 400, "invalid_field", "items[0].product_id")


def test_a_product_that_is_not_for_sale(scene: Scene) -> None:
    body = {"items": [GOOD, {"product_id": "no-such-thing", "quantity": 1}]}
    refused(order(scene, body), 422, "product_unknown", "items[1].product_id")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": None}, "items"),
        ({"items": {}}, "items"),
        ({"items": "latte"}, "items"),
        ({"items": []}, "items"),
        ({"items": [GOOD] * 51}, "items"),
        ({"items": [None]}, "items[0]"),
        ({"items": [[]]}, "items[0]"),
        ({"items": [GOOD, {"product_id": "latte"}]}, "items[1].quantity"),
        ({"items": [{"quantity": 1}]}, "items[0].product_id"),
        ([GOOD], "body"),
        ([], "body"),
        ("latte", "body"),
        (1, "body"),
        (None, "body"),
        (True, "body"),
    ],
)
def test_a_shape_that_is_not_an_order(scene: Scene, body: Any, field: str) -> None:
    refused(order(scene, body), 400, "invalid_field", field)


def test_an_order_that_nobody_means(scene: Scene) -> None:
    refused(order(scene, {"items": [{**GOOD, "quantity": 999}] * 50}), 422, "amount_too_large")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "code"),
        ({"code": None}, "code"),
        ({"code": 1}, "code"),
        ({"code": ""}, "code"),
        ({"code": "x" * 129}, "code"),
        ({"code": "a b"}, "code"),
        ({"code": "é"}, "code"),
        ({"code": "\ud800"}, "code"),
        ({"code": "x", "openid": "o123"}, "openid"),
        ([], "body"),
    ],
)
def test_a_login_that_is_none(scene: Scene, body: Any, field: str) -> None:
    headers = {"Content-Type": "application/json"}
    reply = scene.server.http.post("/api/login", content=json.dumps(body), headers=headers)
    refused(reply, 400, "invalid_field", field)


def test_a_code_that_wechat_does_not_know(scene: Scene) -> None:
    refused(scene.server.http.post("/api/login", json={"code": "x' OR 1=1 --".replace(" ", "")}), 401, "code_refused")


@pytest.mark.parametrize("action", ["pay", "sync", "close"])
@pytest.mark.parametrize("name", ["amount_fen", "openid", "status", "errMsg"])
def test_an_action_takes_no_field(scene: Scene, action: str, name: str) -> None:
    path = f"{OWN}/{scene.order_no}/{action}"
    refused(scene.alice.call("POST", path, json={name: "requestPayment:ok"}), 400, "invalid_field", name)
    refused(scene.alice.call("POST", path, json=[1]), 400, "invalid_field", "body")


# --- bodies ---

BODIES = {
    "empty": b"",
    "blank": b"  \n",
    "cut": b'{"items": [',
    "more after it": b'{"items": []} {}',
    "single quotes": b"{'items': []}",
    "a comment": b'{"items": [] /* */}',
    "a trailing comma": b'{"items": [],}',
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps({"items": [GOOD]}).encode(),
    "UTF-16": json.dumps({"items": [GOOD]}).encode("utf-16"),
    "GBK": '{"items": "茶"}'.encode("gbk"),
    "a lone byte": b'{"items": "\xff"}',
    "an overlong slash": b'{"items": "\xc0\xaf"}',
    "a NUL": b'{"items": "\x00"}',
    "the same key twice": b'{"items": [], "items": [{"product_id": "latte", "quantity": 1}]}',
    "the same key twice, inside": b'{"items": [{"product_id": "latte", "quantity": 1, "quantity": 2}]}',
    "lists in lists": b"[" * 30_000 + b"]" * 30_000,
    "objects in objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "XML": b"<xml><items/></xml>",
}


@pytest.mark.parametrize("content", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_not_json(scene: Scene, content: bytes) -> None:
    refused(order(scene, content=content), 400, "malformed_json")
    reply = scene.server.http.post("/api/login", content=content, headers={"Content-Type": "application/json"})
    refused(reply, 400, "malformed_json")


def test_nesting_a_hundred_thousand_deep(scene: Scene) -> None:
    """200 KB of brackets: too large before it is too deep."""
    refused(order(scene, content=b"[" * 100_000 + b"]" * 100_000), 413, "body_too_large")


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000])
def test_a_body_that_is_too_large(scene: Scene, size: int) -> None:
    filled = json.dumps({"items": [GOOD], "note": ""}).encode()
    content = filled[:-2] + b"x" * (size - len(filled)) + filled[-2:]
    assert len(content) == size
    refused(order(scene, content=content), 413, "body_too_large")
    refused(scene.alice.call("POST", f"{OWN}/{scene.order_no}/close", content=content), 413, "body_too_large")


def test_five_megabytes_cost_the_connection_at_most(scene: Scene) -> None:
    headers = [("Authorization", f"Bearer {scene.alice.token}"), ("Content-Type", "application/json")]
    for body in (b" " * 5_000_000, b'{"items":"' + b"x" * 5_000_000):
        assert send(scene.server.port, request("POST", OWN, headers, body)).status in (0, 400, 413)
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = request("POST", OWN, [*headers, ("Transfer-Encoding", "chunked")]).replace(b"Content-Length: 0\r\n", b"")
    assert send(scene.server.port, head + chunk * 5 + b"0\r\n\r\n").status in (0, 400, 413)
    assert scene.server.http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""]
)
def test_a_body_of_another_type(scene: Scene, kind: str) -> None:
    refused(order(scene, {"items": [GOOD]}, Content_Type=kind), 415, "unsupported_media_type")


# --- who asks ---

TOKENS = {
    "none": None,
    "no scheme": "{token}",
    "another scheme": "Basic {token}",
    "empty": "Bearer",
    "garbage": "Bearer garbage",
    "of the right form": "Bearer mp1_" + "A" * 43,
    "one character off": "Bearer {token}x",
    "cut": "Bearer mp1_",
    "very long": "Bearer mp1_" + "A" * 8000,
    "two": "Bearer {token} {token}",
    "not ASCII": b"Bearer mp1_\xff\xfe",
    "Chinese": "Bearer mp1_令牌".encode(),
}
WITH_TOKEN = [
    ("GET", OWN),
    ("POST", OWN),
    ("GET", OWN + "/{number}"),
    ("POST", OWN + "/{number}/pay"),
    ("POST", OWN + "/{number}/sync"),
    ("POST", OWN + "/{number}/close"),
]


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize(("method", "path"), WITH_TOKEN)
def test_a_token_that_opens_nothing(scene: Scene, method: str, path: str, token: str | bytes | None) -> None:
    if isinstance(token, str):
        token = token.format(token=scene.alice.token)
    headers = {} if token is None else {"Authorization": token}
    reply = scene.server.http.request(method, path.format(number=scene.order_no), headers=headers)
    missing = token in (None, scene.alice.token, f"Basic {scene.alice.token}", "Bearer")
    refused(reply, 401, "token_missing" if missing else "token_invalid")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), WITH_TOKEN)
def test_a_token_counts_in_its_header_alone(scene: Scene, method: str, path: str) -> None:
    token = scene.alice.token
    reply = scene.server.http.request(
        method,
        path.format(number=scene.order_no),
        params={"token": token, "access_token": token, "Authorization": f"Bearer {token}"},
        headers={"Cookie": f"token={token}; Authorization=Bearer {token}", "X-Token": token},
    )
    refused(reply, 401, "token_missing")


@pytest.mark.parametrize(("method", "path"), WITH_TOKEN[2:])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_another_users_order_does_not_exist(scene: Scene, method: str, path: str, language: str) -> None:
    """Word for word what is said of a number that nobody has."""
    answers = []
    for number in (scene.order_no, "MP991231AAAAAAAAAAAAAAAA"):
        reply = scene.mallory.call(method, path.format(number=number), headers={"Accept-Language": language})
        answers.append({**refused(reply, 404, "order_not_found"), "request_id": ""})
    assert answers[0] == answers[1]
    assert scene.mallory.call("GET", OWN).json() == {"orders": []}


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
    assert answer.status == (403 if path.startswith("/static") else 404), answer
    assert b"X-Evil" not in answer.head
    assert b"Tornado" not in answer.head
    if answer.status == 404:
        assert json.loads(answer.body)["error"]["code"] == "not_found"


# --- words ---


@pytest.mark.parametrize("language", ["zh", "zh-CN,zh;q=0.9,en;q=0.8", "zh-Hant-TW"])
def test_refusals_speak_chinese_to_the_chinese(scene: Scene, language: str) -> None:
    headers = {"Accept-Language": language}
    said = [
        scene.alice.call("GET", OWN + "/MP991231AAAAAAAAAAAAAAAA", headers=headers),
        scene.alice.call("POST", OWN, json={"items": []}, headers=headers),
        scene.alice.call("POST", OWN, content=b"{", headers=headers),
        scene.server.http.get(OWN, headers=headers),
        scene.server.http.get("/nowhere", headers=headers),
    ]
    for reply in said:
        assert any("\u4e00" <= char <= "\u9fff" for char in reply.json()["error"]["message"]), reply.text


@pytest.mark.parametrize("language", ["", "en", "en-GB,zh;q=0.5", "fr", "*"])
def test_refusals_speak_english_to_everybody_else(scene: Scene, language: str) -> None:
    reply = scene.alice.call("GET", OWN + "/MP991231AAAAAAAAAAAAAAAA", headers={"Accept-Language": language})
    assert refused(reply, 404, "order_not_found")["message"] == "You have no such order"
