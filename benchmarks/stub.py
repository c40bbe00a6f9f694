"""The gateway stub: answers prepay (v3, v2) and code2session over TLS, signed, at the least cost to the machine.

    PORT=9443 MERCHANT=folder python -m benchmarks.stub

It checks nothing and keeps nothing: the simulator does that. An answer is signed once a second and given to everybody.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import ssl
import time
from email.utils import formatdate
from pathlib import Path

from adapters.wechat_v2 import codec as v2
from adapters.wechat_v3 import codec as v3
from benchmarks import numbers
from benchmarks.keys import APPID, MCHID, PUBLIC_KEY_ID, Merchant

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PREPAY = b"POST /v3/pay/transactions/jsapi "
UNIFIED = b"POST /pay/unifiedorder "
SESSION = re.compile(rb"GET /sns/jscode2session\?\S*js_code=\w*?(\d{6})[& ]")
UNKNOWN = json.dumps({"code": "RESOURCE_NOT_EXISTS", "message": "none here"}).encode()


class Answers:
    """What is said to everybody within one second."""

    def __init__(self, merchant: Merchant) -> None:
        self._key = merchant.platform_key
        self._api_key = merchant.v2_api_key
        self._second = 0

    def to(self, head: bytes) -> bytes:
        if (now := int(time.time())) != self._second:
            self._renew(now)
        if head.startswith(PREPAY):
            return self._prepay
        if head.startswith(UNIFIED):
            return self._unified
        if found := SESSION.match(head):
            told = {"openid": numbers.openid(int(found[1])), "session_key": "c2Vzc2lvbiBrZXkgb2YgMTYgYg=="}
            return self._answer("200 OK", json.dumps(told).encode())
        return self._answer("404 Not Found", UNKNOWN)

    def _renew(self, now: int) -> None:
        self._second, self._date = now, formatdate(now, usegmt=True)
        prepay_id = f"wx{now}{secrets.token_hex(12)}"
        body = json.dumps({"prepay_id": prepay_id}).encode()
        nonce = secrets.token_hex(16)
        signed = {
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": PUBLIC_KEY_ID,
            "Wechatpay-Signature": v3.sign(self._key, f"{now}\n{nonce}\n".encode() + body + b"\n"),
            "Wechatpay-Signature-Type": v3.SCHEME,
            "Wechatpay-Timestamp": str(now),
            "Request-ID": secrets.token_hex(16),
        }
        self._prepay = self._answer("200 OK", body, signed)
        fields = {
            "return_code": "SUCCESS",
            "return_msg": "OK",
            "appid": APPID,
            "mch_id": MCHID,
            "nonce_str": nonce,
            "result_code": "SUCCESS",
            "prepay_id": prepay_id,
            "trade_type": "JSAPI",
        }
        answer = v2.build({**fields, "sign": v2.sign(fields, self._api_key, v2.MD5)})
        self._unified = self._answer("200 OK", answer, kind="text/xml")

    def _answer(
        self, status: str, body: bytes, headers: dict[str, str] | None = None, kind: str = "application/json"
    ) -> bytes:
        told = {"Date": self._date, "Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        return "\r\n".join([f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in told.items()), "", ""]).encode() + body


class Gateway(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n") + 4) > 3:
            length = LENGTH.search(self._unread, 0, end)
            whole = end + (int(length[1]) if length else 0)
            if len(self._unread) < whole:
                return
            self._transport.write(self._answers.to(self._unread[:end]))
            self._unread = self._unread[whole:]


async def main() -> None:
    merchant = Merchant(Path(os.environ["MERCHANT"]))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(merchant.folder / "stub.pem")
    answers = Answers(merchant)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Gateway(answers), "127.0.0.1", int(os.environ["PORT"]), ssl=tls)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
