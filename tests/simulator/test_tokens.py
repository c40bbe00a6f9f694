"""Access tokens: who gets one, how long it lives, which of two is good."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest


def asked(sim, **changes):
    identity = {
        "grant_type": "client_credential",
        "appid": sim.merchant["appid"],
        "secret": sim.merchant["app_secret"],
    }
    return {name: value for name, value in (identity | changes).items() if value is not None}


def stable(sim, **changes):
    answer = sim.call("POST", "/cgi-bin/stable_token", json.dumps(asked(sim, **changes)).encode())
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=UTF-8")
    return answer.json


def plain(sim, **changes):
    return sim.call("GET", f"/cgi-bin/token?{urlencode(asked(sim, **changes))}").json


def verdict(sim, token):
    """The errcode of a call with this token: 0, or why it is not good."""
    body = json.dumps({"appid": sim.merchant["appid"]}).encode()
    return sim.call("POST", f"/wxa/sec/order/is_trade_managed?access_token={token}", body).json["errcode"]


def test_the_same_token_until_its_last_five_minutes(own_sim):
    sim = own_sim()
    first = stable(sim)
    assert first["expires_in"] == 7200
    assert len(first["access_token"]) == 512
    sim.advance(6800)
    again = stable(sim)
    assert again["access_token"] == first["access_token"]
    assert 300 < again["expires_in"] <= 400
    sim.advance(110)
    renewed = stable(sim)
    assert renewed["access_token"] != first["access_token"]
    assert renewed["expires_in"] == 7200
    assert [verdict(sim, token["access_token"]) for token in (first, renewed)] == [0, 0]
    sim.advance(300)
    assert [verdict(sim, token["access_token"]) for token in (first, renewed)] == [42001, 0]


def test_a_forced_refresh_kills_the_old_one_and_is_rationed(own_sim):
    sim = own_sim()
    sim.advance(86400 - (sim.control("GET", "clock")["now"] + 8 * 3600) % 86400)  # a Beijing day begins
    tokens = [stable(sim)["access_token"]]
    for _ in range(20):
        tokens.append(stable(sim, force_refresh=True)["access_token"])
        assert stable(sim, force_refresh=True)["errcode"] == 45011
        sim.advance(30)
    assert len(set(tokens)) == 21
    assert {verdict(sim, token) for token in tokens[:-1]} == {40001}
    assert verdict(sim, tokens[-1]) == 0
    assert stable(sim, force_refresh=True)["errcode"] == 45009
    assert stable(sim, force_refresh=False)["access_token"] == tokens[-1]
    sim.advance(86400)
    assert "access_token" in stable(sim, force_refresh=True)


def test_the_two_kinds_are_independent(own_sim):
    sim = own_sim()
    kept, first = stable(sim)["access_token"], plain(sim)["access_token"]
    second = plain(sim)
    assert second["access_token"] != first
    assert second["expires_in"] == 7200
    assert {verdict(sim, token) for token in (kept, first, second["access_token"])} == {0}
    sim.advance(301)
    assert [verdict(sim, token) for token in (kept, first, second["access_token"])] == [0, 42001, 0]


@pytest.mark.parametrize("ask", [stable, plain])
@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"appid": "wxsomebodyelse0000"}, 40013),
        ({"secret": "wrong"}, 40125),
        ({"appid": None}, 41002),
        ({"secret": None}, 41004),
        ({"grant_type": "authorization_code"}, 40002),
        ({"grant_type": None}, 40002),
    ],
)
def test_refusals(sim, ask, changes, errcode):
    refused = ask(sim, **changes)
    assert refused["errcode"] == errcode
    assert ", rid: " in refused["errmsg"]
    assert "access_token" not in refused


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"appid":1}', b'{"force_refresh":"true"}', b'{"strange":"x"}', b'{"appid":""}']
)
def test_bodies_that_are_no_request(sim, body):
    assert sim.call("POST", "/cgi-bin/stable_token", body).json["errcode"] == 47001


def test_a_token_that_is_none(sim):
    assert verdict(sim, "") == 41001
    assert verdict(sim, "never-given-out") == 40001
    assert sim.call("GET", "/cgi-bin/stable_token").status == 405


def test_neither_token_nor_secret_is_shown(own_sim):
    sim = own_sim()
    tokens = [stable(sim)["access_token"], plain(sim)["access_token"]]
    stable(sim, secret="some-wrong-secret")
    stable(sim, secret="0f" * 16)
    for token in (*tokens, "made-up-token"):
        verdict(sim, token)
    shown = json.dumps([sim.control("GET", name) for name in ("exchanges", "complaints", "ledger", "state")])
    exchanges = sim.control("GET", "exchanges")["exchanges"]
    assert [e["verdict"] for e in exchanges[-3:]] == ["ok", "ok", "bad"]
    assert [c["code"] for c in sim.control("GET", "complaints")["complaints"]] == ["40125", "REAL_CREDENTIALS", "40001"]
    sim.stop()
    for secret in (*tokens, "made-up-token", sim.merchant["app_secret"], "some-wrong-secret", "0f" * 16):
        assert secret not in shown
        assert secret not in "".join(sim.log)


@pytest.mark.parametrize(
    ("fault_name", "more", "errcode"),
    [("system_error", {}, -1), ("frequency_limited", {}, 45011), ("error", {"code": "40164"}, 40164)],
)
def test_planned_errors(sim, fault, fault_name, more, errcode):
    fault("token", fault_name, **more)
    assert stable(sim)["errcode"] == errcode
    assert "access_token" in stable(sim)
