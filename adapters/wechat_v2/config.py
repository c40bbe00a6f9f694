"""What the v2 adapter is built from."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class WechatV2Config:
    """``sign_type`` is for new payments; an attempt keeps the one that it was made with.

    ``cert_file`` and ``key_file`` are the PEM files for mutual TLS, which refunds need and nothing else does.
    """

    appid: str
    mchid: str
    api_key: SecretStr  # the API v2 key, 32 characters
    sign_type: str = "MD5"  # or "HMAC-SHA256"
    base_url: str = "https://api.mch.weixin.qq.com"
    cert_file: str | None = None  # apiclient_cert.pem
    key_file: str | None = None  # apiclient_key.pem
    secapi_url: str | None = None  # where mutual TLS is spoken, if not at base_url
    ca_certs: str | None = None  # PEM file of the authorities to trust there instead of the system's
    other_api_key: SecretStr | None = None  # accepted as well, while one key takes the other's place; signs nothing
