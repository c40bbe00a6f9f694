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


@pytest.fixture
def certified(own_sim: Any, tmp_path: Any) -> Any:
    """That client with its certificate files, at the mutual-TLS address, and a simulator to move the clock of."""
    from wechatpy.pay import WeChatPay

    sim = own_sim()
    for name in ("client_certificate", "client_private_key", "ca_certificate"):
        (tmp_path / f"{name}.pem").write_text(sim.merchant[name])
    files = {"mch_cert": str(tmp_path / "client_certificate.pem"), "mch_key": str(tmp_path / "client_private_key.pem")}
    made = WeChatPay(sim.merchant["appid"], sim.merchant["v2_api_key"], sim.merchant["mchid"], timeout=10, **files)
    made.API_BASE_URL = f"{sim.merchant['secapi_url']}/"
    made._http.trust_env = False  # or the machine's own bundle of authorities would replace the next
    made._http.verify = str(tmp_path / "ca_certificate.pem")
    yield sim, made
    made._http.close()


def paid(sim: Any, inbox: Any, client: Any) -> dict[str, Any]:
    ordered = order(sim, inbox)
    prepay_id = client.order.create(**ordered)["prepay_id"]
    sim.control("POST", "pay", client.jsapi.get_jsapi_params(prepay_id))
    client.parse_payment_result(inbox.next()[1])
    return ordered


def test_refunds(certified: Any, inbox: Any) -> None:
    from wechatpy.exceptions import WeChatPayException

    sim, client = certified
    ordered = paid(sim, inbox, client)
    number = "R" + secrets.token_hex(10)
    asked = {"total_fee": 123, "out_refund_no": number, "out_trade_no": ordered["out_trade_no"]}
    made = client.refund.apply(refund_fee=23, refund_desc="商品已售完", notify_url=inbox.url, **asked)
    assert client.check_signature(made)
    assert (made["result_code"], made["refund_fee"]) == ("SUCCESS", "23")
    assert client.refund.query(out_refund_no=number)["refund_status_0"] == "PROCESSING"
    sim.control("POST", "clock", {"advance_seconds": 3})
    found = client.refund.query(out_trade_no=ordered["out_trade_no"])
    assert client.check_signature(found)
    assert (found["refund_status_0"], found["total_refund_count"]) == ("SUCCESS", "1")
    assert client.parse_refund_notify_result(inbox.next()[1])["refund_status"] == "SUCCESS"
    assert client.order.query(out_trade_no=ordered["out_trade_no"])["trade_state"] == "REFUND"
    with pytest.raises(WeChatPayException) as mismatch:
        client.refund.apply(refund_fee=24, **asked)
    assert mismatch.value.errcode == "REFUND_FEE_MISMATCH"
    client.mch_cert = None
    with pytest.raises(WeChatPayException) as uncertified:
        client.refund.apply(refund_fee=23, **asked)
    assert uncertified.value.response.status_code == 400


def test_bills(certified: Any, inbox: Any) -> None:
    from wechatpy.exceptions import WeChatPayException

    sim, client = certified
    ordered, day = paid(sim, inbox, client), sim.beijing_day().replace("-", "")
    with pytest.raises(WeChatPayException) as early:
        client.tools.download_bill(day)
    assert early.value.return_msg == "Bill Creating"
    sim.control("POST", "clock", {"advance_seconds": 2 * 86400})
    assert ordered["out_trade_no"] in client.tools.download_bill(day)
    assert "`收入,`1.23," in client.tools.download_fundflow(day)
