"""code2session against the simulator."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from adapters.errors import OutcomeUnknown, PaymentError, Throttled
from adapters.miniprogram import Identity, LoginMisconfigured, LoginRefused, MiniProgram, MiniProgramConfig
from adapters.transport import Transport


def redeem(gateway, code, **changes):
    merchant = gateway.merchant
    values = {"appid": merchant["appid"], "app_secret": SecretStr(merchant["app_secret"]), "base_url": gateway.url}

    async def run():
        transport = Transport()
        try:
            return await MiniProgram(MiniProgramConfig(**{**values, **changes}), transport).code2session(code)
        finally:
            transport.close()

    return asyncio.run(run())


def error_of(gateway, code, **changes):
    with pytest.raises(PaymentError) as caught:
        redeem(gateway, code, **changes)
    return caught.value


@pytest.fixture
def code(gateway):
    gateway.clear_faults()
    yield gateway.post("login", openid="oContractUser00000000000001")["code"]
    gateway.clear_faults()


def test_a_code_works_once(gateway, code):
    identity = redeem(gateway, code)
    assert isinstance(identity, Identity)
    assert identity.openid == "oContractUser00000000000001"
    assert isinstance(error_of(gateway, code), LoginRefused)


def test_a_code_that_nobody_gave(gateway, code):
    for wrong in ("x", "", code + "x", "茶 &secret=1"):
        assert isinstance(error_of(gateway, wrong), LoginRefused)


def test_a_wrong_appid_or_secret_is_the_operators_business(gateway, code):
    assert isinstance(error_of(gateway, code, app_secret=SecretStr("wrong")), LoginMisconfigured)
    assert isinstance(error_of(gateway, code, appid="wx0000000000000000"), LoginMisconfigured)


@pytest.mark.parametrize(("fault", "kind"), [("system_error", OutcomeUnknown), ("frequency_limited", Throttled)])
def test_busy(gateway, code, fault, kind):
    gateway.put("faults", {"rules": [{"op": "login", "fault": fault, "count": 1}]})
    assert isinstance(error_of(gateway, code), kind)
    assert redeem(gateway, code).openid == "oContractUser00000000000001"


@pytest.mark.parametrize(
    "fault", ["drop_before", "http_500_before", "html", "empty", "truncate", "redirect", "huge_body"]
)
def test_no_answer(gateway, code, fault):
    more = {"location": "/elsewhere"} if fault == "redirect" else {}
    gateway.put("faults", {"rules": [{"op": "login", "fault": fault, **more}]})
    assert isinstance(error_of(gateway, code), OutcomeUnknown)
