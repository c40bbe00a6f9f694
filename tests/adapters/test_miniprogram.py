"""code2session against a server that answers anything: who it is, or why not, and never a secret in the words."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from adapters.errors import NotSent, OutcomeUnknown, Rejected, Throttled
from adapters.miniprogram import ERRCODES, Identity, LoginMisconfigured, LoginRefused, MiniProgram, MiniProgramConfig
from adapters.transport import Transport
from tests.adapters.documented import LOGIN, meanings
from tests.adapters.wire import cut, http, say, wire

SECRET = "canary-app-secret"
CODE = "canary-code&x=1 /+%茶"
SESSION_KEY = "canary-session-key=="


def login(script, code=CODE):
    async def run():
        async with wire(script) as server:
            transport = Transport(connect_timeout=0.5, deadline=1.0)
            try:
                config = MiniProgramConfig("wx1", SecretStr(SECRET), server.url)
                return await MiniProgram(config, transport).code2session(code), server.requests
            except Exception as error:
                return error, server.requests
            finally:
                transport.close()

    return asyncio.run(run())


def told(**answer):
    return say(http(json.dumps(answer).encode(), **{"Content-Type": "text/plain"}))


def test_who_it_is_and_nothing_else():
    identity, requests = login(told(openid="o1", session_key=SESSION_KEY, unionid="u1"))
    assert identity == Identity("o1", "u1")
    assert not hasattr(identity, "session_key")
    assert "o1" not in repr(identity)
    url = urlsplit(requests[0].split()[1].decode())
    assert url.path == "/sns/jscode2session"
    asked = {"appid": ["wx1"], "secret": [SECRET], "js_code": [CODE], "grant_type": ["authorization_code"]}
    assert parse_qs(url.query, strict_parsing=True) == asked


def test_success_may_say_errcode_zero_and_know_no_unionid():
    assert login(told(errcode=0, errmsg="ok", openid="o1", session_key="k"))[0] == Identity("o1", None)


EXPECTED = {int(errcode): kind for errcode, kind in meanings(LOGIN).items()}


def test_every_row_has_a_test():
    assert set(ERRCODES) == set(EXPECTED)


@pytest.mark.parametrize("errcode", EXPECTED)
def test_errcodes(errcode):
    error, _ = login(told(errcode=errcode, errmsg="no, rid: 1-2-3"))
    assert (type(error), error.code, error.message) == (EXPECTED[errcode], str(errcode), "no, rid: 1-2-3")


def test_a_refused_login_is_final_and_a_misconfigured_one_is_not_the_users_fault():
    assert issubclass(LoginRefused, Rejected)
    assert not issubclass(LoginMisconfigured, (Rejected, Throttled, OutcomeUnknown, NotSent))


@pytest.mark.parametrize(
    "script",
    [
        told(errcode=99999, errmsg="new"),
        told(errcode="40029", errmsg="a string"),
        told(errcode=True),
        told(errcode=[1]),
        told(),
        told(openid=""),
        told(openid=1),
        told(openid="x" * 129),
        told(openid="茶"),
        told(openid="a\nb"),
        say(http(b"[]")),
        say(http(b"<html>")),
        say(http(b"")),
        say(http(b"[" * 100_000)),
        say(http(b"\xff")),
        say(http(json.dumps({"openid": "o1"}).encode(), "500 Oops")),
        say(http(b"", "302 Found", Location="/elsewhere")),
        cut(),
    ],
)
def test_anything_else_is_an_unknown_outcome(script):
    error, _ = login(script)
    assert type(error) is OutcomeUnknown, error


def test_no_secret_in_any_word(caplog):
    caplog.set_level(logging.DEBUG)
    scripts = [
        told(errcode=40029, errmsg=f"bad code {CODE}"),
        told(errcode=40125, errmsg=f"bad secret {SECRET}"),
        say(http(f'{{"session_key": "{SESSION_KEY}"'.encode())),
        say(http(json.dumps({"session_key": SESSION_KEY}).encode(), "500 Oops")),
        told(session_key=SESSION_KEY),
        cut(),
    ]
    errors = [login(script)[0] for script in scripts]
    assert all(isinstance(error, Exception) for error in errors)
    words = [f"{error!r} {error.__cause__!r} {error.__context__!r}" for error in errors]
    words += [record.getMessage() for record in caplog.records]
    assert not [word for word in words if "canary" in word]
    config = MiniProgramConfig("wx1", SecretStr(SECRET))
    assert "canary" not in repr(config)


@pytest.mark.parametrize("code", ["", "\ud800", "\x00", "x" * 5000])
def test_strange_codes_are_sent_percent_encoded_or_as_question_marks(code):
    error, requests = login(told(errcode=40029, errmsg="no"), code)
    assert type(error) is LoginRefused
    assert requests[0].split(b"\r\n")[0].endswith(b"&grant_type=authorization_code HTTP/1.1")
