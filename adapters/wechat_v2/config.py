"""What the v2 adapter is built from."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class WechatV2Config:
    """``sign_type`` is for new payments; an attempt keeps the one that it was made with."""

    appid: str
    mchid: str
    api_key: SecretStr  # the API v2 key, 32 characters
    sign_type: str = "MD5"  # or "HMAC-SHA256"
    base_url: str = "https://api.mch.weixin.qq.com"
