"""What no client should send: a 4xx that names the field, nothing written, never a 500 (issue 2, "Bad input")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scene import GOOD, OWN, Scene, order, refused

pytestmark = pytest.mark.usefixtures("nothing_is_written")

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


def test_chinese_is_spoken_to_the_end_of_the_sentence(scene: Scene) -> None:
    bad = {"items": [{"product_id": "latte", "quantity": 0}]}
    reply = scene.alice.call("POST", OWN, json=bad, headers={"Accept-Language": "zh"})
    assert reply.json()["error"]["message"] == "items[0].quantity：不得小于 1"
    reply = scene.alice.call("POST", OWN, content=b"[1,]", headers={"Accept-Language": "zh"})
    assert reply.json()["error"]["message"] == "请求体不是有效的 JSON：第 3 个字符处有语法错误"


@pytest.mark.parametrize("language", ["", "en", "en-GB,zh;q=0.5", "fr", "*"])
def test_refusals_speak_english_to_everybody_else(scene: Scene, language: str) -> None:
    reply = scene.alice.call("GET", OWN + "/MP991231AAAAAAAAAAAAAAAA", headers={"Accept-Language": language})
    assert refused(reply, 404, "order_not_found")["message"] == "You have no such order"
