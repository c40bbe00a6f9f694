"""The simulator with a merchant that speaks to it.

The merchant's signing is written here once more, on ``cryptography`` and plain string work: no test of a route signs
with the code under test.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import ssl
import tempfile
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.processes import eventually
from tests.simulator.process import Answer, Process, answered, xml_of
from tests.simulator.site import Received

JSAPI = "/v3/pay/transactions/jsapi"


class Sim(Process):
    """The process and its test merchant's way of speaking."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self.merchant = self.control("GET", "merchant")
        self.certificates: dict[str, dict[str, str]] = {}
        self.key = serialization.load_pem_private_key(self.merchant["merchant_private_key"].encode(), None)

    # -- identity and phone ------------------------------------------------------------------------------------------

    def openid(self) -> str:
        openid = "o" + secrets.token_hex(13) + "x"
        self.control("POST", "login", {"openid": openid})
        return openid

    def pay_v3(self, prepay_id: str, **changes: Any) -> Answer:
        stamp, nonce, package = str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"
        signature = self.rsa(f"{self.merchant['appid']}\n{stamp}\n{nonce}\n{package}\n".encode())
        fields = {"timeStamp": stamp, "nonceStr": nonce, "package": package, "signType": "RSA", "paySign": signature}
        return self.call("POST", "/_sim/pay", json.dumps(fields | changes).encode())

    def pay_v2(self, prepay_id: str, sign_type: str = "MD5", **changes: Any) -> Answer:
        fields = {
            "appId": self.merchant["appid"],
            "timeStamp": str(int(time.time())),
            "nonceStr": secrets.token_hex(16),
            "package": f"prepay_id={prepay_id}",
            "signType": sign_type,
        }
        fields["paySign"] = self.keyed(fields, sign_type)
        return self.call("POST", "/_sim/pay", json.dumps(fields | changes).encode())

    def paid_v3(self, **changes: Any) -> dict[str, Any]:
        """An order of API v3, paid: the body that made it, and its transaction_id."""
        order = self.order_v3(**changes)
        assert self.pay_v3(self.v3("POST", JSAPI, order).json["prepay_id"]).json["errMsg"] == "requestPayment:ok"
        return order | {"transaction_id": self.transaction_id(order["out_trade_no"])}

    def paid_v2(self, **changes: str) -> dict[str, str]:
        order = self.order_v2(**changes)
        prepay_id = self.v2("unifiedorder", order).xml["prepay_id"]
        assert self.pay_v2(prepay_id).json["errMsg"] == "requestPayment:ok"
        return order | {"transaction_id": self.transaction_id(order["out_trade_no"])}

    def transaction_id(self, out_trade_no: str) -> str:
        return self.control("GET", f"ledger?out_trade_no={out_trade_no}")["payments"][0]["transaction_id"]

    # -- v2 ----------------------------------------------------------------------------------------------------------

    def keyed(self, fields: dict[str, str], sign_type: str = "MD5", key: str | None = None) -> str:
        key = key or self.merchant["v2_api_key"]
        text = "&".join(f"{k}={fields[k]}" for k in sorted(fields) if fields[k] != "") + f"&key={key}"
        if sign_type == "MD5":
            return hashlib.md5(text.encode()).hexdigest().upper()
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest().upper()

    def identity_v2(self) -> dict[str, str]:
        return {
            "appid": self.merchant["appid"],
            "mch_id": self.merchant["mchid"],
            "nonce_str": secrets.token_hex(16),
        }

    def order_v2(self, **changes: str) -> dict[str, str]:
        fields = {
            "body": "测试小店-咖啡 & 茶",
            "out_trade_no": "T" + secrets.token_hex(10),
            "total_fee": "100",
            "spbill_create_ip": "127.0.0.1",
            "notify_url": "https://pay.example.test/notify/v2",
            "trade_type": "JSAPI",
            "attach": "a=1&b=%20+",
        }
        return fields | {"openid": self.openid()} | changes if "openid" not in changes else fields | changes

    def v2(self, path: str, fields: dict[str, str], sign: Callable[[dict[str, str]], str] | None = None) -> Answer:
        fields = self.identity_v2() | fields
        signature = sign(fields) if sign else self.keyed(fields, fields.get("sign_type") or "MD5")
        return self.call("POST", f"/pay/{path}", xml_of(fields | {"sign": signature}))

    def refund_v2(self, fields: dict[str, str], certificate: bool = True) -> Answer:
        """POST /secapi/pay/refund over mutual TLS; without a certificate if so wished."""
        fields = {"out_refund_no": "R" + secrets.token_hex(10)} | self.identity_v2() | fields
        signature = self.keyed(fields, fields.get("sign_type") or "MD5")
        return self.secapi("/secapi/pay/refund", xml_of(fields | {"sign": signature}), certificate)

    def secapi(self, path: str, body: bytes, certificate: bool = True) -> Answer:
        url = urlsplit(self.merchant["secapi_url"])
        context = ssl.create_default_context(cadata=self.merchant["ca_certificate"])
        if certificate:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
                chain.write(self.merchant["client_private_key"] + self.merchant["client_certificate"])
                chain.flush()
                context.load_cert_chain(chain.name)
        connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=60, context=context)
        return answered(connection, "POST", path, body, {})

    # -- v3 ----------------------------------------------------------------------------------------------------------

    def rsa(self, text: bytes) -> str:
        return base64.b64encode(self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()

    def order_v3(self, **changes: Any) -> dict[str, Any]:
        body = {
            "appid": self.merchant["appid"],
            "mchid": self.merchant["mchid"],
            "description": "测试小店-咖啡",
            "out_trade_no": "T" + secrets.token_hex(10),
            "notify_url": "https://pay.example.test/notify/v3",
            "amount": {"total": 100, "currency": "CNY"},
            "attach": "a=1",
        }
        return body | changes if "payer" in changes else body | {"payer": {"openid": self.openid()}} | changes

    def v3(self, method: str, url: str, body: Any = None, **changes: Any) -> Answer:
        """Send it signed. ``changes``: items of Authorization, ``headers``, ``raw`` body, ``text`` (what is signed)."""
        raw = changes.pop("raw", b"" if body is None else json.dumps(body, ensure_ascii=False).encode())
        extra, text = changes.pop("headers", {}), changes.pop("text", None)
        items = {
            "mchid": self.merchant["mchid"],
            "nonce_str": secrets.token_hex(16),
            "timestamp": str(int(time.time())),
            "serial_no": self.merchant["merchant_serial_no"],
        } | changes
        signed = f"{method}\n{url}\n{items['timestamp']}\n{items['nonce_str']}\n".encode() + raw + b"\n"
        items.setdefault("signature", self.rsa(text(signed) if text else signed))
        joined = ",".join(f'{name}="{value}"' for name, value in items.items())
        headers = {
            "Authorization": f"WECHATPAY2-SHA256-RSA2048 {joined}",
            "Accept": "application/json",
            "User-Agent": "tests/1",
            "Content-Type": "application/json",
        } | extra
        return self.call(method, url, raw, {name: value for name, value in headers.items() if value is not None})

    def verify(self, headers: dict[str, str], body: bytes) -> None:
        """What a merchant does with an answer or a notification; raises on a bad signature."""
        headers = {name.lower(): value for name, value in headers.items()}
        text = f"{headers['wechatpay-timestamp']}\n{headers['wechatpay-nonce']}\n".encode() + body + b"\n"
        key = self.signer(headers["wechatpay-serial"])
        key.verify(base64.b64decode(headers["wechatpay-signature"]), text, padding.PKCS1v15(), hashes.SHA256())

    def signer(self, serial: str) -> Any:
        """The public half of WeChat's key with this id or serial number; there must be one."""
        if serial == self.merchant["public_key_id"]:
            return serialization.load_pem_public_key(self.merchant["public_key"].encode())
        if serial not in self.certificates:
            self.certificates = {c["serial_no"]: c for c in self.control("GET", "keys")["certificates"]}
        assert serial in self.certificates
        return x509.load_pem_x509_certificate(self.certificates[serial]["certificate"].encode()).public_key()

    def decrypt(self, body: bytes) -> dict[str, Any]:
        resource = json.loads(body)["resource"]
        gcm = AESGCM(self.merchant["v3_api_key"].encode())
        sealed, aad = base64.b64decode(resource["ciphertext"]), resource["associated_data"].encode()
        return json.loads(gcm.decrypt(resource["nonce"].encode(), sealed, aad))

    def notice(self, **wish: Any) -> Received:
        """A notification made to measure, not sent."""
        made = self.control("POST", "notify", {"send": False, **wish})
        return Received(made["url"], made["headers"], made["body"].encode())

    def delivery(self, out_trade_no: str) -> dict[str, Any]:
        found = self.control("GET", f"ledger?out_trade_no={out_trade_no}")["deliveries"]
        assert len(found) == 1, found
        return found[0]

    def tries(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """How often the order was notified, and how each was taken."""
        return self.delivery(order["out_trade_no"])["tries"]

    def wait(self, done: Callable[[], Any]) -> Any:
        """Poll until ``done()`` is true, and give what it gave."""
        return eventually(done, 15, 0.02)

    def advance(self, seconds: float) -> None:
        self.control("POST", "clock", {"advance_seconds": seconds})
