"""WeChat's keys come and go: certificates rotate, a merchant migrates to the public key, API keys are changed."""

from __future__ import annotations

import base64
import json
import shutil
from collections import Counter
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.simulator.client import JSAPI

CERTIFICATES = "/v3/certificates"


def keys(sim, **wish):
    return sim.control("PUT", "keys", wish) if wish else sim.control("GET", "keys")


def added(sim, **wish):
    """The serial number of a new certificate."""
    before = {one["serial_no"] for one in keys(sim)["certificates"]}
    (new,) = [
        one["serial_no"] for one in keys(sim, new_certificate=wish)["certificates"] if one["serial_no"] not in before
    ]
    return new


def downloaded(sim):
    """Serial number -> (effective, certificate) of GET /v3/certificates, decrypted as a merchant does."""
    answer = sim.v3("GET", CERTIFICATES)
    sim.verify(answer.headers, answer.body)
    found = {}
    for entry in answer.json["data"]:
        sealed = entry["encrypt_certificate"]
        gcm = AESGCM(sim.merchant["v3_api_key"].encode())
        ciphertext = base64.b64decode(sealed["ciphertext"])
        pem = gcm.decrypt(sealed["nonce"].encode(), ciphertext, sealed["associated_data"].encode())
        found[entry["serial_no"]] = (entry["effective_time"], x509.load_pem_x509_certificate(pem))
    return found


def answered_by(sim, serial=None):
    answer = sim.v3("GET", CERTIFICATES, headers={"Wechatpay-Serial": serial})
    sim.verify(answer.headers, answer.body)
    return answer.headers["wechatpay-serial"]


def notified_by(sim, count=1, **changes):
    """Which keys sign so many notifications, in turn."""
    order = sim.order_v3()
    sim.v3("POST", JSAPI, order, **changes)
    notices = [sim.notice(out_trade_no=order["out_trade_no"]) for _ in range(count)]
    for notice in notices:
        sim.verify(notice.headers, notice.body)
    return [notice.headers["Wechatpay-Serial"] for notice in notices]


def test_a_new_certificate_is_published_before_it_signs(own_sim):
    sim = own_sim()
    old = sim.merchant["platform_serial_no"]
    new = added(sim, effective_seconds=86400)
    published = downloaded(sim)
    assert list(published) == [old, new]
    assert all(serial == f"{certificate.serial_number:040X}" for serial, (_, certificate) in published.items())
    now = sim.control("GET", "clock")["now"]
    assert abs(datetime.fromisoformat(published[new][0]).timestamp() - now - 86400) < 60
    assert (answered_by(sim), notified_by(sim)) == (old, [old])
    sim.advance(86400)
    assert (answered_by(sim), notified_by(sim)) == (new, [new])
    assert answered_by(sim, old) == new
    assert sim.control("GET", "merchant")["platform_serial_no"] == new
    keys(sim, retire_certificate=old)
    assert list(downloaded(sim)) == [new]
    refused = sim.v3("GET", CERTIFICATES, headers={"Wechatpay-Serial": old})
    assert (refused.status, refused.json["detail"]["field"]) == (400, "Wechatpay-Serial")


def test_answers_and_notifications_apart(own_sim):
    sim = own_sim()
    old, new = sim.merchant["platform_serial_no"], added(sim)
    assert (answered_by(sim), notified_by(sim)) == (new, [new])
    keys(sim, answers_by=old)
    assert (answered_by(sim), notified_by(sim)) == (old, [new])
    shown = keys(sim, notifications_by=old, answers_by=None)
    assert {one["serial_no"]: one["signs"] for one in shown["certificates"]} == {
        old: ["notifications"],
        new: ["answers"],
    }
    assert (answered_by(sim), notified_by(sim)) == (new, [old])
    keys(sim, retire_certificate=old)
    assert notified_by(sim) == [new]


def test_certificates_outlive_a_restart(own_sim, merchant_json, tmp_path):
    shutil.copy(merchant_json, tmp_path)
    first = own_sim("--data", str(tmp_path))
    old, new = first.merchant["platform_serial_no"], added(first)
    keys(first, retire_certificate=old)
    first.control("PUT", "merchant", {"v3_api_key": None})
    before = first.control("GET", "merchant")
    first.stop()
    second = own_sim("--data", str(tmp_path))
    assert second.merchant | {"secapi_url": before["secapi_url"]} == before
    assert list(downloaded(second)) == [new]
    assert (answered_by(second), notified_by(second)) == (new, [new])


