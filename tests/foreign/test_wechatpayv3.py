"""wechatpayv3, synchronous and asynchronous, with WeChat's public key and with platform certificates."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import secrets
import time
from typing import Any

import pytest
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.async_ import AsyncWeChatPay
from wechatpayv3.async_ import WeChatPayType as AsyncType

MODES = ["public key", "platform certificates"]


def settings(sim: Any, mode: str, cert_dir: Any) -> dict[str, Any]:
    """What an integrator would fill in. Certificates are kept in a folder, as that client likes it."""
    merchant = sim.merchant
    given = {
        "wechatpay_type": WeChatPayType.MINIPROG,
        "mchid": merchant["mchid"],
        "private_key": merchant["merchant_private_key"],
        "cert_serial_no": merchant["merchant_serial_no"],
        "appid": merchant["appid"],
        "apiv3_key": merchant["v3_api_key"],
        "timeout": (5, 10),
    }
    if mode == "public key":
        return given | {"public_key": merchant["public_key"], "public_key_id": merchant["public_key_id"]}
    (cert_dir / f"{merchant['platform_serial_no']}.pem").write_text(merchant["platform_certificate"])
    return given | {"cert_dir": str(cert_dir)}


def order(sim: Any, inbox: Any) -> dict[str, Any]:
    return {
        "description": "别人写的客户端",
        "out_trade_no": "W" + secrets.token_hex(10),
        "amount": {"total": 123, "currency": "CNY"},
        "payer": {"openid": sim.openid()},
        "notify_url": inbox.url,
        "attach": "a=1",
    }


def tap(client: Any, sim: Any, prepay_id: str) -> dict[str, str]:
    """The client's own paySign, handed to the phone."""
    stamp, nonce, package = str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"
    signature = client.sign([sim.merchant["appid"], stamp, nonce, package])
    handed = {"timeStamp": stamp, "nonceStr": nonce, "package": package, "signType": "RSA", "paySign": signature}
    return sim.control("POST", "pay", handed)


def check_paid(found: dict[str, Any], ordered: dict[str, Any]) -> None:
    assert found["trade_state"] == "SUCCESS"
    assert found["out_trade_no"] == ordered["out_trade_no"]
    assert found["amount"]["total"] == 123
    assert found["payer"] == ordered["payer"]


@pytest.mark.parametrize("mode", MODES)
def test_sync(sim: Any, inbox: Any, tmp_path: Any, mode: str) -> None:
    client = WeChatPay(**settings(sim, mode, tmp_path))
    client._core._gate_way = sim.base
    if mode == "platform certificates":
        client._core._update_certificates()
        assert len(client._core._certificates) == 1
    ordered = order(sim, inbox)
    status, text = client.pay(**ordered)
    assert status == 200, text
    assert json.loads(client.query(out_trade_no=ordered["out_trade_no"])[1])["trade_state"] == "NOTPAY"
    assert tap(client, sim, json.loads(text)["prepay_id"]) == {"errMsg": "requestPayment:ok"}
    status, text = client.query(out_trade_no=ordered["out_trade_no"])
    check_paid(json.loads(text), ordered)
    assert client.query(transaction_id=json.loads(text)["transaction_id"])[0] == 200
    notified = client.callback(*inbox.next())
    assert notified["event_type"] == "TRANSACTION.SUCCESS"
    check_paid(notified["resource"], ordered)
    assert client.close(ordered["out_trade_no"])[0] == 400
    other = order(sim, inbox)
    assert client.pay(**other)[0] == 200
    assert client.close(other["out_trade_no"])[0] == 204
    assert json.loads(client.query(out_trade_no=other["out_trade_no"])[1])["trade_state"] == "CLOSED"


@pytest.mark.parametrize("mode", MODES)
def test_async(sim: Any, inbox: Any, tmp_path: Any, mode: str) -> None:
    async def buy() -> None:
        client = AsyncWeChatPay(**settings(sim, mode, tmp_path) | {"wechatpay_type": AsyncType.MINIPROG})
        client._core._gate_way = sim.base
        async with client:
            if mode == "platform certificates":
                await client._core._update_certificates()
                assert len(client._core._certificates) == 1
            ordered = order(sim, inbox)
            status, text = await client.pay(**ordered)
            assert status == 200, text
            assert tap(client, sim, json.loads(text)["prepay_id"]) == {"errMsg": "requestPayment:ok"}
            check_paid(json.loads((await client.query(out_trade_no=ordered["out_trade_no"]))[1]), ordered)
            check_paid(client.callback(*inbox.next())["resource"], ordered)
            other = order(sim, inbox)
            assert (await client.pay(**other))[0] == 200
            assert (await client.close(other["out_trade_no"]))[0] == 204
            assert (await client.query(out_trade_no="never-made-1"))[0] == 404

    asyncio.run(buy())


