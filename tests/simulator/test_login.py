"""wx.login and code2Session."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest


def redeem(sim, code, **changes):
    parameters = {
        "appid": sim.merchant["appid"],
        "secret": sim.merchant["app_secret"],
        "js_code": code,
        "grant_type": "authorization_code",
    } | changes
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    answer = sim.call("GET", f"/sns/jscode2session?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
    return answer.json


def code(sim, openid=None):
    return sim.control("POST", "login", {"openid": openid} if openid else {})["code"]


def test_a_code_gives_openid_and_session_key_once(sim):
    fresh = code(sim)
    session = redeem(sim, fresh)
    assert set(session) == {"openid", "session_key"}
    assert len(base64.b64decode(session["session_key"])) == 16
    assert (len(session["openid"]), session["openid"][0]) == (28, "o")
    again = redeem(sim, fresh)
    assert again["errcode"] == 40163
    assert again["errmsg"].startswith("code been used, rid: ")


def test_the_same_user_gets_the_same_openid_and_another_key(sim):
    openid = sim.openid()
    first, second = redeem(sim, code(sim, openid)), redeem(sim, code(sim, openid))
    assert first["openid"] == second["openid"] == openid
    assert first["session_key"] != second["session_key"]
    assert redeem(sim, code(sim))["openid"] != openid


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"appid": None}, 41002),
        ({"appid": ""}, 41002),
        ({"secret": None}, 41004),
        ({"js_code": None}, 41008),
        ({"appid": "wxsomebodyelse0000"}, 40013),
        ({"secret": "wrong"}, 40125),
        ({"grant_type": None}, 40002),
        ({"grant_type": "client_credential"}, 40002),
        ({"js_code": "neverissued"}, 40029),
    ],
)
def test_refusals_leave_the_code_good(sim, changes, errcode):
    fresh = code(sim)
    refused = redeem(sim, fresh, **changes)
    assert refused["errcode"] == errcode
    assert ", rid: " in refused["errmsg"]
    assert "openid" in redeem(sim, fresh)


def test_a_code_lives_five_minutes(own_sim):
    sim = own_sim()
    early, late = code(sim), code(sim)
    sim.advance(299)
    assert "openid" in redeem(sim, early)
    sim.advance(2)
    assert redeem(sim, late)["errcode"] == 40029


def test_a_hundred_a_minute_per_user(own_sim):
    sim = own_sim()
    openid = sim.openid()
    for _ in range(100):
        assert "openid" in redeem(sim, code(sim, openid))
    waiting = code(sim, openid)
    assert redeem(sim, waiting)["errcode"] == 45011
    assert "openid" in redeem(sim, code(sim))
    sim.advance(60)
    assert "openid" in redeem(sim, waiting)


def test_system_busy(sim, fault):
    fault("login", "system_error")
    fresh = code(sim)
    assert redeem(sim, fresh)["errcode"] == -1
    assert "openid" in redeem(sim, fresh)


def test_other_methods(sim):
    assert sim.call("POST", "/sns/jscode2session", b"").status == 405


@pytest.mark.parametrize(
    "query", ["", "?%ff", "?appid", "?a=1&a=2", "?" + "a=1&" * 500, "?appid=%00&secret=%00&js_code=%00"]
)
def test_odd_queries(sim, query):
    answer = sim.call("GET", f"/sns/jscode2session{query}")
    assert answer.status == 200
    assert answer.json["errcode"] > 40000
