"""Five ways to be configured, each with its adapter against the same simulator process over real sockets."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from adapters import registry
from adapters.base import Attempt, PaymentAdapter
from adapters.transport import Transport
from adapters.wechat_v2 import WechatV2Config
from adapters.wechat_v3 import WechatV3Config
from tests.harness import Simulator

NO_URL = "http://127.0.0.1:9/notify"  # where nobody listens


@dataclass(frozen=True)
class Way:
    """One configuration. ``notices`` is which of WeChat's keys signs v3 notifications to such a merchant."""

    name: str
    adapter: str
    scheme: str
    public_key: bool = False
    certificates: bool = False
    notices: str = "as_ordered"

    def config(self, merchant: dict[str, str], url: str, files: dict[str, str]) -> WechatV2Config | WechatV3Config:
        if self.adapter == "wechat_v2":
            key = SecretStr(merchant["v2_api_key"])
            secapi = merchant["secapi_url"]
            return WechatV2Config(
                merchant["appid"], merchant["mchid"], key, self.scheme, url, secapi_url=secapi, **files
            )
        return WechatV3Config(
            merchant["appid"],
            merchant["mchid"],
            SecretStr(merchant["v3_api_key"]),
            merchant["merchant_serial_no"],
            SecretStr(merchant["merchant_private_key"]),
            merchant["public_key"] if self.public_key else None,
            merchant["public_key_id"] if self.public_key else None,
            url,
        )


WAYS = [
    Way("v2-md5", "wechat_v2", "MD5"),
    Way("v2-hmac", "wechat_v2", "HMAC-SHA256"),
    Way("v3-public-key", "wechat_v3", "RSA", public_key=True, notices="public_key"),
    Way("v3-certificates", "wechat_v3", "RSA", certificates=True, notices="certificate"),
    Way("v3-both", "wechat_v3", "RSA", public_key=True, certificates=True, notices="alternate"),
]

Use = Callable[[PaymentAdapter], Awaitable[Any]]


class Shop:
    """A merchant configured one way, its adapter with kept-alive connections, and the gateway that it talks to."""

    def __init__(self, gateway: Simulator, way: Way, files: dict[str, str]) -> None:
        self.gateway = gateway
        self.way = way
        self.files = files
        self.generation = way.adapter.removeprefix("wechat_")
        self._runner = asyncio.Runner()
        self._transport = Transport()
        self._adapter = self.adapter(self._transport, gateway.url)
        self.call(lambda adapter: adapter.refresh_keys())

    def call(self, use: Use) -> Any:
        """What ``use(adapter)`` gives."""

        async def run() -> Any:
            return await use(self._adapter)

        return self._runner.run(run())

    def close(self) -> None:
        async def run() -> None:
            self._transport.close()

        self._runner.run(run())
        self._runner.close()

    def adapter(self, transport: Transport, url: str) -> PaymentAdapter:
        config = self.way.config(self.gateway.merchant, url, self.files)
        return registry.build(self.way.adapter, config, transport, now=time.time, nonce=lambda: secrets.token_hex(16))

    def attempt(self, amount_fen: int = 100, notify_url: str = NO_URL) -> Attempt:
        now = int(self.gateway.get("clock")["now"])
        return Attempt(
            out_trade_no="T" + secrets.token_hex(12),
            amount_fen=amount_fen,
            currency="CNY",
            description="测试小店-咖啡 & <茶>☕🍵 ]]>",
            openid=self.payer(),
            client_ip="127.0.0.1",
            notify_url=notify_url,
            created_at=now,
            expires_at=now + 1800,
        )

    def payer(self) -> str:
        """A user of this mini-program, as code2session would tell."""
        merchant = self.gateway.merchant
        code = self.gateway.post("login")["code"]
        query = {"appid": merchant["appid"], "secret": merchant["app_secret"], "js_code": code}
        reply = self.gateway.http.get("/sns/jscode2session", params={**query, "grant_type": "authorization_code"})
        return str(reply.json()["openid"])

    def ordered(self, attempt: Attempt | None = None) -> tuple[Attempt, dict[str, str]]:
        """An order at the gateway, and what the client needs to pay it."""
        attempt = attempt or self.attempt()

        async def use(adapter: PaymentAdapter) -> dict[str, str]:
            prepay = await adapter.prepay(adapter.compose(attempt))
            return adapter.client_payment(prepay, int(time.time()))

        return attempt, self.call(use)

    def pay(self, values: dict[str, str], **more: Any) -> str:
        return str(self.gateway.post("pay", **values, **more)["errMsg"])

    def paid(self) -> Attempt:
        attempt, values = self.ordered()
        assert self.pay(values) == "requestPayment:ok"
        return attempt

    def old_enough_to_close(self) -> None:
        self.gateway.post("clock", advance_seconds=301)

    def closed(self) -> Attempt:
        attempt, _ = self.ordered()
        self.old_enough_to_close()
        self.call(lambda adapter: adapter.close(attempt.out_trade_no))
        return attempt

    def fault(self, operation: str, fault: str, **more: Any) -> None:
        rule = {"op": f"{self.generation}.{operation}", "fault": fault, **more}
        self.gateway.put("faults", {"seed": 1, "rules": [rule]})

    def notice(self, **wanted: Any) -> tuple[dict[str, str], bytes]:
        """A notification as WeChat would send it, to measure."""
        made = self.gateway.post("notify", send=False, **{"api": self.generation, **wanted})
        return made["headers"], made["body"].encode()

    def parse(self, headers: dict[str, str], body: bytes, now: float | None = None) -> Any:
        async def use(adapter: PaymentAdapter) -> Any:
            return adapter.parse_notification(headers, body, int(now or time.time()))

        return self.call(use)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator of our own: these tests move its clock."""
    simulator = Simulator(tmp_path_factory.mktemp("contract"))
    yield simulator
    simulator.close()


@pytest.fixture(scope="session")
def files(gateway: Simulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mutual TLS takes, as files: v2 refunds need it."""
    folder = tmp_path_factory.mktemp("certificates")
    names = {"cert_file": "client_certificate", "key_file": "client_private_key", "ca_certs": "ca_certificate"}
    for name in names.values():
        (folder / name).write_text(gateway.merchant[name])
    return {option: str(folder / name) for option, name in names.items()}


@pytest.fixture(scope="session")
def shops(gateway: Simulator) -> Iterator[dict[str, Shop]]:
    opened: dict[str, Shop] = {}
    yield opened
    for shop in opened.values():
        shop.close()


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def shop(
    request: pytest.FixtureRequest, gateway: Simulator, shops: dict[str, Shop], files: dict[str, str]
) -> Iterator[Shop]:
    way: Way = request.param
    gateway.clear_faults()
    gateway.put("keys", {"notify_key": way.notices, "platform_certificates": way.certificates})
    if way.name not in shops:
        shops[way.name] = Shop(gateway, way, files)
    yield shops[way.name]
    gateway.clear_faults()
