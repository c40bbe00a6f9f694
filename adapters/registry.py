"""Which adapters there are. A new provider is a folder beside this file and one line in ``FACTORIES``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.base import PaymentAdapter
from adapters.errors import ConfigError
from adapters.transport import Transport
from adapters.wechat_v2 import WechatV2
from adapters.wechat_v3 import WechatV3

FACTORIES: Mapping[str, Callable[..., PaymentAdapter]] = {
    "wechat_v2": WechatV2,
    "wechat_v3": WechatV3,
}


def build(
    name: str, config: Any, transport: Transport, *, now: Callable[[], float], nonce: Callable[[], str]
) -> PaymentAdapter:
    """The adapter of that name, from its own config. Raises ConfigError if there is none or its keys are no good."""
    if name not in FACTORIES:
        raise ConfigError(f"no adapter is called {name}; there are {', '.join(FACTORIES)}")
    return FACTORIES[name](config, transport, now=now, nonce=nonce)
