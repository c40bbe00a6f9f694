"""What the adapters do without the network: compose, sign for the client, parse, acknowledge, refuse bad settings."""

from __future__ import annotations

import dataclasses
import json

import pytest
import xmltodict
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from adapters import registry
from adapters.base import Prepay, PrepayRequest
from adapters.errors import BadSignature, ConfigError, Malformed
from adapters.text import fit, tidy
from adapters.transport import Transport
from adapters.wechat_v2 import WechatV2, WechatV2Config
from tests.adapters import build, known
from tests.adapters.known import NOW, v3_headers, v3_notice

# --- compose ---


def test_v3_composes_the_body_that_is_sent():
    request = build.v3().compose(build.ATTEMPT)
    assert request == PrepayRequest(
        '{"appid":"wx00000000000test1","mchid":"1900000001","description":"测试小店-咖啡",'
        '"out_trade_no":"T202401010001","time_expire":"2024-01-01T11:00:00+08:00",'
        '"notify_url":"https://pay.example.test/notify","amount":{"total":100,"currency":"CNY"},'
        '"payer":{"openid":"oTESTopenid0000000000000001"},"scene_info":{"payer_client_ip":"2001:db8::1"}}',
        "RSA",
    )


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_v2_composes_everything_but_nonce_and_sign(sign_type):
    request = build.v2(sign_type=sign_type).compose(build.ATTEMPT)
    assert request.scheme == sign_type
    assert json.loads(request.parameters) == {
        "appid": known.APPID,
        "mch_id": known.MCHID,
        "body": "测试小店-咖啡",
        "out_trade_no": "T202401010001",
        "fee_type": "CNY",
        "total_fee": "100",
        "spbill_create_ip": "2001:db8::1",
        "time_start": "20240101100000",
        "time_expire": "20240101110000",
        "notify_url": "https://pay.example.test/notify",
        "trade_type": "JSAPI",
        "openid": "oTESTopenid0000000000000001",
        "sign_type": sign_type,
    }


@pytest.mark.parametrize("adapter", [build.v2(), build.v3()], ids=lambda adapter: adapter.name)
def test_composing_is_decided_by_the_attempt_alone(adapter):
    assert adapter.compose(build.ATTEMPT) == adapter.compose(dataclasses.replace(build.ATTEMPT))
    loud = dataclasses.replace(build.ATTEMPT, description="茶☕🍵" * 60)
    text = json.loads(adapter.compose(loud).parameters)
    assert text.get("body", text.get("description")) == "茶☕" * 21
    for secret in (known.V2_KEY, known.V3_KEY.decode()):
        assert secret not in adapter.compose(build.ATTEMPT).parameters


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("tea", "tea"),
        ("x" * 200, "x" * 127),
        ("茶" * 43, "茶" * 42),
        ("ab" + "茶" * 42, "ab" + "茶" * 41),
        ("tea 🍵 for 👨\u200d👩\u200d👧", "tea  for"),
        ("♥\ufe0f", "♥"),
        ("a\x00b\x1b\r\nc\td", "ab  c d"),
        ("\ud800x", "x"),
        ("🍵", ""),
        (" 店 ", "店"),
        ("a\u3000b", "a b"),
    ],
)
def test_descriptions_fit(text, fitted):
    assert fit(text, 127) == fitted
    assert len(fit(text, 127).encode()) <= 127


def test_tidy():
    assert tidy("a\nb\x00c") == "a b c"
    assert tidy(None) == tidy(7) == ""
    assert len(tidy("x" * 999)) == 200


# --- for the client ---


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
@pytest.mark.parametrize("scheme", ["MD5", "HMAC-SHA256"])
def test_v2_the_client_signs_as_its_order_did_whatever_the_settings_say(sign_type, scheme):
    adapter = build.v2(sign_type=sign_type)
    values = adapter.client_payment(Prepay("wx01", scheme), 1704074400)
    signed = {"appId": known.APPID, **{key: value for key, value in values.items() if key != "paySign"}}
    assert values["paySign"] == known.v2_signed(signed, scheme)["sign"]
    assert values["signType"] == scheme
    assert (values["timeStamp"], values["package"]) == ("1704074400", "prepay_id=wx01")


def test_v3_the_client_gets_what_the_vector_says():
    vector = known.named("v3.paysign.own")
    given = vector["inputs"]
    values = build.v3().client_payment(Prepay(given["package"].removeprefix("prepay_id="), "RSA"), 1704074402)
    assert set(values) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (values["timeStamp"], values["signType"]) == (given["timeStamp"], "RSA")


# --- notifications ---


def test_v3_notification():
    body = v3_notice()
    notification = build.v3().parse_notification(v3_headers(body), body, NOW)
    assert (notification.kind, notification.dedupe_key) == ("payment", "v3:EV-2018022511223320873")


def test_v3_certificates_mode_knows_no_key_before_its_first_download():
    body = v3_notice()
    adapter = build.v3(public_key=None, public_key_id=None)
    for serial in (known.PUBLIC_KEY_ID, known.PLATFORM_SERIAL):
        with pytest.raises(BadSignature):
            adapter.parse_notification(v3_headers(body, serial), body, NOW)


