"""When a signature fails, the answer says why: every mistake below is made on purpose and must be named."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import secrets
import time
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

JSAPI = "/v3/pay/transactions/jsapi"


def text_of(fields, key=None, order=sorted, empty=False):
    joined = "&".join(f"{k}={fields[k]}" for k in order(fields) if empty or fields[k] != "")
    return joined if key is None else f"{joined}&key={key}"


def md5(text):
    return hashlib.md5(text.encode()).hexdigest().upper()


def hmac256(key, text):
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def v2_mistakes(m):
    """name -> (extra fields, signer, what the explanation must say)."""
    key = m["v2_api_key"]
    return {
        "other key": ({}, lambda f: md5(text_of(f, "0" * 32)), "wrong API v2 key"),
        "v3 key": ({}, lambda f: md5(text_of(f, m["v3_api_key"])), "the APIv3 key was used"),
        "secret": ({}, lambda f: md5(text_of(f, m["app_secret"])), "the AppSecret was used"),
        "lower case": ({}, lambda f: md5(text_of(f, key)).lower(), "lower case"),
        "md5 said hmac": ({"sign_type": "HMAC-SHA256"}, lambda f: md5(text_of(f, key)), "signed with MD5"),
        "hmac said md5": ({}, lambda f: hmac256(key, text_of(f, key)), "signed with HMAC-SHA256"),
        "hmac without key": ({"sign_type": "HMAC-SHA256"}, lambda f: hmac256(key, text_of(f)), "without &key="),
        "md5 without key": ({}, lambda f: md5(text_of(f)), "MD5 without &key="),
        "bare key": ({}, lambda f: md5(text_of(f) + key), "appended without &key="),
        "key without name": ({}, lambda f: md5(text_of(f) + "&" + key), "appended without key="),
        "empty": ({"device_info": ""}, lambda f: md5(text_of(f, key, empty=True)), "empty values were signed"),
        "sign_type unsigned": (
            {"sign_type": "MD5"},
            lambda f: md5(text_of({k: v for k, v in f.items() if k != "sign_type"}, key)),
            "sign_type is sent but was not signed",
        ),
        "sign_type unsent": ({}, lambda f: md5(text_of({**f, "sign_type": "MD5"}, key)), "sign_type was signed"),
        "encoded": (
            {},
            lambda f: md5(text_of({k: quote(v, safe="") for k, v in f.items()}, key)),
            "URL-encoded before signing",
        ),
        "decoded": (
            {"attach": "a%20b"},
            lambda f: md5(text_of({**f, "attach": "a b"}, key)),
            "URL-decoded before signing",
        ),
        "escaped": (
            {},
            lambda f: md5(text_of({k: html.escape(v, quote=False) for k, v in f.items()}, key)),
            "XML-escaped",
        ),
        "trimmed": ({"attach": " a "}, lambda f: md5(text_of({**f, "attach": "a"}, key)), "trimmed"),
        "unsorted": ({}, lambda f: md5(text_of(f, key, order=list)), "not sorted"),
        "openid left out": (
            {},
            lambda f: md5(text_of({k: v for k, v in f.items() if k != "openid"}, key)),
            "openid is sent but was not signed",
        ),
        "cut": ({}, lambda f: md5(text_of(f, key))[:31], "31 characters"),
    }


@pytest.mark.parametrize("name", v2_mistakes(dict.fromkeys(("v2_api_key", "v3_api_key", "app_secret"), "x" * 32)))
def test_v2_mistakes(sim, name):
    extra, signer, expected = v2_mistakes(sim.merchant)[name]
    answer = sim.v2("unifiedorder", sim.order_v2() | extra, signer)
    assert answer.xml == {"return_code": "FAIL", "return_msg": "签名错误"}
    explanation = answer.explanation
    assert expected in explanation["likely_cause"]
    assert explanation["signed_string"].endswith("&key=***")
    for secret in ("v2_api_key", "v3_api_key", "app_secret"):
        assert sim.merchant[secret] not in answer.headers["x-sim-explain"]
    complaint = sim.control("GET", "complaints")["complaints"][-1]
    assert (complaint["op"], complaint["code"]) == ("v2.prepay", "SIGNERROR")
    assert complaint["explanation"]["likely_cause"] == explanation["likely_cause"]


def test_the_first_differing_byte_is_named(sim):
    order = sim.order_v2(attach="a b")
    answer = sim.v2("unifiedorder", order, lambda f: sim.keyed({k: quote(v, safe="") for k, v in f.items()}))
    ours = answer.explanation["signed_string"]
    at = ours.index("attach=a b") + len("attach=a")
    assert answer.explanation["first_difference"].startswith(f"byte {at}: here ' b&body=")


def reserialised(text):
    head, _, body = text.rstrip(b"\n").rpartition(b"\n")
    return head + b"\n" + json.dumps(json.loads(body), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def swapped(text):
    lines = text.split(b"\n")
    lines[2], lines[3] = lines[3], lines[2]
    return b"\n".join(lines)


def with_line(number, change):
    def mistake(text):
        lines = text.split(b"\n")
        lines[number] = change(lines[number])
        return b"\n".join(lines)

    return mistake


V3_MISTAKES = {
    "no last newline": (lambda t: t[:-1], "not ended by a newline"),
    "host": (with_line(1, lambda u: b"https://api.mch.weixin.qq.com" + u), "WeChat's scheme and host"),
    "decoded url": (with_line(1, lambda u: u.replace(b"%2A", b"*")), "percent-decoded"),
    "no query": (with_line(1, lambda u: u.partition(b"?")[0]), "query was left out"),
    "no slash": (with_line(1, lambda u: u[1:]), "without its leading slash"),
    "lower method": (with_line(0, bytes.lower), "method was signed in lower case"),
    "milliseconds": (with_line(2, lambda t: t + b"000"), "in milliseconds"),
    "other time": (with_line(2, lambda t: str(int(t) - 1).encode()), "another timestamp was signed"),
    "swapped": (swapped, "exchanged"),
    "crlf": (lambda t: t.replace(b"\n", b"\r\n"), "CR LF"),
    "literal": (lambda t: t.replace(b"\n", b"\\n"), "literal backslash"),
    "something else": (lambda _: b"entirely different", "another string"),
}


@pytest.mark.parametrize("name", V3_MISTAKES)
def test_v3_mistakes(sim, name):
    mistake, expected = V3_MISTAKES[name]
    url = f"/v3/pay/transactions/out-trade-no/never%2Amade?mchid={sim.merchant['mchid']}"
    answer = sim.v3("GET", url, text=mistake)
    assert (answer.status, answer.json["code"]) == (401, "SIGN_ERROR")
    assert expected in answer.explanation["likely_cause"]
    assert answer.explanation["signed_string"].startswith(f"GET\n{url}\n")
    assert ("first_difference" in answer.explanation) == (name != "something else")


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        (reserialised, "serialised twice"),
        (lambda t: t.rstrip(b"\n").rpartition(b"\n")[0] + b"\n\n", "body was not signed"),
    ],
)
def test_v3_body_mistakes(sim, mistake, expected):
    answer = sim.v3("POST", JSAPI, sim.order_v3(), text=mistake)
    assert expected in answer.explanation["likely_cause"]


def test_v3_empty_body_mistakes(sim):
    for text, expected in [(lambda t: t[:-1], "newline"), (lambda t: t[:-1] + b"{}\n", "{} was signed as the body")]:
        assert expected in sim.v3("GET", "/v3/certificates", text=text).explanation["likely_cause"]


def test_v3_signed_with_host_of_the_simulator(sim):
    url = f"http://127.0.0.1:{sim.port}/v3/certificates"
    answer = sim.v3("GET", "/v3/certificates", text=with_line(1, lambda _: url.encode()))
    assert "with scheme and host" in answer.explanation["likely_cause"]


def test_v3_wrong_private_key_hash_alphabet_and_serial(sim):
    import base64

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    foreign = base64.b64encode(other.sign(b"x", padding.PKCS1v15(), hashes.SHA256())).decode()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    cases = {
        "wrong private key": foreign,
        "not PKCS#1": base64.b64encode(sim.key.sign(b"x", pss, hashes.SHA256())).decode(),
        "SHA-1 instead of SHA-256": base64.b64encode(sim.key.sign(b"x", padding.PKCS1v15(), hashes.SHA1())).decode(),
        "8 characters instead of 344": "abcdefgh",
    }
    for expected, signature in cases.items():
        answer = sim.v3("GET", "/v3/certificates", signature=signature)
        assert expected in answer.explanation["likely_cause"]
    while True:
        unsafe = base64.urlsafe_b64encode(sim.key.sign(secrets.token_bytes(8), padding.PKCS1v15(), hashes.SHA256()))
        if b"-" in unsafe or b"_" in unsafe:
            break
    answer = sim.v3("GET", "/v3/certificates", signature=unsafe.decode())
    assert "URL-safe" in answer.explanation["likely_cause"]
    answer = sim.v3("GET", "/v3/certificates", serial_no=sim.merchant["platform_serial_no"])
    assert "names WeChat's key" in answer.explanation["likely_cause"]
    answer = sim.v3("GET", "/v3/certificates", timestamp=f"{time.time() * 1000:.0f}")
    assert "milliseconds" in answer.explanation["likely_cause"]


def test_long_strings_are_cut_in_the_header_and_whole_in_the_complaints(sim):
    order = sim.order_v2(detail=json.dumps({"goods": "测" * 1500}, ensure_ascii=False))
    answer = sim.v2("unifiedorder", order, lambda _: "0" * 32)
    assert len(answer.headers["x-sim-explain"]) < 4000
    assert "(whole at /_sim/complaints)" in answer.explanation["signed_string"]
    whole = sim.control("GET", "complaints")["complaints"][-1]["explanation"]["signed_string"]
    assert "测" * 1500 in whole
