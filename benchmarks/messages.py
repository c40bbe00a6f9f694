"""The requests of the load generator, whole and ready: head, signature, body.

WeChat's messages are sealed and signed here as WeChat does it. Signing takes longer than anything that is measured, so
it is done before, in as many processes as the machine has cores.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.wechat_v2 import codec as v2
from adapters.wechat_v3 import codec as v3
from benchmarks import numbers
from benchmarks.keys import APPID, MCHID, PUBLIC_KEY_ID, Merchant
from services.orders import rfc3339

USER_AGENT = "Mozilla/4.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) MicroMessenger/8.0.60 NetType/WIFI Language/zh_CN"


def http(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: pay.example.com", *(f"{name}: {headers[name]}" for name in headers)]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Notices:
    """Payment notifications, signed a few seconds before they are sent: WeChat's signatures last five minutes."""

    def __init__(self, merchant: Merchant) -> None:
        self._folder = merchant.folder
        self._pool = ProcessPoolExecutor(os.cpu_count())

    def genuine(self, api: str, orders: Iterable[int]) -> list[bytes]:
        return self._made(api, list(orders), forged=False)

    def forged(self, api: str, orders: Iterable[int]) -> list[bytes]:
        """Right in every form, and signed by somebody else."""
        return self._made(api, list(orders), forged=True)

    def close(self) -> None:
        self._pool.shutdown()

    def _made(self, api: str, orders: list[int], *, forged: bool) -> list[bytes]:
        parts = [orders[start : start + 200] for start in range(0, len(orders), 200)]
        jobs = [self._pool.submit(_notices, self._folder, api, part, forged) for part in parts]
        return [notice for job in jobs for notice in job.result()]


def _notices(folder: Path, api: str, orders: list[int], forged: bool) -> list[bytes]:
    merchant = Merchant(folder)
    if api == "v2":
        return [_v2(secrets.token_hex(16) if forged else merchant.v2_api_key, n) for n in orders]
    key = generate_private_key(65537, 2048) if forged else merchant.platform_key
    sealing = AESGCM(merchant.v3_api_key.encode())
    return [_signed(key, _v3_body(sealing, n)) for n in orders]


def _signed(key: RSAPrivateKey, body: bytes) -> bytes:
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Request-Id": secrets.token_hex(16),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": PUBLIC_KEY_ID,
        "Wechatpay-Signature": v3.sign(key, f"{stamp}\n{nonce}\n".encode() + body + b"\n"),
        "Wechatpay-Signature-Type": v3.SCHEME,
        "Wechatpay-Timestamp": stamp,
    }
    return http("POST", "/notify/wechat_v3/payment", headers, body)


def _v3_body(sealing: AESGCM, n: int) -> bytes:
    paid = rfc3339(int(time.time()))
    trade = {
        "transaction_id": numbers.transaction_id(n),
        "amount": {"payer_total": numbers.AMOUNT, "total": numbers.AMOUNT, "currency": "CNY", "payer_currency": "CNY"},
        "mchid": MCHID,
        "trade_state": "SUCCESS",
        "bank_type": "CMC",
        "success_time": paid,
        "payer": {"openid": numbers.openid(n)},
        "out_trade_no": numbers.out_trade_no(n),
        "appid": APPID,
        "trade_state_desc": "支付成功",
        "trade_type": "JSAPI",
        "attach": "",
    }
    nonce = secrets.token_hex(6)
    sealed = sealing.encrypt(nonce.encode(), json.dumps(trade, ensure_ascii=False).encode(), b"transaction")
    envelope = {
        "id": secrets.token_hex(16),
        "create_time": paid,
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": {
            "original_type": "transaction",
            "algorithm": v3.CIPHER,
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "transaction",
            "nonce": nonce,
        },
    }
    return json.dumps(envelope, ensure_ascii=False).encode()


def _v2(api_key: str, n: int) -> bytes:
    fields = {
        "appid": APPID,
        "bank_type": "CMC",
        "cash_fee": str(numbers.AMOUNT),
        "fee_type": "CNY",
        "is_subscribe": "N",
        "mch_id": MCHID,
        "nonce_str": secrets.token_hex(16),
        "openid": numbers.openid(n),
        "out_trade_no": numbers.out_trade_no(n),
        "result_code": "SUCCESS",
        "return_code": "SUCCESS",
        "time_end": v2.beijing(int(time.time())),
        "total_fee": str(numbers.AMOUNT),
        "trade_type": "JSAPI",
        "transaction_id": numbers.transaction_id(n),
    }
    body = v2.build({**fields, "sign": v2.sign(fields, api_key, v2.MD5)})
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Content-Type": "text/xml"}
    return http("POST", "/notify/wechat_v2/payment", headers, body)


# --- what a mini-program asks ---


def _phone(token: str, **more: str) -> dict[str, str]:
    return {"User-Agent": PHONE, "Accept": "*/*", "Authorization": f"Bearer {token}", **more}


def orders(tokens: Iterable[str]) -> list[bytes]:
    """A new order of each of these buyers. The key is what ``pay.js`` sends along."""
    body = json.dumps({"items": [{"product_id": numbers.PRODUCT, "quantity": 1}]}).encode()
    kind = {"Content-Type": "application/json"}
    return [
        http("POST", "/api/orders", _phone(token, **kind, **{"Idempotency-Key": secrets.token_hex(16)}), body)
        for token in tokens
    ]


def reads(tokens: Iterable[str]) -> list[bytes]:
    """The n-th buyer looks at the n-th order."""
    return [http("GET", f"/api/orders/{numbers.order_no(n)}", _phone(token)) for n, token in enumerate(tokens)]


def logins(count: int) -> list[bytes]:
    """Codes that nobody used before, each from an address of its own, as a proxy tells it. A code ends in its buyer."""
    made = []
    for n in range(count):
        body = json.dumps({"code": f"{secrets.token_hex(13)}{n % numbers.BUYERS:06d}"}).encode()
        address = ".".join(str(secrets.randbelow(254) + 1) for _ in range(4))
        headers = {"User-Agent": PHONE, "Content-Type": "application/json", "X-Real-Ip": address}
        made.append(http("POST", "/api/login", headers, body))
    return made
