"""What the v3 adapter is built from, and its keys parsed once. Errors say which setting is wrong, never its value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import SecretBytes, SecretStr

from adapters.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WechatV3Config:
    """Keys as PEM text. ``public_key`` and ``public_key_id``: both (public-key mode) or neither (certificates only)."""

    appid: str
    mchid: str
    api_key: SecretStr  # the APIv3 key, 32 bytes
    serial_no: str  # of the merchant's own certificate
    private_key: SecretStr  # of the merchant
    public_key: str | None = None  # WeChat Pay's
    public_key_id: str | None = None  # PUB_KEY_ID_...
    base_url: str = "https://api.mch.weixin.qq.com"
    other_api_key: SecretStr | None = None  # accepted as well, while one key takes the other's place


@lru_cache(maxsize=4)  # checking a key takes 70 ms
def merchant_key(config: WechatV3Config) -> RSAPrivateKey:
    """Raises ConfigError."""
    try:
        key = load_pem_private_key(config.private_key.get_secret_value().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError("WECHAT_V3_PRIVATE_KEY_FILE is not an unencrypted private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        raise ConfigError("WECHAT_V3_PRIVATE_KEY_FILE is not an RSA key of at least 2048 bits")
    return key


def wechat_public_key(config: WechatV3Config) -> dict[str, RSAPublicKey]:
    """WeChat Pay's public key by its id, or nothing. Raises ConfigError."""
    if not config.public_key and not config.public_key_id:
        return {}
    if not config.public_key or not config.public_key_id:
        raise ConfigError("WECHAT_V3_PUBLIC_KEY_FILE and WECHAT_V3_PUBLIC_KEY_ID: give both or neither")
    try:
        key = load_pem_public_key(config.public_key.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("WECHAT_V3_PUBLIC_KEY_FILE is not a public key in PEM form") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise ConfigError("WECHAT_V3_PUBLIC_KEY_FILE is not an RSA key of at least 2048 bits")
    return {config.public_key_id: key}


def api_keys(config: WechatV3Config) -> tuple[SecretBytes, ...]:
    """One, or two during a change-over. Raises ConfigError."""
    named = {"WECHAT_V3_API_KEY": config.api_key, "WECHAT_V3_API_KEY_OTHER": config.other_api_key}
    keys = {name: key.get_secret_value().encode() for name, key in named.items() if key is not None}
    for name, key in keys.items():
        if len(key) != 32:
            raise ConfigError(f"{name} must be 32 bytes; this one has {len(key)}")
    return tuple(SecretBytes(key) for key in keys.values())
