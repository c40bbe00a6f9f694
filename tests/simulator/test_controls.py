"""The controls: who may use them, what they show and hide, faults, and requests that are wrong."""

from __future__ import annotations

import http.client
import json

import pytest

JSAPI = "/v3/pay/transactions/jsapi"
PUBLISHED = {
    "appid", "app_secret", "mchid", "v2_api_key", "v3_api_key", "merchant_serial_no", "merchant_private_key",
    "merchant_certificate", "platform_serial_no", "platform_certificate", "public_key_id", "public_key",
    "ca_certificate", "client_certificate", "client_private_key", "secapi_url",
}  # fmt: skip


def test_the_merchant_is_obviously_a_test(sim):
    merchant = sim.merchant
    assert set(merchant) == PUBLISHED
    assert (len(merchant["appid"]), merchant["appid"][:5]) == (18, "wxsim")
    assert (len(merchant["mchid"]), merchant["mchid"][:4]) == (10, "1900")
    assert merchant["mchid"].isdigit()
    assert len(merchant["v2_api_key"]) == len(merchant["v3_api_key"]) == 32
    assert merchant["v2_api_key"].isalnum()
    assert (len(merchant["public_key_id"]), merchant["public_key_id"][:11]) == (45, "PUB_KEY_ID_")
    assert len(merchant["merchant_serial_no"]) == len(merchant["platform_serial_no"]) == 40


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[", "localhost.evil"])
def test_dns_rebinding(sim, host):
    answer = sim.call("GET", "/_sim/merchant", headers={"Host": host})
    assert answer.status in (400, 403)
    assert b"app_secret" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8900", "127.9.9.9", "[::1]:80"])
def test_loopback_hosts(sim, host):
    assert sim.call("GET", "/_sim/state", headers={"Host": host}).status == 200


def test_pages_on_this_machine_may_log_in_pay_and_make_trouble(sim):
    here = {"Origin": "http://127.0.0.1:8000"}
    for path in ("login", "cashier", "pay", "notify", "impossible"):
        asked = sim.call("OPTIONS", f"/_sim/{path}", headers=here | {"Access-Control-Request-Method": "POST"})
        assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, here["Origin"])
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert asked.headers["access-control-allow-headers"] == "Content-Type"
        answer = sim.call("POST", f"/_sim/{path}", b"{}", here)
        assert answer.headers["access-control-allow-origin"] == here["Origin"]
        assert answer.headers["access-control-expose-headers"] == "X-Sim-Explain"
    asked = sim.call("OPTIONS", "/_sim/faults", headers=here | {"Access-Control-Request-Method": "PUT"})
    assert "PUT" in asked.headers["access-control-allow-methods"]
    for path in ("merchant", "ledger", "exchanges", "complaints"):
        assert "access-control-allow-origin" not in sim.call("GET", f"/_sim/{path}", headers=here).headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://[::1"])
def test_pages_from_elsewhere_may_not(sim, origin):
    for method, path, body in (("POST", "login", b"{}"), ("POST", "pay", b"{}"), ("GET", "merchant", None)):
        answer = sim.call(method, f"/_sim/{path}", body, {"Origin": origin})
        assert (answer.status, answer.json["error"]["code"]) == (403, "foreign_origin")
        assert "access-control-allow-origin" not in answer.headers


