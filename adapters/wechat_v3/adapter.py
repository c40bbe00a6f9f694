"""The calls of API v3: JSAPI order, query, close, refund, bills, and what comes back (v3.md 3 to 16).

Decides nothing about money: it sends what was composed, believes what verifies, and names every failure by what the
caller may do next. Its only state is the platform keys.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from adapters import bill
from adapters.base import (
    Attempt,
    Bill,
    BillKind,
    Check,
    CloseResult,
    HeldKey,
    Notification,
    Prepay,
    PrepayRequest,
    Refund,
    RefundReport,
    Reply,
    TradeReport,
    TradeStatus,
)
from adapters.errors import ConfigError, Conflict, Malformed, NotFound, OutcomeUnknown, PaymentError, Rejected
from adapters.judging import believing, confirmed, ours, plain, with_either
from adapters.text import fit, tidy
from adapters.transport import Response, Transport
from adapters.wechat_v3 import answers, checks, codec, reports
from adapters.wechat_v3.codec import Object
from adapters.wechat_v3.config import WechatV3Config, api_keys, merchant_key, wechat_public_key
from adapters.wechat_v3.platform_keys import PlatformKeys
from adapters.wechat_words import word

BEIJING = timezone(timedelta(hours=8))
MAX_ERROR = 65_536  # bytes of an error answer to a download that are worth reading
REFUNDS = "/v3/refund/domestic/refunds"
BILLS: Mapping[BillKind, str] = {
    "trade": "/v3/bill/tradebill?bill_date={}&bill_type=ALL&tar_type=GZIP",
    "fund": "/v3/bill/fundflowbill?bill_date={}&account_type=BASIC&tar_type=GZIP",
}

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
REFUSED = {"signature": 401, "unavailable": 503}  # what a notification is told, by our reason


class WechatV3:
    """API v3 behind ``PaymentAdapter``. ``now`` gives epoch seconds, ``nonce`` at least 16 fresh random characters.

    Raises ConfigError if a key does not parse.
    """

    name = reports.NAME
    close_wait_seconds = 0  # v3.md 12 asks for none
    bill_kinds = frozenset(BILLS)

    def __init__(
        self, config: WechatV3Config, transport: Transport, *, now: Callable[[], float], nonce: Callable[[], str]
    ) -> None:
        if not re.fullmatch(r"[0-9A-Fa-f]+", config.serial_no):
            raise ConfigError("WECHAT_V3_SERIAL_NO must be the hexadecimal serial number of the merchant certificate")
        self.appid = config.appid
        self.mchid = config.mchid
        base = urlsplit(config.base_url.rstrip("/"))
        self._origin, self._base_path = f"{base.scheme}://{base.netloc}", base.path
        self._serial_no = config.serial_no
        self._public_key_id = config.public_key_id
        self._secrets = api_keys(config)
        self._private_key = merchant_key(config)
        self._keys = PlatformKeys(wechat_public_key(config))
        self._transport = transport
        self._now = now
        self._nonce = nonce

    def compose(self, attempt: Attempt) -> PrepayRequest:
        """The very JSON body of the JSAPI order (v3.md 9)."""
        body = {
            "appid": self.appid,
            "mchid": self.mchid,
            "description": fit(attempt.description, 127),
            "out_trade_no": attempt.out_trade_no,
            "time_expire": datetime.fromtimestamp(attempt.expires_at, BEIJING).isoformat(),
            "notify_url": attempt.notify_url,
            "amount": {"total": attempt.amount_fen, "currency": attempt.currency},
            "payer": {"openid": attempt.openid},
            "scene_info": {"payer_client_ip": attempt.client_ip},
        }
        return PrepayRequest(_json(body), "RSA")

    async def prepay(self, request: PrepayRequest) -> Prepay:
        """The same stored bytes each time; WeChat answers with a usable prepay_id (v3.md 9)."""
        response = await self._send("POST", "/v3/pay/transactions/jsapi", request.parameters.encode())
        answer = self._judge(response, 200)
        with believing():
            return Prepay(word(answer, "prepay_id", 64), "RSA")

    def client_payment(self, prepay: Prepay, now: int) -> dict[str, str]:
        """v3.md 10."""
        return codec.pay_sign(self.appid, prepay.prepay_id, now, self._nonce()[:32], self._private_key)

    async def query(self, out_trade_no: str) -> TradeReport:
        """v3.md 11."""
        answer = self._judge(await self._send("GET", self._order(out_trade_no, query=True)), 200)
        with believing():
            report = reports.trade_report(answer, "query")
        if (report.out_trade_no, report.appid, report.mchid) != (out_trade_no, self.appid, self.mchid):
            raise OutcomeUnknown("an answer about another order")
        return report

    async def close(self, out_trade_no: str) -> CloseResult:
        """v3.md 12. The success is signed. "Already closed" may not be, so a query, which is, must confirm it."""
        try:
            path = self._order(out_trade_no) + "/close"
            self._judge(await self._send("POST", path, _json({"mchid": self.mchid}).encode()), 204)
        except Conflict as error:
            closed = plain(error.code) == plain("ORDER_CLOSED")
            if closed and (await self.query(out_trade_no)).status is TradeStatus.CLOSED:
                return CloseResult.ALREADY_CLOSED
            raise
        return CloseResult.ACCEPTED

    def compose_refund(self, refund: Refund) -> str:
        """The very JSON body of the refund (v3.md 13.1)."""
        return _json(
            {
                "transaction_id": refund.provider_transaction_id,
                "out_refund_no": refund.out_refund_no,
                "reason": fit(refund.reason, 80),
                "notify_url": refund.notify_url,
                "amount": {"refund": refund.amount_fen, "total": refund.total_fen, "currency": refund.currency},
            }
        )

    async def refund(self, parameters: str) -> RefundReport:
        """The same stored bytes each time (v3.md 13.1). A refusal, which may be unsigned, is confirmed by a query."""
        asked = json.loads(parameters)
        number = asked["out_refund_no"]
        try:
            response = await self._send("POST", REFUNDS, parameters.encode())
            report = self._refund_report(response, answers.REFUND)
        except Rejected as refused:
            report = await confirmed(refused, self.query_refund(number))
        return ours(report, number, asked["transaction_id"], asked["amount"]["refund"])

    async def query_refund(self, out_refund_no: str) -> RefundReport:
        """v3.md 13.2."""
        response = await self._send("GET", f"{REFUNDS}/{quote(out_refund_no, safe='')}")
        report = self._refund_report(response, answers.REFUND_QUERY)
        if report.out_refund_no != out_refund_no:
            raise OutcomeUnknown("an answer about another refund")
        return report

    async def resolve_abnormal(self, refund_id: str, out_refund_no: str) -> RefundReport:
        """v3.md 13.3. To another card of the payer's would take card data, which we do not hold."""
        body = _json({"out_refund_no": out_refund_no, "type": "MERCHANT_BANK_CARD"}).encode()
        target = f"{REFUNDS}/{quote(refund_id, safe='')}/apply-abnormal-refund"
        serial = self._public_key_id or self._keys.newest(int(self._now()))  # required here (v3.md 13.3)
        report = self._refund_report(await self._send("POST", target, body, serial), answers.REFUND)
        if (report.provider_refund_id, report.out_refund_no) != (refund_id, out_refund_no):
            raise OutcomeUnknown("an answer about another refund")
        return report

    async def download_bill(self, day: str, kind: BillKind, folder: Path) -> Bill:
        """v3.md 14. A signed answer tells where the file is and its digest; the file itself is not signed."""
        named = date.fromisoformat(day).isoformat()
        try:
            answer = self._judge(await self._send("GET", BILLS[kind].format(named)), 200, answers.BILL)
        except NotFound:
            return bill.empty()
        with believing():
            sha1, url = codec.sha1(answer), word(answer, "download_url", 2048)
        target = folder / f"{self.name}-{kind}-{named}.bill"
        await self._download(url, target)
        return await asyncio.to_thread(bill.read, target, kind, sha1)

    async def _download(self, url: str, target: Path) -> None:
        """Our signature goes with it, so to nobody but WeChat. Path and query are signed as WeChat wrote them."""
        if not url.startswith(f"{self._origin}/"):
            raise Malformed("a bill that would be downloaded from somewhere else")
        headers = {"Accept": "*/*", "Authorization": self._authorize("GET", url.removeprefix(self._origin), b"")}
        response = await self._transport.download("GET", url, headers=headers, target=target)
        if response.status != 200:
            with target.open("rb") as file:
                said = Response(response.status, response.headers, file.read(MAX_ERROR))
            raise answers.refusal(said, answers.BILL_FILE)

    def parse_notification(self, headers: Mapping[str, str], body: bytes, now: int) -> Notification:
        """Verified over the body as received, then opened. ``now`` in epoch seconds."""
        read = partial(codec.read_notification, headers, body, self._keys.at(now), now)
        return reports.notified(with_either(self._api_keys, read))

    def acknowledge(self, error: str | None = None) -> Reply:
        """The HTTP status decides (v3.md 15.3)."""
        return _acknowledgement(error)

    async def refresh_keys(self) -> None:
        """Download the platform certificates. In public-key mode a merchant may have none, which is well (v3.md 6, 7).

        Raises as ``query`` does; a failed refresh leaves every key as it was.
        """
        response = await self._send("GET", "/v3/certificates")
        if response.status != 200:
            error = answers.refusal(response)
            if isinstance(error, NotFound) and self._public_key_id:
                return
            raise error
        now = int(self._now())
        read = partial(codec.read_certificates, response.headers, response.body, self._keys.at(now), now)
        with believing():
            found = with_either(self._api_keys, read)
        self._keys.replace(found, now)

    def held_keys(self) -> list[HeldKey]:
        public = [HeldKey("public_key", self._public_key_id)] if self._public_key_id else []
        platform = [
            HeldKey("platform_certificate", each.serial_no, each.expires_at)
            for each in self._keys.certificates.values()
        ]
        return [HeldKey("api_key", ""), HeldKey("merchant_key", self._serial_no), *public, *platform]

    async def self_check(self) -> list[Check]:
        """Fetch the certificates, then ask about a number that never was; both change nothing at WeChat."""
        keys = await self._check_keys()
        try:
            response = await self._send("GET", self._order(f"CHECK{self._nonce()}"[:32], query=True))
        except PaymentError as error:
            return [keys, Check("wechat_v3 api", False, f"{type(error).__name__}: {error}")]
        return [keys, self._check_api(response), checks.of_clock(response, self._now())]

    # --- one call ---

    @property
    def _api_keys(self) -> list[bytes]:
        return [key.get_secret_value() for key in self._secrets]

    def _order(self, out_trade_no: str, *, query: bool = False) -> str:
        path = f"/v3/pay/transactions/out-trade-no/{quote(out_trade_no, safe='')}"
        return f"{path}?mchid={quote(self.mchid, safe='')}" if query else path

    async def _send(self, method: str, target: str, body: bytes = b"", serial: str | None = None) -> Response:
        """Sign and send. What is signed are the path, the query and the bytes that go out."""
        target = self._base_path + target
        headers = {"Accept": "application/json", "Authorization": self._authorize(method, target, body)}
        if body:
            headers["Content-Type"] = "application/json"
        if serial := serial or self._public_key_id:  # asks for an answer signed with this key (v3.md 7)
            headers["Wechatpay-Serial"] = serial
        return await self._transport.request(method, self._origin + target, headers=headers, body=body or None)

    def _authorize(self, method: str, target: str, body: bytes) -> str:
        return codec.authorization(
            self.mchid,
            self._serial_no,
            self._private_key,
            method=method,
            target=target,
            timestamp=int(self._now()),
            nonce=self._nonce()[:32],
            body=body,
        )

    def _refund_report(self, response: Response, table: answers.Table) -> RefundReport:
        answer = self._judge(response, 200, table)
        with believing():
            return reports.refund_answer(answer)

    def _judge(self, response: Response, expected: int, table: answers.Table = answers.TABLE) -> Object:
        """The verified object of an answer with the expected status; an error for everything else."""
        if not 200 <= response.status < 300:
            raise answers.refusal(response, table)
        now = int(self._now())
        with believing():
            answer = codec.read_answer(response.headers, response.body, self._keys.at(now), now)
        if response.status != expected:  # 202: accepted, not finished (v3.md 1)
            raise OutcomeUnknown(f"HTTP {response.status}")
        return answer

    async def _check_keys(self) -> Check:
        try:
            await self.refresh_keys()
        except PaymentError as error:
            return Check("wechat_v3 keys", False, f"{type(error).__name__}: {error}")
        return checks.of_keys(self._keys, int(self._now()), public=bool(self._public_key_id))

    def _check_api(self, response: Response) -> Check:
        try:
            self._judge(response, 200)
        except NotFound:
            return Check("wechat_v3 api", True, "reached; our signature, serial number and merchant number are right")
        except PaymentError as error:
            return Check("wechat_v3 api", False, f"{type(error).__name__}: {error}")
        return Check("wechat_v3 api", False, "an order that never was is known there")


@lru_cache(16)  # our reasons are few
def _acknowledgement(error: str | None) -> Reply:
    """204; for a reason without a status of its own, 500."""
    if error is None:
        return Reply(204, "application/json", b"")
    status = REFUSED.get(error, 500)
    return Reply(status, "application/json", _json({"code": "FAIL", "message": tidy(error, 100)}).encode())
