"""While an API key is changed at WeChat, two are accepted from there, in either order; we sign with the first."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from adapters.base import Prepay, TradeStatus
from adapters.errors import BadSignature, OutcomeUnknown
from adapters.transport import Transport
from adapters.wechat_v2 import WechatV2, WechatV2Config
from tests.adapters import build, known
from tests.adapters.driving import drive
from tests.adapters.known import NOW, v3_headers, v3_notice
from tests.adapters.test_v2_calls import PAID, v2_query, v2_say
from tests.adapters.test_v3_calls import CERTIFICATES
from tests.adapters.wire import say

ANOTHER, A_THIRD = "Kq7RnZ2wVb9TxLm4YcHs8DfJp3GaEu6N", "Wd5XeUy8PkQs1ZoCi3VtBn7MhRj2LaFg"  # 32 characters each
V2_KEY, V3_KEY = known.V2_KEY, known.V3_KEY.decode()


def v2(transport=None, *, keys, base_url="http://127.0.0.1:1"):
    first, other = keys
    config = WechatV2Config(
        known.APPID, known.MCHID, SecretStr(first), base_url=base_url, other_api_key=SecretStr(other)
    )
    return WechatV2(config, transport or Transport(), now=lambda: NOW, nonce=lambda: build.NONCE)


def v3(transport=None, *, keys, **more):
    first, other = keys
    return build.v3(transport, api_key=SecretStr(first), other_api_key=SecretStr(other), **more)


V2_NOTICES = {
    "MD5": known.v2_xml(known.v2_signed(known.V2_PAID)),
    "HMAC-SHA256": known.v2_xml(known.v2_signed(known.V2_PAID, "HMAC-SHA256")),
    "refund": known.v2_xml(
        {"return_code": "SUCCESS", "req_info": known.named("v2.req_info.own")["inputs"]["req_info"]}
    ),
}


@pytest.mark.parametrize("notice", V2_NOTICES)
def test_v2_notices(notice):
    body = V2_NOTICES[notice]
    alone = build.v2().parse_notification({}, body, NOW)
    for keys in ((V2_KEY, ANOTHER), (ANOTHER, V2_KEY)):
        assert v2(keys=keys).parse_notification({}, body, NOW) == alone
    with pytest.raises(BadSignature):
        v2(keys=(ANOTHER, A_THIRD)).parse_notification({}, body, NOW)


def test_v2_answers():
    for keys in ((V2_KEY, ANOTHER), (ANOTHER, V2_KEY)):
        report, _ = drive(v2, v2_say(PAID), v2_query, keys=keys)
        assert report.status is TradeStatus.PAID
    error, _ = drive(v2, v2_say(PAID), v2_query, keys=(ANOTHER, A_THIRD))
    assert type(error) is OutcomeUnknown


def test_v2_signs_with_the_first():
    asked = {"appid": known.APPID, "mch_id": known.MCHID, "out_trade_no": "T202401010001", "sign_type": "MD5"}
    expected = known.v2_xml(known.v2_signed({**asked, "nonce_str": build.NONCE}, key=ANOTHER))
    _, requests = drive(v2, v2_say(PAID), v2_query, keys=(ANOTHER, V2_KEY))
    assert requests[0].endswith(b"\r\n\r\n" + expected)
    prepay = Prepay("wx01", "MD5")
    assert v2(keys=(V2_KEY, ANOTHER)).client_payment(prepay, NOW) == build.v2().client_payment(prepay, NOW)
    assert v2(keys=(ANOTHER, V2_KEY)).client_payment(prepay, NOW) != build.v2().client_payment(prepay, NOW)


def test_v3_notices():
    body = v3_notice()
    alone = build.v3().parse_notification(v3_headers(body), body, NOW)
    for keys in ((V3_KEY, ANOTHER), (ANOTHER, V3_KEY)):
        assert v3(keys=keys).parse_notification(v3_headers(body), body, NOW) == alone
        with pytest.raises(BadSignature):  # the platform's signature is demanded as ever
            v3(keys=keys).parse_notification(v3_headers(body + b" "), body, NOW)
    with pytest.raises(BadSignature):
        v3(keys=(ANOTHER, A_THIRD)).parse_notification(v3_headers(body), body, NOW)


def refreshed(adapter):
    return adapter.refresh_keys()


def test_v3_certificates():
    for keys in ((V3_KEY, ANOTHER), (ANOTHER, V3_KEY)):
        assert drive(v3, say(CERTIFICATES), refreshed, keys=keys)[0] is None
    assert type(drive(v3, say(CERTIFICATES), refreshed, keys=(ANOTHER, A_THIRD))[0]) is OutcomeUnknown


def test_neither_is_in_a_repr():
    adapters = (v2(keys=(V2_KEY, ANOTHER)), v3(keys=(V3_KEY, ANOTHER)))
    texts = [repr(value) for adapter in adapters for value in (adapter, *vars(adapter).values())]
    assert not any(key in text for key in (V2_KEY, V3_KEY, ANOTHER) for text in texts)
