"""The readers refuse what is not a message, and raise nothing but their own refusal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import rules, v2fields, v2wire, v3fields, v3wire
from simulator.clock import Clock, compact, from_compact, rfc3339
from simulator.primitives import Forged
from simulator.wire import Seal, first_difference

WELL = b"<xml><a>1</a><b><![CDATA[x]]></b><c></c></xml>"


def test_flat_xml() -> None:
    assert v2wire.parse_xml(WELL) == {"a": "1", "b": "x", "c": ""}
    assert v2wire.parse_xml(b'<?xml version="1.0" encoding="utf-8"?>\n' + WELL + b"\n") == {"a": "1", "b": "x", "c": ""}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "POST_DATA_EMPTY"),
        ("<xml><a>测</a></xml>".encode("gbk"), "NOT_UTF8"),
        (WELL.decode().encode("utf-16"), "NOT_UTF8"),
        (b'<?xml version="1.0" encoding="gbk"?>' + WELL, "NOT_UTF8"),
        (b"\xef\xbb\xbf" + WELL, "XML_FORMAT_ERROR"),
        (b"<!DOCTYPE xml>" + WELL, "XML_FORMAT_ERROR"),
        (b'<!DOCTYPE xml [<!ENTITY e "x">]><xml><a>&e;</a></xml>', "XML_FORMAT_ERROR"),
        (b"<xml><a>1</a><a>2</a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml><a><b>1</b></a></xml>", "XML_FORMAT_ERROR"),
        (b'<xml><a b="1">1</a></xml>', "XML_FORMAT_ERROR"),
        (b"<xml><a>1<!-- 2 -->3</a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml><?php ?><a>1</a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml>loose<a>1</a></xml>", "XML_FORMAT_ERROR"),
        (b"<root><a>1</a></root>", "XML_FORMAT_ERROR"),
        (WELL + b"junk", "XML_FORMAT_ERROR"),
        (b"SUCCESS", "XML_FORMAT_ERROR"),
        (b"<xml><a>\x00</a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml>" + b"".join(b"<a%d>1</a%d>" % (i, i) for i in range(300)) + b"</xml>", "XML_FORMAT_ERROR"),
        (b"<xml>" + b"<a>" * 100_000, "XML_FORMAT_ERROR"),
    ],
)
def test_other_xml_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(v2wire.XmlRefused) as refused:
        v2wire.parse_xml(body)
    assert refused.value.code == code


@given(st.binary(max_size=200))
def test_the_xml_reader_raises_nothing_else(body: bytes) -> None:
    try:
        assert isinstance(v2wire.parse_xml(b"<xml>" + body + b"</xml>"), dict)
    except v2wire.XmlRefused:
        return


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), TEXT, max_size=8), st.booleans())
def test_what_is_written_is_read_again(fields: dict[str, str], plain: bool) -> None:
    assert v2wire.parse_xml(v2wire.write_xml(fields, plain)) == fields


def test_a_value_cannot_close_its_own_cdata() -> None:
    evil = {"attach": "]]></attach><total_fee>1</total_fee><attach><![CDATA["}
    assert v2wire.parse_xml(v2wire.write_xml(evil)) == evil


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":Infinity}', b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900,
        b"\xef\xbb\xbf{}", b"\xff", b"", b"{", b'{"a":1}x', b"1" * 5000, "{}".encode("utf-16"),
    ],
)  # fmt: skip
def test_loose_json_is_refused(body: bytes) -> None:
    with pytest.raises(v3wire.JsonRefused):
        v3wire.load_json(body)


@given(st.binary(max_size=100))
def test_the_json_reader_raises_nothing_else(body: bytes) -> None:
    try:
        found = v3wire.load_json(body)
    except v3wire.JsonRefused:
        return
    assert json.loads(body) == found


ITEMS = 'mchid="1",nonce_str="2",signature="3",timestamp="4",serial_no="5"'


@pytest.mark.parametrize(
    "header",
    [
        "",
        ITEMS,
        f"Bearer {ITEMS}",
        f"WECHATPAY2-SM2-WITH-SM3 {ITEMS}",
        f'WECHATPAY2-SHA256-RSA2048 {ITEMS},mchid="1"',
        f'WECHATPAY2-SHA256-RSA2048 {ITEMS},extra="1"',
        "WECHATPAY2-SHA256-RSA2048 " + ITEMS.replace('"', ""),
        "WECHATPAY2-SHA256-RSA2048 " + ITEMS.partition(",")[2],
    ],
)
def test_other_authorization_is_refused(header: str) -> None:
    with pytest.raises(v3wire.HeaderRefused):
        v3wire.parse_authorization(header)


@given(st.text(max_size=60))
def test_the_authorization_reader_raises_nothing_else(text: str) -> None:
    try:
        assert isinstance(v3wire.parse_authorization("WECHATPAY2-SHA256-RSA2048 " + text), dict)
    except v3wire.HeaderRefused:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(list(v3fields.JSAPI.fields)), JSON, max_size=8))
def test_the_v3_field_table_raises_nothing_else(body: dict[str, object]) -> None:
    with pytest.raises(v3fields.FieldRefused):
        v3fields.JSAPI.check(body)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(list(v2fields.UNIFIED_ORDER)), st.text(max_size=20), max_size=25))
def test_the_v2_field_table_raises_nothing_else(fields: dict[str, str]) -> None:
    with pytest.raises(v2fields.FieldRefused):
        v2fields.check(fields, v2fields.UNIFIED_ORDER)


@pytest.mark.parametrize(
    ("url", "well_v2", "well_v3"),
    [
        ("https://pay.example.test/notify", True, True),
        ("http://pay.example.test/notify", True, False),
        ("http://127.0.0.1:8000/notify", True, True),
        ("http://localhost/notify", True, True),
        ("http://[::1]:80/notify", True, True),
        ("https://pay.example.test", False, False),
        ("https://pay.example.test/notify?a=1", False, False),
        ("https://pay.example.test/notify#a", False, False),
        ("https://user:pass@pay.example.test/notify", False, False),
        ("ftp://pay.example.test/notify", False, False),
        ("/notify", False, False),
        ("https://pay.example.test:99999/notify", False, False),
        ("https://[::1/notify", False, False),
        ("https://pay.example.test/no tify", False, False),
        ("https://测试.example.test/notify", False, False),
    ],
)
def test_notify_urls(url: str, well_v2: bool, well_v3: bool) -> None:
    assert (rules.notify_url_problem(url, https_only=False) is None) == well_v2
    assert (rules.notify_url_problem(url, https_only=True) is None) == well_v3


def test_seals_do_what_they_say() -> None:
    fields, key = {"a": "1"}, "k" * 32
    v2wire.verify(v2wire.sealed(fields, key, "MD5"), key, "MD5")
    assert "sign" not in v2wire.sealed(fields, key, "MD5", Seal("missing"))
    with pytest.raises(Forged):
        v2wire.verify(v2wire.sealed(fields, key, "MD5", Seal("broken")), key, "MD5")


def test_first_difference_names_the_byte() -> None:
    assert first_difference(b"abc", b"abc") == ""
    assert first_difference(b"abc", b"abd").startswith("byte 2:")
    assert first_difference(b"abc\n", b"abc") == "byte 3: here '\\n', yours <end>"


def test_the_virtual_clock() -> None:
    wall = [1000.0]
    clock = Clock(scale=10, wall=lambda: wall[0])
    assert (clock.now(), clock.wire()) == (1000, 1000)
    wall[0] += 6
    assert (clock.now(), clock.wire()) == (1060, 1006)
    clock.advance(40)
    clock.skew = -301
    assert (clock.now(), clock.wire(), clock.offset) == (1100, 705, 94)
    assert clock.real_seconds_until(1200) == 10
    assert clock.real_seconds_until(0) == 0


def test_times_are_beijings() -> None:
    assert rfc3339(1704074490) == "2024-01-01T10:01:30+08:00"
    assert compact(1704074490) == "20240101100130"
    assert from_compact("20240101100130") == 1704074490
    assert rules.parse_rfc3339("2024-01-01T02:01:30Z") == rules.parse_rfc3339("2024-01-01T10:01:30.000+08:00")
    for wrong in ("20240230000000", "2024010110013", "２０２４０１０１１００１３０"):
        with pytest.raises(ValueError):
            from_compact(wrong)
    for wrong in ("2024-01-01 10:01:30+08:00", "2024-01-01T10:01:30", "2024-02-30T10:01:30Z", "20240101T100130Z"):
        assert rules.rfc3339_problem(wrong)
