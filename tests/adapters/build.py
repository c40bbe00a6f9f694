"""Adapters with the keys of the vectors, a fixed clock and a fixed die, on a given transport."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from pydantic import SecretStr

from adapters.base import Attempt, Refund, RefundReport, RefundStatus
from adapters.transport import Transport
from adapters.wechat_v2 import WechatV2, WechatV2Config
from adapters.wechat_v3 import WechatV3, WechatV3Config
from tests.adapters import known

NONCE = "9D4A7C1E5B3F48D2A6C0E8B17F2D3A45"
MERCHANT_PEM = (
    load_der_private_key(base64.b64decode(known.KEYS["merchant"]["private_key_der_base64"]), None)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
ATTEMPT = Attempt(
    out_trade_no="T202401010001",
    amount_fen=100,
    currency="CNY",
    description="测试小店-咖啡",
    openid="oTESTopenid0000000000000001",
    client_ip="2001:db8::1",
    notify_url="https://pay.example.test/notify",
    created_at=1704074400,  # 2024-01-01 10:00:00 +08:00
    expires_at=1704078000,
)
REFUND = Refund(
    out_refund_no="R20240102-1",
    out_trade_no="T202401010001",
    provider_transaction_id="4200000000202401010000000001",
    amount_fen=40,
    total_fen=100,
    currency="CNY",
    reason="商品已售完",
    notify_url="https://pay.example.test/wx/v3/refund-notify",
)
REFUNDED = RefundReport(
    source="query",
    adapter="",
    out_trade_no=REFUND.out_trade_no,
    provider_transaction_id=REFUND.provider_transaction_id,
    out_refund_no=REFUND.out_refund_no,
    provider_refund_id="50300000002024010200000000001",
    amount_fen=REFUND.amount_fen,
    status=RefundStatus.SUCCESS,
    signed=True,
    refunded_at=1704153600,  # 2024-01-02 08:00:00 +08:00
)


def v2(
    transport: Transport | None = None,
    *,
    base_url: str = "http://127.0.0.1:1",
    sign_type: str = "MD5",
    **files: str | None,
) -> WechatV2:
    """``files``: cert_file, key_file, secapi_url, ca_certs."""
    config = WechatV2Config(known.APPID, known.MCHID, SecretStr(known.V2_KEY), sign_type, base_url, **files)
    return WechatV2(config, transport or Transport(), now=lambda: known.NOW, nonce=lambda: NONCE)


def v3_config(**changes: object) -> WechatV3Config:
    values: dict[str, object] = {
        "appid": known.APPID,
        "mchid": known.MCHID,
        "api_key": SecretStr(known.V3_KEY.decode()),
        "serial_no": known.KEYS["merchant"]["serial_no"],
        "private_key": SecretStr(MERCHANT_PEM),
        "public_key": known.KEYS["wechatpay_public_key"]["public_key_pem"],
        "public_key_id": known.PUBLIC_KEY_ID,
        "base_url": "http://127.0.0.1:1",
    }
    return WechatV3Config(**{**values, **changes})


def v3(transport: Transport | None = None, **changes: object) -> WechatV3:
    return WechatV3(v3_config(**changes), transport or Transport(), now=lambda: known.NOW, nonce=lambda: NONCE)
