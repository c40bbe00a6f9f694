"""Access tokens and shipping information against the simulator: every code that the page documents, judged."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from adapters.delivery import Parcel, Shipment
from adapters.errors import Conflict, NotReady, OutcomeUnknown, PaymentError, Rejected, Throttled, TokenRefused
from adapters.miniprogram import MiniProgramConfig
from adapters.shipping import WeixinShipping
from adapters.transport import Transport
from tests import pages

# Written from mini-program.md 4 by hand.
MEANS = {
    10060001: NotReady,
    10060002: Conflict,
    10060003: Conflict,
    10060004: Conflict,
    47001: Rejected,
    40001: TokenRefused,
    42001: TokenRefused,
    -1: OutcomeUnknown,
}
NOBODY = Shipment("4200000000000000000000000000", "o", "virtual", (Parcel("会员"),), True, 1_671_082_175)


def ask(gateway, call, **changes):
    """What ``call`` of an adapter with the merchant's AppSecret gives, or the class of what it raises."""
    merchant = gateway.merchant
    secret = changes.get("secret", merchant["app_secret"])

    async def run():
        transport = Transport()
        try:
            config = MiniProgramConfig(changes.get("appid", merchant["appid"]), SecretStr(secret), gateway.url)
            return await call(WeixinShipping(config, transport))
        except PaymentError as error:
            return type(error)
        finally:
            transport.close()

    return asyncio.run(run())


async def token_of(adapter):
    return (await adapter.fetch_token(force=False)).sealed


async def upload(adapter):
    await adapter.upload(await token_of(adapter), NOBODY)


async def look(adapter):
    return await adapter.shipped(await token_of(adapter), NOBODY.provider_transaction_id)


@pytest.fixture
def calm(gateway):
    gateway.clear_faults()
    yield gateway
    gateway.clear_faults()


def test_every_documented_code_of_an_upload(calm):
    assert pages.shipping_codes() == MEANS.keys(), "documented, and nobody has said what it means"
    for code, kind in MEANS.items():
        calm.put("faults", [{"op": "ship", "fault": "error", "code": str(code)}])
        assert ask(calm, upload) is kind, code


def test_an_order_of_nobody_is_not_there_yet(calm):
    assert ask(calm, upload) is NotReady
    assert ask(calm, look) is NotReady


def test_the_token_is_the_same_until_it_is_forced(calm):
    async def twice(adapter):
        return [await token_of(adapter) for _ in range(2)]

    first, second = ask(calm, twice)
    assert first == second
    calm.post("clock", advance_seconds=31)

    async def forced(adapter):
        return (await adapter.fetch_token(force=True)).sealed

    assert ask(calm, forced) != first

    async def dead(adapter):
        await adapter.upload(first, NOBODY)

    assert ask(calm, dead) is TokenRefused
    assert ask(calm, forced) is Throttled  # within half a minute


def test_a_wrong_appid_or_secret_is_the_operators_business(calm):
    assert ask(calm, token_of, secret="wrong") is Rejected
    assert ask(calm, token_of, appid="wx0000000000000000") is Rejected


def test_whether_it_must_be_done(calm):
    async def must(adapter):
        return await adapter.must_ship(await token_of(adapter))

    for managed in (False, True):
        calm.put("shipping", {"managed": managed})
        assert ask(calm, must) is managed


@pytest.mark.parametrize("fault", ["http_500_after", "truncate", "html", "empty", "drop_reply_after_commit"])
def test_no_answer_is_an_unknown_outcome(calm, fault):
    calm.put("faults", [{"op": "ship*", "fault": fault}])
    assert ask(calm, upload) is OutcomeUnknown
    calm.put("faults", [{"op": "token", "fault": fault}])
    assert ask(calm, token_of) is OutcomeUnknown
