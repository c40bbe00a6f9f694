"""The calls of API v2: unifiedorder, orderquery, closeorder, and what comes back (v2.md 4 to 7, 12).

Decides nothing about money: it sends what was composed, believes what verifies, and names every failure by what the
caller may do next. It keeps no state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from adapters.base import Attempt, Check, CloseResult, Notification, Prepay, PrepayRequest, Reply, TradeReport
from adapters.errors import ConfigError, Conflict, NotFound, OutcomeUnknown, PaymentError, Throttled
from adapters.judging import believing, plain
from adapters.text import fit, tidy
from adapters.transport import Response, Transport
from adapters.wechat_v2 import codec, reports
from adapters.wechat_v2.answers import refusal
from adapters.wechat_v2.codec import Fields
from adapters.wechat_v2.config import WechatV2Config


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
        self._config = config
        self._transport = transport
        self._now = now
        self._nonce = nonce

    @property
    def _key(self) -> str:
        return self._config.api_key.get_secret_value()

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
        text = json.dumps(parameters, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return PrepayRequest(text, scheme)

    async def prepay(self, request: PrepayRequest) -> Prepay:
        """The same stored parameters each time; WeChat answers with a usable prepay_id (v2.md 4, "Rules")."""
        parameters: dict[str, str] = json.loads(request.parameters)
        fields = await self._call("/pay/unifiedorder", parameters, request.scheme)
        with believing():
            return Prepay(codec.word(fields, "prepay_id", 64), request.scheme)

    def client_payment(self, prepay: Prepay, now: int) -> dict[str, str]:
        """Signed with the scheme of the order, whatever the settings say today (v2.md 5)."""
        return codec.pay_sign(self.appid, prepay.prepay_id, now, self._nonce(), self._key, prepay.scheme)

    async def query(self, out_trade_no: str) -> TradeReport:
        """v2.md 6."""
        scheme = self._config.sign_type
        fields = await self._call("/pay/orderquery", self._about(out_trade_no), scheme)
        if fields.get("out_trade_no") != out_trade_no:
            raise OutcomeUnknown("an answer without our out_trade_no")
        with believing():
            return reports.queried(fields, scheme)

    async def close(self, out_trade_no: str) -> CloseResult:
        """v2.md 7. The refusals are signed, so ORDERCLOSED is proof."""
        try:
            await self._call("/pay/closeorder", self._about(out_trade_no), self._config.sign_type)
        except Conflict as error:
            if plain(error.code) == "ORDERCLOSED":
                return CloseResult.ALREADY_CLOSED
            raise
        return CloseResult.ACCEPTED

    def parse_notification(self, headers: Mapping[str, str], body: bytes, now: int) -> Notification:  # noqa: ARG002
        """Payment (signed) or refund (encrypted only). v2 signs neither headers nor a time, so both go unread."""
        if codec.is_refund_notice(body):
            return reports.refund_notified(codec.read_refund_notice(body, self._key))
        return reports.notified(codec.read_notification(body, self._key))

    def acknowledge(self, error: str | None = None) -> Reply:
        """HTTP 200 always; the XML decides (v2.md 12.3)."""
        code, message = ("FAIL", tidy(error, 100)) if error is not None else ("SUCCESS", "OK")
        return Reply(200, "text/xml; charset=utf-8", codec.build({"return_code": code, "return_msg": message}))

    async def refresh_keys(self) -> None:
        """v2 has one shared key, which nobody publishes."""

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

    def _about(self, out_trade_no: str) -> dict[str, str]:
        scheme = self._config.sign_type
        return {"appid": self.appid, "mch_id": self.mchid, "out_trade_no": out_trade_no, "sign_type": scheme}

    async def _call(self, path: str, parameters: Fields, scheme: str) -> Fields:
        """Sign, send, and judge the answer in the order of v2.md 1."""
        fields = {**parameters, "nonce_str": self._nonce()[:32]}
        fields["sign"] = codec.sign(fields, self._key, scheme)
        headers = {"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml"}
        response = await self._transport.request(
            "POST", self._config.base_url.rstrip("/") + path, headers=headers, body=codec.build(fields)
        )
        return self._judge(response, parameters, scheme)

    def _judge(self, response: Response, asked: Fields, scheme: str) -> Fields:
        if response.status == 429:
            raise Throttled("HTTP 429")
        if response.status != 200:
            raise OutcomeUnknown(f"HTTP {response.status}")
        with believing():
            fields = codec.read_answer(response.body, self._key, scheme)
        for name in ("appid", "mch_id"):
            if fields.get(name) != asked[name]:
                raise OutcomeUnknown(f"an answer about another {name}")
        if fields.get("out_trade_no", asked["out_trade_no"]) != asked["out_trade_no"]:
            raise OutcomeUnknown("an answer about another out_trade_no")
        if fields.get("result_code") != "SUCCESS":
            raise refusal(fields.get("err_code", ""), fields.get("err_code_des", ""))
        return fields


def _advice(error: PaymentError) -> str:
    hint = "; check WECHAT_V2_API_KEY and WECHAT_MCH_ID" if error.code in ("FAIL", "SIGNERROR") else ""
    return f"{type(error).__name__}: {error}{hint}"