WRONG = [
    ("POST", "login", b"["),
    ("POST", "login", b"[]"),
    ("POST", "login", b'{"openid":1}'),
    ("POST", "login", b'{"openid":""}'),
    ("POST", "login", b'{"user":"x"}'),
    ("POST", "login", b'{"openid":"\\ud800"}'),
    ("POST", "clock", b'{"advance_seconds":-1}'),
    ("POST", "clock", b'{"advance_seconds":true}'),
    ("POST", "clock", b'{"advance_seconds":1e400}'),
    ("POST", "clock", b'{"advance_seconds":NaN}'),
    ("POST", "clock", b'{"seconds":1}'),
    ("POST", "clock", b'{"wire_skew_seconds":"1"}'),
    ("GET", "state?wait=-1", b""),
    ("GET", "state?wait=1000", b""),
    ("PUT", "keys", b'{"notify_key":"both"}'),
    ("PUT", "keys", b'{"notify_key":[]}'),
    ("PUT", "keys", b'{"platform_certificates":1}'),
    ("PUT", "faults", b"{}"),
    ("PUT", "faults", b'{"rules":{}}'),
    ("PUT", "faults", b'{"rules":[],"seed":"1"}'),
    ("PUT", "faults", b"[1]"),
    ("PUT", "faults", b'[{"op":"v2.prepay"}]'),
    ("PUT", "faults", b'[{"op":"v2.prepay","fault":"explode"}]'),
    ("PUT", "faults", b'[{"op":"v9.*","fault":"delay"}]'),
    ("PUT", "faults", b'[{"op":"*","fault":"delay","count":-1}]'),
    ("PUT", "faults", b'[{"op":"*","fault":"delay","count":true}]'),
    ("PUT", "faults", b'[{"op":"*","fault":"delay","strange":1}]'),
    ("PUT", "faults", b'[{"op":"*","fault":"redirect","location":"a\\r\\nb"}]'),
]


@pytest.mark.parametrize(("method", "path", "body"), WRONG, ids=[f"{p} {b[:45]!r}" for _, p, b in WRONG])
def test_wrong_requests(sim, method, path, body):
    answer = sim.call(method, f"/_sim/{path}", body)
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")
    assert answer.json["error"]["message"]


def test_no_such_control(sim):
    assert sim.call("GET", "/_sim/nothing").json["error"]["code"] == "no_such_control"
    assert sim.call("DELETE", "/_sim/merchant").status == 405


def test_a_body_that_is_too_large_is_not_read(sim):
    try:
        status = sim.call("POST", "/pay/unifiedorder", b"x" * (2 << 20)).status
    except (OSError, http.client.HTTPException):
        status = 400  # the connection was closed while we were still sending
    assert status == 400


def test_secrets_are_shown_by_the_merchant_control_alone(own_sim):
    sim = own_sim()
    code = sim.control("POST", "login")["code"]
    asked = f"?appid={sim.merchant['appid']}&js_code={code}&grant_type=authorization_code&secret="
    session = sim.call("GET", f"/sns/jscode2session{asked}{sim.merchant['app_secret']}").json
    sim.call("GET", f"/sns/jscode2session{asked}some-wrong-secret")
    order = sim.order_v3()
    sim.pay_v3(sim.v3("POST", JSAPI, order).json["prepay_id"])
    sim.v2("unifiedorder", sim.order_v2(), lambda f: sim.keyed(f, key="k" * 32))
    sim.v2("unifiedorder", sim.order_v2(attach=sim.merchant["v2_api_key"]))
    sim.v3("POST", JSAPI, sim.order_v3(attach=sim.merchant["v3_api_key"]))
    shown = json.dumps([sim.control("GET", name) for name in ("exchanges", "complaints", "ledger", "state", "faults")])
    sim.stop()
    hidden = [sim.merchant[name] for name in ("app_secret", "v2_api_key", "v3_api_key", "merchant_private_key")]
    for secret in (*hidden, session["session_key"], "some-wrong-secret"):
        assert secret not in "".join(sim.log)
        assert secret not in shown