@pytest.mark.parametrize("mode", MODES)
def test_a_forged_notification_is_refused_by_that_client_too(sim: Any, inbox: Any, tmp_path: Any, mode: str) -> None:
    client = WeChatPay(**settings(sim, mode, tmp_path))
    client._core._gate_way = sim.base
    key = "public_key" if mode == "public key" else "certificate"
    genuine = sim.control("POST", "notify", {"key": key, "send": False})
    assert client.callback(genuine["headers"], genuine["body"])["resource"]["amount"]["total"] == 100
    for signature in ("broken", "signtest"):
        forged = sim.control("POST", "notify", {"key": key, "send": False, "signature": signature})
        assert client.callback(forged["headers"], forged["body"]) is None


def test_a_merchant_without_platform_certificates(sim: Any, tmp_path: Any) -> None:
    client = WeChatPay(**settings(sim, "platform certificates", tmp_path))
    client._core._gate_way = sim.base
    sim.control("PUT", "keys", {"platform_certificates": False})
    try:
        status, text = client._core.request("/v3/certificates", skip_verify=True)
        assert (status, json.loads(text)["code"]) == (404, "RESOURCE_NOT_EXISTS")
    finally:
        sim.control("PUT", "keys", {"platform_certificates": True})


def paid(client: Any, sim: Any, inbox: Any) -> dict[str, Any]:
    """An order of that client, paid; its notification is out of the way."""
    ordered = order(sim, inbox)
    tap(client, sim, json.loads(client.pay(**ordered)[1])["prepay_id"])
    client.callback(*inbox.next())
    return ordered


# that client reads its certificates' dates in a way that cryptography has deprecated
@pytest.mark.filterwarnings("ignore:Properties that return a na")
@pytest.mark.parametrize("mode", MODES)
def test_refunds(own_sim: Any, inbox: Any, tmp_path: Any, mode: str) -> None:
    sim = own_sim()
    client = WeChatPay(**settings(sim, mode, tmp_path))
    client._core._gate_way = sim.base
    ordered = paid(client, sim, inbox)
    sim.control("PUT", "refunds", {"next": "ABNORMAL"})
    number = "R|" + secrets.token_hex(10)
    amount = {"refund": 23, "total": 123, "currency": "CNY"}
    asked = {"out_refund_no": number, "amount": amount, "out_trade_no": ordered["out_trade_no"]}
    status, text = client.refund(**asked, reason="商品已售完", notify_url=inbox.url)
    made = json.loads(text)
    assert (status, made["status"]) == (200, "PROCESSING")
    sim.control("POST", "clock", {"advance_seconds": 3})
    assert json.loads(client.query_refund(number.replace("|", "%7C"))[1])["status"] == "ABNORMAL"
    notified = client.callback(*inbox.next())
    assert (notified["event_type"], notified["resource"]["refund_status"]) == ("REFUND.ABNORMAL", "ABNORMAL")
    card = {"type": "USER_BANK_CARD", "bank_type": "ICBC_DEBIT", "bank_account": "6222600000000000001"}
    status, text = client.abnormal_refund(made["refund_id"], number, real_name="张三", **card)
    assert (status, json.loads(text)["status"]) == (200, "PROCESSING"), text
    sim.control("POST", "clock", {"advance_seconds": 3})
    found = json.loads(client.query_refund(number.replace("|", "%7C"))[1])
    assert (found["status"], found["amount"]["refund"]) == ("SUCCESS", 23)
    assert json.loads(client.query(out_trade_no=ordered["out_trade_no"])[1])["trade_state"] == "REFUND"
    assert client.refund(**asked | {"amount": amount | {"refund": 24}})[0] == 400


def test_bills(own_sim: Any, inbox: Any, tmp_path: Any) -> None:
    sim = own_sim()
    client = WeChatPay(**settings(sim, "public key", tmp_path))
    client._core._gate_way = sim.base
    day = sim.beijing_day()
    assert json.loads(client.trade_bill(day)[1])["code"] == "STATEMENT_CREATING"
    ordered = paid(client, sim, inbox)
    sim.control("POST", "clock", {"advance_seconds": 2 * 86400})
    for handed in (client.trade_bill(day), client.fundflow_bill(day)):
        bill = json.loads(handed[1])
        status, packed = client.download_bill(bill["download_url"])
        assert status == 200
        unpacked = gzip.decompress(packed)
        assert hashlib.sha1(unpacked).hexdigest() == bill["hash_value"]
        assert "1.23" in unpacked.decode("utf-8-sig")
    assert ordered["out_trade_no"] not in unpacked.decode()
    sim.control("POST", "clock", {"advance_seconds": 301})
    assert client.download_bill(bill["download_url"])[0] == 400
