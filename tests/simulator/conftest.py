"""The simulator as its own process on a free port, and a merchant that speaks to it.

The merchant's signing is written here once more, on ``cryptography`` and plain string work: no test of a route signs
with the code under test.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import settings

settings.register_profile("calm", deadline=None)  # a busy machine is not a failure
settings.load_profile("calm")

ROOT = Path(__file__).resolve().parents[2]
JSAPI = "/v3/pay/transactions/jsapi"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def xml(self) -> dict[str, str]:
        return fields_of(self.body)

    @property
    def explanation(self) -> dict[str, str]:
        return json.loads(self.headers["x-sim-explain"])


def _answered(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> Answer:
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


class Process:
    """``python -m simulator`` on a free port."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)", line)
        if not found:
            raise RuntimeError(f"the simulator did not start: {line}{self.process.stderr.read()}")
        self.port = int(found[1])
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.log.append(line)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(10)
        self._reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        return _answered(connection, method, path, body, headers or {})

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = self.call(method, f"/_sim/{path}", None if body is None else json.dumps(body).encode())
        assert answer.status == 200, answer
        return answer.json


class Sim(Process):
    """The process and its test merchant's way of speaking."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self.merchant = self.control("GET", "merchant")
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
        connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=20, context=context)
        return _answered(connection, "POST", path, body, {})

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
        if headers["wechatpay-serial"] == self.merchant["public_key_id"]:
            key = serialization.load_pem_public_key(self.merchant["public_key"].encode())
        else:
            from cryptography import x509

            assert headers["wechatpay-serial"] == self.merchant["platform_serial_no"]
            key = x509.load_pem_x509_certificate(self.merchant["platform_certificate"].encode()).public_key()
        key.verify(base64.b64decode(headers["wechatpay-signature"]), text, padding.PKCS1v15(), hashes.SHA256())

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

    def wait(self, done: Callable[[], Any], seconds: float = 8) -> Any:
        """Poll until ``done()`` is true, and give what it gave."""
        end = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.02)
        return found

    def advance(self, seconds: float) -> None:
        self.control("POST", "clock", {"advance_seconds": seconds})


def fields_of(body: bytes) -> dict[str, str]:
    """Fields of a flat XML message, read without a parser: CDATA or plain."""
    pattern = r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>"
    return {name: cdata or plain for name, cdata, plain in re.findall(pattern, body.decode("utf-8"), re.DOTALL)}


def xml_of(fields: dict[str, str]) -> bytes:
    return ("<xml>" + "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in fields.items()) + "</xml>").encode()


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def xml(self) -> dict[str, str]:
        return fields_of(self.body)


@dataclass
class Merchant:
    """A notify address that remembers what came, and answers as it is told: (status, headers, body) per path."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    replies: dict[str, Callable[[], tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [received for received in self.received if received.path == path]

    def answer(self, path: str, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> str:
        """Answer so at this path from now on; gives the URL."""
        self.replies[path] = lambda: (status, headers or {}, body)
        return self.url(path)


class Server(ThreadingHTTPServer):
    """Many may knock at once, and a caller may leave before it is answered."""

    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        assert isinstance(sys.exc_info()[1], ConnectionError)


def _handler(merchant: Merchant) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            merchant.received.append(Received(self.path, dict(self.headers.items()), body))
            status, headers, reply = merchant.replies.get(self.path, lambda: (204, {}, b""))()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    return Handler


@pytest.fixture(scope="session")
def sim() -> Iterator[Sim]:
    """One simulator for the tests that do not move its clock or break its keys."""
    running = Sim()
    yield running
    assert running.stop() == 0
    assert not [line for line in running.log if "Traceback" in line or " ERROR " in line]


@pytest.fixture
def fault(sim: Sim) -> Iterator[Callable[..., None]]:
    """Set one fault of the shared simulator: ``fault("v3.*", "tamper", field="total")``. It is gone after the test."""

    def put(op: str, name: str, **more: Any) -> None:
        sim.control("PUT", "faults", [{"op": op, "fault": name, "count": 1, **more}])

    yield put
    sim.control("DELETE", "faults")


@pytest.fixture(scope="session")
def merchant_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A merchant made once: three RSA pairs for every simulator would take longer than the tests."""
    folder = tmp_path_factory.mktemp("merchant")
    Sim("--data", str(folder)).stop()
    return folder / "merchant.json"


@pytest.fixture
def own_sim(merchant_json: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sim]]:
    """Start a simulator of one's own: ``own_sim("--data", ...)``; without a folder, one with the merchant made once."""
    started: list[Sim] = []

    def start(*options: str) -> Sim:
        if "--data" not in options:
            folder = tmp_path_factory.mktemp("sim")
            shutil.copy(merchant_json, folder)
            options = (*options, "--data", str(folder))
        started.append(Sim(*options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def merchant_site() -> Iterator[Merchant]:
    merchant = Merchant()
    server = Server(("127.0.0.1", 0), _handler(merchant))
    merchant.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield merchant
    server.shutdown()
    server.server_close()
    thread.join(5)
