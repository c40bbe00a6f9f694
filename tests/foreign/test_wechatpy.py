"""wechatpy's WeChatPay, for API v2."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

# wechatpy and what it imports are older than this Python
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def client(sim: Any) -> Any:
    from wechatpy.pay import WeChatPay

    merchant = sim.merchant
    made = WeChatPay(merchant["appid"], merchant["v2_api_key"], merchant["mchid"], timeout=10)
    made.API_BASE_URL = f"{sim.base}/"
    yield made
    made._http.close()


def order(sim: Any, inbox: Any, **more: Any) -> dict[str, Any]:
    return {
        "trade_type": "JSAPI",
        "body": "别人写的客户端",
        "total_fee": 123,
        "notify_url": inbox.url,
        "client_ip": "127.0.0.1",
        "user_id": sim.openid(),
        "out_trade_no": "W" + secrets.token_hex(10),
        "attach": "a=1&b=2",
        **more,
    }


def test_order_pay_query_notification(sim: Any, inbox: Any, client: Any) -> None:
    ordered = order(sim, inbox)
    made = client.order.create(**ordered)
    assert client.check_signature(made)
    assert client.order.query(out_trade_no=ordered["out_trade_no"])["trade_state"] == "NOTPAY"
    handed = client.jsapi.get_jsapi_params(made["prepay_id"])
    assert sim.control("POST", "pay", handed) == {"errMsg": "requestPayment:ok"}
    found = client.order.query(out_trade_no=ordered["out_trade_no"])
    assert client.check_signature(found)
    assert (found["trade_state"], found["total_fee"], found["openid"]) == ("SUCCESS", "123", ordered["user_id"])
    notified = client.parse_payment_result(inbox.next()[1])
    assert (notified["total_fee"], notified["out_trade_no"]) == (123, ordered["out_trade_no"])
    assert notified["transaction_id"] == found["transaction_id"]


def test_close(sim: Any, inbox: Any, client: Any) -> None:
    ordered = order(sim, inbox, sign_type="HMAC-SHA256")
    assert client.order.create(**ordered)["result_code"] == "SUCCESS"
    assert client.order.close(ordered["out_trade_no"])["result_code"] == "SUCCESS"
    assert client.order.query(out_trade_no=ordered["out_trade_no"])["trade_state"] == "CLOSED"


def test_refusals_arrive_as_that_client_knows_them(sim: Any, inbox: Any, client: Any) -> None:
    from wechatpy.exceptions import InvalidSignatureException, WeChatPayException

    with pytest.raises(WeChatPayException) as unknown:
        client.order.query(out_trade_no="never-made-1")
    assert unknown.value.errcode == "ORDERNOTEXIST"
    forged = sim.control("POST", "notify", {"api": "v2", "send": False, "signature": "broken"})
    with pytest.raises(InvalidSignatureException):
        client.parse_payment_result(forged["body"])
    client.api_key = "0" * 32
    with pytest.raises(WeChatPayException) as refused:
        client.order.query(out_trade_no="never-made-1")
    assert refused.value.return_code == "FAIL"
