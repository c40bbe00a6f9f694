"""The calls of API v2: order, query, close, refund, bills, and what comes back (v2.md 4 to 12).

Decides nothing about money: it sends what was composed, believes what verifies, and names every failure by what the
caller may do next. It keeps no state.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache, partial
from pathlib import Path

from cryptography import x509

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
)
from adapters.errors import (
    ConfigError,
    Conflict,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PaymentError,
    Rejected,
    Throttled,
    Unsupported,
)
from adapters.judging import believing, confirmed, ours, plain, with_either
from adapters.text import fit, tidy
from adapters.transport import ClientCert, Response, Transport
from adapters.wechat_v2 import answers, codec, reports
from adapters.wechat_v2.codec import Fields
from adapters.wechat_v2.config import WechatV2Config
from adapters.wechat_words import word

HEADERS = {"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml"}


class WechatV2:
    """API v2 behind ``PaymentAdapter``. ``now`` gives epoch seconds, ``nonce`` at least 16 fresh random characters."""

    name = reports.NAME
    close_wait_seconds = 300  # v2.md 7

    def __init__(
        self, config: WechatV2Config, transport: Transport, *, now: Callable[[], float], nonce: Callable[[], str]
    ) -> None:
        if config.sign_type not in (codec.MD5, codec.HMAC_SHA256):
            raise ConfigError("WECHAT_V2_SIGN_TYPE must be MD5 or HMAC-SHA256")
        if not config.api_key.get_secret_value():
            raise ConfigError("WECHAT_V2_API_KEY is missing")
        self.appid = config.appid
        self.mchid = config.mchid
        certified = bool(config.cert_file and config.key_file)
        self.bill_kinds: frozenset[BillKind] = frozenset({"trade", "fund"} if certified else {"trade"})
        self._config = config
        self._transport = transport
        self._now = now
        self._nonce = nonce

    @property
    def _key(self) -> str:
        return self._config.api_key.get_secret_value()

    @property
    def _keys(self) -> list[str]:
        """What WeChat may sign and encrypt with; we sign with the first alone."""
        other = self._config.other_api_key
        return [self._key, other.get_secret_value()] if other else [self._key]

    def compose(self, attempt: Attempt) -> PrepayRequest:
        """The parameters of unifiedorder (v2.md 4) as canonical JSON, without nonce and signature."""
        scheme = self._config.sign_type
        parameters = {
            "appid": self.appid,
            "mch_id": self.mchid,
            "body": fit(attempt.description, 127),
            "out_trade_no": attempt.out_trade_no,
            "fee_type": attempt.currency,
            "total_fee": str(attempt.amount_fen),
            "spbill_create_ip": attempt.client_ip,
            "time_start": codec.beijing(attempt.created_at),
            "time_expire": codec.beijing(attempt.expires_at),
            "notify_url": attempt.notify_url,
            "trade_type": "JSAPI",
            "openid": attempt.openid,
            "sign_type": scheme,
        }
        return PrepayRequest(_canonical(parameters), scheme)

    async def prepay(self, request: PrepayRequest) -> Prepay:
        """The same stored parameters each time; WeChat answers with a usable prepay_id (v2.md 4, "Rules")."""
        parameters: dict[str, str] = json.loads(request.parameters)
        fields = await self._call("/pay/unifiedorder", parameters)
        with believing():
            return Prepay(word(fields, "prepay_id", 64), request.scheme)

    def client_payment(self, prepay: Prepay, now: int) -> dict[str, str]:
        """Signed with the scheme of the order, whatever the settings say today (v2.md 5)."""
        return codec.pay_sign(self.appid, prepay.prepay_id, now, self._nonce(), self._key, prepay.scheme)

    async def query(self, out_trade_no: str) -> TradeReport:
        """v2.md 6."""
        fields = await self._call("/pay/orderquery", self._about(out_trade_no=out_trade_no))
        if fields.get("out_trade_no") != out_trade_no:
            raise OutcomeUnknown("an answer without our out_trade_no")
        with believing():
            return reports.queried(fields, self._config.sign_type)

    async def close(self, out_trade_no: str) -> CloseResult:
        """v2.md 7. The refusals are signed, so ORDERCLOSED is proof."""
        try:
            await self._call("/pay/closeorder", self._about(out_trade_no=out_trade_no))
        except Conflict as error:
            if plain(error.code) == "ORDERCLOSED":
                return CloseResult.ALREADY_CLOSED
            raise
        return CloseResult.ACCEPTED

    def compose_refund(self, refund: Refund) -> str:
        """The parameters of refund (v2.md 8) as canonical JSON, without nonce and signature."""
        return _canonical(
            self._about(
                transaction_id=refund.provider_transaction_id,
                out_refund_no=refund.out_refund_no,
                total_fee=str(refund.total_fen),
                refund_fee=str(refund.amount_fen),
                refund_fee_type=refund.currency,
                refund_desc=fit(refund.reason, 80),
                notify_url=refund.notify_url,
            )
        )

    async def refund(self, parameters: str) -> RefundReport:
        """v2.md 8, over mutual TLS. NotSent without a client certificate: the refund waits for the operator."""
        asked: dict[str, str] = json.loads(parameters)
        number, certificate = asked["out_refund_no"], self._certificate()
        try:
            fields = await self._call("/secapi/pay/refund", asked, answers.REFUND, certificate)
            with believing():
                report = reports.refund_accepted(fields)
        except Rejected as refused:
            report = await confirmed(refused, self.query_refund(number))
        return ours(report, number, asked["transaction_id"], int(asked["refund_fee"]))

    async def query_refund(self, out_refund_no: str) -> RefundReport:
        """v2.md 9."""
        fields = await self._call("/pay/refundquery", self._about(out_refund_no=out_refund_no), answers.REFUND_QUERY)
        with believing():
            return reports.refund_queried(fields, out_refund_no)

    async def resolve_abnormal(self, refund_id: str, out_refund_no: str) -> RefundReport:  # noqa: ARG002 - the interface's
        """v2.md 8 and 9 know no such call."""
        raise Unsupported("API v2 has no call for an abnormal refund")

    async def download_bill(self, day: str, kind: BillKind, folder: Path) -> Bill:
        """v2.md 10, 11. The answer is the bill itself, unsigned; its totals, and a fund-flow bill's digest, say whether
        it is whole. Fund-flow bills go over mutual TLS: NotSent without a client certificate."""
        named = date.fromisoformat(day)
        target = folder / f"{self.name}-{kind}-{named.isoformat()}.bill"
        fetch = self._fetch_fund_bill if kind == "fund" else self._fetch_trade_bill
        response = await fetch(named.strftime("%Y%m%d"), target)
        _judge_status(response)
        try:
            _judge_bill(target)
        except NotFound:
            return bill.empty()
        with believing():
            sha1 = codec.bill_digest(response.headers) if kind == "fund" else None
        return await asyncio.to_thread(bill.read, target, kind, sha1)

    async def _fetch_trade_bill(self, day: str, target: Path) -> Response:
        asked = self._about(bill_date=day, bill_type="ALL", tar_type="GZIP")
        return await self._transport.download(
            "POST", self._url("/pay/downloadbill"), headers=HEADERS, body=self._signed(asked), target=target
        )

    async def _fetch_fund_bill(self, day: str, target: Path) -> Response:
        certificate, url = self._certificate(), self._url("/pay/downloadfundflow", self._config.secapi_url)
        asked = self._about(bill_date=day, account_type="Basic", tar_type="GZIP")
        body = self._signed({**asked, "sign_type": codec.HMAC_SHA256})  # no other is taken here
        return await self._transport.download(
            "POST", url, headers=HEADERS, body=body, client_cert=certificate, target=target
        )

    def parse_notification(self, headers: Mapping[str, str], body: bytes, now: int) -> Notification:  # noqa: ARG002 - the interface's
        """Payment (signed) or refund (encrypted only). v2 signs neither headers nor a time, so both go unread."""
        if codec.is_refund_notice(body):
            return reports.refund_notified(with_either(self._keys, partial(codec.read_refund_notice, body)))
        return reports.notified(with_either(self._keys, partial(codec.read_notification, body)))

    def acknowledge(self, error: str | None = None) -> Reply:
        """HTTP 200 always; the XML decides (v2.md 12.3)."""
        return _acknowledgement(error)

    async def refresh_keys(self) -> None:
        """v2 has one shared key, which nobody publishes."""

    def held_keys(self) -> list[HeldKey]:
        held = [HeldKey("api_key", "")]
        if self._config.cert_file:
            held.append(_client_certificate(Path(self._config.cert_file)))
        return held

    async def self_check(self) -> list[Check]:
        """Ask about a number that never was. The signed "no such order" proves key, merchant number and network."""
        try:
            report = await self.query(f"CHECK{self._nonce()}"[:32])
        except NotFound:
            return [Check("wechat_v2 api", True, "reached; key, appid and merchant number are right")]
        except PaymentError as error:
            return [Check("wechat_v2 api", False, _advice(error))]
        return [Check("wechat_v2 api", False, f"an order that never was is {report.trade_state}")]

    # --- one call ---

    def _certificate(self) -> ClientCert:
        if not (self._config.cert_file and self._config.key_file):
            raise NotSent("this call of API v2 needs WECHAT_V2_CERT_FILE and WECHAT_V2_KEY_FILE")
        return ClientCert(self._config.cert_file, self._config.key_file, self._config.ca_certs)

    def _about(self, **parameters: str) -> dict[str, str]:
        """With who we are, and how we sign today."""
        return {"appid": self.appid, "mch_id": self.mchid, **parameters, "sign_type": self._config.sign_type}

    async def _call(
        self,
        path: str,
        parameters: Fields,
        table: answers.Table = answers.TABLE,
        certificate: ClientCert | None = None,
    ) -> Fields:
        """Sign in the way that the parameters name, send, and judge the answer in the order of v2.md 1."""
        url = self._url(path, self._config.secapi_url if certificate else None)
        response = await self._transport.request(
            "POST", url, headers=HEADERS, body=self._signed(parameters), client_cert=certificate
        )
        return self._judge(response, parameters, table)

    def _url(self, path: str, base: str | None = None) -> str:
        return (base or self._config.base_url).rstrip("/") + path

    def _signed(self, parameters: Fields) -> bytes:
        fields = {**parameters, "nonce_str": self._nonce()[:32]}
        return codec.build({**fields, "sign": codec.sign(fields, self._key, parameters["sign_type"])})

    def _judge(self, response: Response, asked: Fields, table: answers.Table) -> Fields:
        _judge_status(response)
        with believing():
            fields = with_either(self._keys, lambda key: codec.read_answer(response.body, key, asked["sign_type"]))
        for name in ("appid", "mch_id"):
            if fields.get(name) != asked[name]:
                raise OutcomeUnknown(f"an answer about another {name}")
        for name in ("out_trade_no", "transaction_id", "out_refund_no"):
            if name in asked and fields.get(name, asked[name]) != asked[name]:
                raise OutcomeUnknown(f"an answer about another {name}")
        if fields.get("result_code") != "SUCCESS":
            raise answers.refusal(fields.get("err_code", ""), fields.get("err_code_des", ""), table)
        return fields


def _client_certificate(path: Path) -> HeldKey:
    """Without its end if the file is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        found = x509.load_pem_x509_certificate(path.read_bytes())
        return HeldKey("client_certificate", f"{found.serial_number:X}", int(found.not_valid_after_utc.timestamp()))
    return HeldKey("client_certificate", "")


def _judge_status(response: Response) -> None:
    if response.status == 429:
        raise Throttled("HTTP 429")
    if response.status != 200:
        raise OutcomeUnknown(f"HTTP {response.status}")


def _judge_bill(target: Path) -> None:
    """Raises what the call failed with, if that is what came instead of a bill."""
    with target.open("rb") as file, believing():
        failure = codec.read_bill_failure(file.read(codec.MAX_XML))
    if failure is not None:
        raise answers.bill_refusal(failure)


@lru_cache(16)  # our reasons are few
def _acknowledgement(error: str | None) -> Reply:
    code, message = ("FAIL", tidy(error, 100)) if error is not None else ("SUCCESS", "OK")
    return Reply(200, "text/xml; charset=utf-8", codec.build({"return_code": code, "return_msg": message}))


def _canonical(parameters: Fields) -> str:
    return json.dumps(parameters, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _advice(error: PaymentError) -> str:
    hint = "; check WECHAT_V2_API_KEY and WECHAT_MCH_ID" if error.code in ("FAIL", "SIGNERROR") else ""
    return f"{type(error).__name__}: {error}{hint}"
