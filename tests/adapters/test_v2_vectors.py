"""The v2 codec against the shared vectors."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree

import pytest

from adapters.errors import BadSignature, OutcomeUnknown
from adapters.wechat_v2 import codec
from tests.adapters import known


@pytest.mark.parametrize("vector", known.vectors("v2_sign"), ids=known.name_of)
def test_sign(vector):
    given = vector["inputs"]
    assert codec.sign_string(given["params"], given["api_key"]) == vector["expected"]["sign_string"]
    assert codec.sign(given["params"], given["api_key"], given["sign_type"]) == vector["expected"]["sign"]


@pytest.mark.parametrize("vector", known.vectors("v2_sign_negative"), ids=known.name_of)
def test_wrong_sign_is_refused(vector):
    given, wrong = vector["inputs"], vector["expected"]["wrong_sign"]
    assert codec.sign(given["params"], given["api_key"], given["sign_type"]) == vector["expected"]["must_not_equal"]
    with pytest.raises(BadSignature):
        codec.verify({**given["params"], "sign": wrong}, given["api_key"], given["sign_type"])


@pytest.mark.parametrize("vector", known.vectors("v2_pay_sign"), ids=known.name_of)
def test_pay_sign(vector):
    given = vector["inputs"]
    params = given["params"]
    prepay_id = params["package"].removeprefix("prepay_id=")
    assert codec.pay_sign(
        params["appId"], prepay_id, int(params["timeStamp"]), params["nonceStr"], given["api_key"], given["hash"]
    ) == {
        "timeStamp": params["timeStamp"],
        "nonceStr": params["nonceStr"],
        "package": params["package"],
        "signType": params["signType"],
        "paySign": vector["expected"]["paySign"],
    }


@pytest.mark.parametrize("vector", known.vectors("v2_verify_xml"), ids=known.name_of)
def test_answer(vector):
    given = vector["inputs"]
    if not vector["expected"]["accept"]:
        with pytest.raises(BadSignature):
            codec.read_answer(given["xml"].encode(), given["api_key"], given["order_sign_type"])
        return
    fields = codec.read_answer(given["xml"].encode(), given["api_key"], given["order_sign_type"])
    assert fields == vector["expected"]["fields"]


@pytest.mark.parametrize("vector", known.vectors("v2_verify_xml"), ids=known.name_of)
def test_notification(vector):
    given = vector["inputs"]
    if not vector["expected"]["accept"]:
        with pytest.raises(BadSignature):
            codec.read_notification(given["xml"].encode(), given["api_key"])
        return
    signed = codec.read_notification(given["xml"].encode(), given["api_key"])
    assert signed.fields == vector["expected"]["fields"]
    assert signed.scheme == given["order_sign_type"]


@pytest.mark.parametrize("vector", known.vectors("v2_verify_xml"), ids=known.name_of)
def test_other_scheme_is_refused(vector):
    """A downgrade: the answer is signed, but not in the way that the request was."""
    given = vector["inputs"]
    other = {"MD5": "HMAC-SHA256", "HMAC-SHA256": "MD5"}[given["order_sign_type"]]
    with pytest.raises(BadSignature):
        codec.read_answer(given["xml"].encode(), given["api_key"], other)


@pytest.mark.parametrize("vector", known.vectors("v2_response_class"), ids=known.name_of)
def test_unsigned_failure_proves_nothing(vector):
    body = vector["inputs"]["xml"].encode()
    with pytest.raises(OutcomeUnknown) as caught:
        codec.read_answer(body, known.V2_KEY, "MD5")
    expected = {"protocol_error": ("FAIL", "签名错误"), "unknown_result": ("SYSTEMERROR", "系统超时")}
    assert (caught.value.code, caught.value.message) == expected[vector["expected"]["class"]]
    with pytest.raises(BadSignature):
        codec.read_notification(body, known.V2_KEY)


@pytest.mark.parametrize("vector", known.vectors("v2_refund_req_info"), ids=known.name_of)
def test_req_info(vector):
    given, expected = vector["inputs"], vector["expected"]
    key = expected["aes_key_ascii"].encode()
    assert codec.decrypt(given["req_info"], key) == expected["plaintext"].encode()
    if "api_key" not in given:
        return
    assert codec.refund_key(given["api_key"]) == key
    notice = f"<xml><return_code>SUCCESS</return_code><req_info><![CDATA[{given['req_info']}]]></req_info></xml>"
    assert codec.is_refund_notice(notice.encode())
    fields = codec.read_refund_notice(notice.encode(), given["api_key"])
    assert fields == {child.tag: child.text or "" for child in ElementTree.fromstring(expected["plaintext"])}


@pytest.mark.parametrize("vector", known.vectors("v2_refund_req_info_negative"), ids=known.name_of)
def test_req_info_of_another_key(vector):
    notice = f"<xml><req_info>{vector['inputs']['req_info']}</req_info></xml>"
    with pytest.raises(BadSignature):
        codec.read_refund_notice(notice.encode(), vector["inputs"]["api_key"])


@pytest.mark.parametrize("vector", known.vectors("md5_hex"), ids=known.name_of)
def test_refund_key(vector):
    text = vector["inputs"]["text"]
    assert codec.refund_key(text) == vector["expected"]["hex"].encode()
    assert codec.refund_key(text) == hashlib.md5(text.encode()).hexdigest().encode()