def test_v3_stale():
    body = v3_notice()
    with pytest.raises(BadSignature):
        build.v3().parse_notification(v3_headers(body), body, NOW + 301)


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_v2_notification_in_either_scheme_whatever_the_settings_say(sign_type):
    for scheme in ("MD5", "HMAC-SHA256"):
        body = known.v2_xml(known.v2_signed(known.V2_PAID, scheme))
        report = build.v2(sign_type=sign_type).parse_notification({}, body, NOW).report
        assert report is not None
        assert report.scheme == scheme


def test_v2_refund_notification():
    req_info = known.named("v2.req_info.own")["inputs"]["req_info"]
    body = known.v2_xml({"return_code": "SUCCESS", "appid": known.APPID, "req_info": req_info})
    notification = build.v2().parse_notification({}, body, NOW)
    assert notification.kind == "refund"
    with pytest.raises(BadSignature):
        build.v2().parse_notification({}, known.v2_xml({"req_info": req_info[:-8]}), NOW)


@pytest.mark.parametrize("adapter", [build.v2(), build.v3()], ids=lambda adapter: adapter.name)
@pytest.mark.parametrize("body", [b"", b"<xml/>", b"{}", b"\x00", v3_notice(), known.v2_xml(known.V2_PAID)])
def test_unsigned_is_refused(adapter, body):
    with pytest.raises((BadSignature, Malformed)):
        adapter.parse_notification({}, body, NOW)


# --- acknowledging ---


def test_v2_the_xml_decides():
    reply = build.v2().acknowledge()
    exact = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
    assert (reply.status, reply.body) == (200, exact)
    again = build.v2().acknowledge("bad signature]]>\n")
    told = xmltodict.parse(again.body)["xml"]
    assert (again.status, told) == (200, {"return_code": "FAIL", "return_msg": "bad signature]]>"})
    assert xmltodict.parse(build.v2().acknowledge("").body)["xml"]["return_code"] == "FAIL"


def test_v3_the_status_decides():
    assert (build.v3().acknowledge().status, build.v3().acknowledge().body) == (204, b"")
    for reason, status in (("signature", 401), ("unavailable", 503), ("malformed", 500), ("", 500)):
        reply = build.v3().acknowledge(reason)
        assert (reply.status, json.loads(reply.body)) == (status, {"code": "FAIL", "message": reason})


# --- settings ---


def pem(key):
    return SecretStr(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


SMALL = rsa.generate_private_key(65537, 1024)
CURVE = ec.generate_private_key(ec.SECP256R1())
CURVE_PUBLIC = CURVE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"private_key": SecretStr("")}, "PRIVATE_KEY"),
        ({"private_key": SecretStr("canary-canary")}, "PRIVATE_KEY"),
        ({"private_key": pem(SMALL)}, "PRIVATE_KEY"),
        ({"private_key": pem(CURVE)}, "PRIVATE_KEY"),
        ({"public_key": "canary-canary"}, "PUBLIC_KEY"),
        ({"public_key": CURVE_PUBLIC}, "PUBLIC_KEY"),
        ({"public_key": None}, "PUBLIC_KEY"),
        ({"public_key_id": ""}, "PUBLIC_KEY"),
        ({"api_key": SecretStr("canary-canary")}, "API_KEY"),
        ({"api_key": SecretStr("键" * 32)}, "API_KEY"),
        ({"other_api_key": SecretStr("canary-canary")}, "API_KEY_OTHER"),
        ({"serial_no": 'x"y'}, "SERIAL_NO"),
        ({"serial_no": ""}, "SERIAL_NO"),
    ],
)
def test_v3_bad_settings_are_said_in_words(change, name):
    with pytest.raises(ConfigError, match=name) as caught:
        build.v3(**change)
    assert "canary" not in str(caught.value)


def test_v3_certificates_mode_needs_no_public_key():
    assert build.v3(public_key=None, public_key_id=None).name == "wechat_v3"
    assert build.v3(public_key="", public_key_id="").name == "wechat_v3"


def test_v2_bad_settings_are_said_in_words():
    for key, sign_type in (("", "MD5"), ("x" * 32, "SHA1"), ("x" * 32, "hmac-sha256")):
        config = WechatV2Config("wx", "19", SecretStr(key), sign_type)
        with pytest.raises(ConfigError, match="WECHAT_V2"):
            WechatV2(config, Transport(), now=lambda: 0, nonce=lambda: "n")


def test_secrets_are_in_no_repr():
    adapters = (build.v2(), build.v3())
    texts = [repr(value) for adapter in adapters for value in (adapter, *vars(adapter).values())]
    for secret in (known.V2_KEY, known.V3_KEY.decode(), build.MERCHANT_PEM[40:80]):
        assert not any(secret in text for text in texts)
    assert known.V3_KEY.decode() not in repr(build.v3_config())


def test_the_registry_builds_by_name():
    transport = Transport()
    adapter = registry.build("wechat_v3", build.v3_config(), transport, now=lambda: 0.0, nonce=lambda: "n")
    assert (adapter.name, adapter.appid, adapter.mchid) == ("wechat_v3", known.APPID, known.MCHID)
    assert {name: registry.FACTORIES[name].name for name in registry.FACTORIES} == {
        "wechat_v2": "wechat_v2",
        "wechat_v3": "wechat_v3",
    }
    with pytest.raises(ConfigError, match="wechat_v2, wechat_v3"):
        registry.build("wechat_v4", None, transport, now=lambda: 0.0, nonce=lambda: "n")