def test_a_share_is_signed_by_the_public_key_while_a_merchant_migrates(own_sim):
    sim = own_sim()
    public, certificate = sim.merchant["public_key_id"], sim.merchant["platform_serial_no"]
    keys(sim, notify_share=0.2, answer_share=0.5)
    assert Counter(notified_by(sim, 20)) == {certificate: 16, public: 4}
    assert Counter(answered_by(sim) for _ in range(4)) == {certificate: 2, public: 2}
    assert [answered_by(sim, public) for _ in range(2)] == [public] * 2
    asks = {"Wechatpay-Serial": public}
    assert notified_by(sim, 3, headers=asks) == [public] * 3
    keys(sim, notify_share=1, answer_share=0)
    assert (set(notified_by(sim, 3)), answered_by(sim)) == ({public}, certificate)
    keys(sim, notify_share=0)
    assert set(notified_by(sim, 3)) == {certificate}


@pytest.mark.parametrize("given", [None, "SIMnew" + "k" * 26])
def test_a_new_apiv3_key_kills_the_old_one_at_once(own_sim, merchant_site, given):
    sim = own_sim()
    old = sim.merchant["v3_api_key"]
    order = sim.order_v3(notify_url=merchant_site.answer("/n", 500))
    sim.pay_v3(sim.v3("POST", JSAPI, order).json["prepay_id"])
    sim.wait(lambda: sim.delivery(order["out_trade_no"])["tries"])
    assert sim.decrypt(merchant_site.at("/n")[0].body)["out_trade_no"] == order["out_trade_no"]
    sim.merchant = sim.control("PUT", "merchant", {"v3_api_key": given})
    assert sim.merchant["v3_api_key"] not in (None, old)
    assert given in (None, sim.merchant["v3_api_key"])
    sim.advance(15)
    sim.wait(lambda: len(merchant_site.at("/n")) == 2)
    again = merchant_site.at("/n")[1]
    sim.verify(again.headers, again.body)
    assert sim.decrypt(again.body)["out_trade_no"] == order["out_trade_no"]
    assert len(downloaded(sim)) == 1
    sim.merchant["v3_api_key"] = old
    with pytest.raises(InvalidTag):
        sim.decrypt(again.body)


def test_a_new_v2_key(own_sim):
    sim = own_sim()
    order, old = sim.order_v2(), sim.merchant["v2_api_key"]
    sim.merchant = sim.control("PUT", "merchant", {"v2_api_key": None})
    assert sim.v2("unifiedorder", order, lambda f: sim.keyed(f, key=old)).xml["return_msg"] == "签名错误"
    answer = sim.v2("unifiedorder", order).xml
    assert answer.pop("sign") == sim.keyed(answer)
    assert answer["result_code"] == "SUCCESS"


def test_neither_old_nor_new_key_is_shown(own_sim):
    sim = own_sim()
    old = sim.merchant["v3_api_key"]
    new = sim.control("PUT", "merchant", {"v3_api_key": None})["v3_api_key"]
    for key in (old, new):
        sim.v3("POST", JSAPI, sim.order_v3(attach=key))
    shown = json.dumps([sim.control("GET", name) for name in ("exchanges", "complaints", "ledger", "keys")])
    assert "PRIVATE" not in shown
    assert not [key for key in (old, new) if key in shown]


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("keys", {"new_certificate": 1}),
        ("keys", {"new_certificate": {"from": 1}}),
        ("keys", {"new_certificate": {"effective_seconds": -1}}),
        ("keys", {"answers_by": "5A" * 20}),
        ("keys", {"notifications_by": 1}),
        ("keys", {"retire_certificate": "5A" * 20}),
        ("keys", {"retire_certificate": "{last}"}),
        ("keys", {"answer_share": 1.5}),
        ("keys", {"notify_share": True}),
        ("merchant", {"v3_api_key": "short"}),
        ("merchant", {"v3_api_key": "0f" * 16}),
        ("merchant", {"v2_api_key": 1}),
        ("merchant", {"app_secret": "SIMsecret"}),
    ],
    ids=str,
)
def test_wishes_that_are_refused_change_nothing(sim, path, wish):
    before = [sim.control("GET", name) for name in ("keys", "merchant")]
    last = sim.merchant["platform_serial_no"]
    body = {name: last if value == "{last}" else value for name, value in wish.items()}
    assert sim.call("PUT", f"/_sim/{path}", json.dumps(body).encode()).status == 400
    assert [sim.control("GET", name) for name in ("keys", "merchant")] == before