def test_exchanges_have_both_ways_and_a_verdict(own_sim, merchant_site):
    sim = own_sim()
    order = sim.order_v3(notify_url=merchant_site.answer("/n", 204))
    sim.pay_v3(sim.v3("POST", JSAPI, order).json["prepay_id"])
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    sim.v2("orderquery", {"out_trade_no": "never-made-1"}, lambda _: "0" * 32)
    seen = [(e["direction"], e["op"], e["verdict"]) for e in sim.control("GET", "exchanges")["exchanges"]]
    assert seen[1:] == [
        ("in", "v3.prepay", "ok"),
        ("in", "pay", "ok"),
        ("out", "notify.v3", "acknowledged"),
        ("in", "v2.query", "bad"),
    ]
    prepay = sim.control("GET", "exchanges")["exchanges"][1]
    assert json.loads(prepay["request"]["body"]) == order
    assert json.loads(prepay["response"]["body"])["prepay_id"].startswith("wx")
    newest = sim.control("GET", "exchanges")["newest"]
    for _ in range(510):
        sim.call("GET", "/nothing")
    assert len(sim.control("GET", "exchanges")["exchanges"]) == 500
    assert (
        sim.control("GET", f"exchanges?after={newest + 508}")["exchanges"]
        == sim.control("GET", "exchanges")["exchanges"][-2:]
    )
    assert sim.control("GET", f"exchanges?after={10**17}") == {"exchanges": [], "newest": newest + 510}
    assert sim.call("GET", "/_sim/exchanges?after=yesterday").status == 400


def test_the_ledger_of_some_numbers_alone(own_sim, merchant_site):
    sim = own_sim()
    site = merchant_site.answer("/n", 204)
    first, second, third = (sim.order_v3(notify_url=site) for _ in range(3))
    for order in (first, second, third):
        sim.pay_v3(sim.v3("POST", JSAPI, order).json["prepay_id"])
        sim.wait(lambda order=order: sim.delivery(order["out_trade_no"])["state"] == "acknowledged")
    whole = sim.control("GET", "ledger")
    wanted = [second["out_trade_no"], first["out_trade_no"]]
    some = sim.control("GET", "ledger?" + "&".join(f"out_trade_no={number}" for number in [*wanted, "never-made"]))
    for kind in ("orders", "payments", "deliveries"):
        assert [row["out_trade_no"] for row in some[kind]] == wanted
        assert all(row in whole[kind] for row in some[kind])
        assert len(whole[kind]) == 3


@pytest.mark.parametrize(
    ("kind", "send"),
    [
        ("appid", lambda sim: sim.v2("unifiedorder", sim.order_v2(appid="wxd930ea5d5a258f4f"))),
        ("appid", lambda sim: sim.v3("POST", JSAPI, sim.order_v3(appid="wxd930ea5d5a258f4f"))),
        ("mchid", lambda sim: sim.v2("orderquery", {"mch_id": "1230000109"})),
        ("mchid", lambda sim: sim.v3("GET", "/v3/certificates", mchid="1230000109")),
        ("serial", lambda sim: sim.v3("GET", "/v3/certificates", serial_no="1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C")),
        ("secret", lambda sim: sim.call("GET", f"/sns/jscode2session?secret={'0f' * 16}")),
        ("appid", lambda sim: sim.call("POST", "/secapi/pay/refund", b"<xml><appid>wxd930ea5d5a258f4f</appid></xml>")),
    ],
)
def test_real_looking_credentials_are_refused_and_not_kept(sim, kind, send):
    answer = send(sim)
    assert (
        answer.status != 200
        or "errcode" in answer.body.decode()
        or answer.xml.get("err_code")
        or (answer.xml["return_code"] == "FAIL")
    )
    complaint = sim.control("GET", "complaints")["complaints"][-1]
    assert complaint["code"] == "REAL_CREDENTIALS"
    assert kind in complaint["message"]
    kept = json.dumps([sim.control("GET", "exchanges")["exchanges"][-1], complaint])
    for value in ("wxd930ea5d5a258f4f", "1230000109", "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C", "0f" * 16):
        assert value not in kept
        assert value not in "".join(sim.log)


def test_complaints_can_be_forgotten(own_sim):
    sim = own_sim()
    sim.v2("orderquery", {"out_trade_no": "never-made-1"})
    assert [c["code"] for c in sim.control("GET", "complaints")["complaints"]] == ["ORDERNOTEXIST"]
    sim.control("DELETE", "complaints")
    assert sim.control("GET", "complaints")["complaints"] == []
