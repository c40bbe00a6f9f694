"""The v2 codec beyond the vectors: what it must write, what it must refuse, and that it refuses in one way only."""

from __future__ import annotations

import base64
import contextlib

import pytest
import xmltodict
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import BadSignature, Malformed, OutcomeUnknown
from adapters.wechat_v2 import codec
from adapters.wechat_words import word
from tests.adapters import known

NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,20}\Z")
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=["Cs"]), max_size=60)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=8)
SCHEMES = ("MD5", "HMAC-SHA256")
PAID = known.v2_xml(known.v2_signed(known.V2_PAID))


# --- writing ---


@given(FIELDS)
def test_what_is_built_is_read_again_exactly(fields):
    assert codec._parse_flat(codec.build(fields), "xml") == fields


@given(FIELDS.filter(bool))
def test_what_is_built_is_read_by_another_parser(fields):
    theirs = xmltodict.parse(codec.build(fields), strip_whitespace=False)["xml"]
    assert {name: value or "" for name, value in theirs.items()} == fields


def test_cdata_cannot_be_closed_from_inside():
    attack = "tea]]></body><total_fee>1</total_fee><body><![CDATA["
    fields = {"body": attack, "total_fee": "100"}
    built = codec.build(fields)
    assert codec._parse_flat(built, "xml") == fields
    assert xmltodict.parse(built)["xml"]["total_fee"] == "100"


@pytest.mark.parametrize("name", ["", "a b", "a>", "1a", "a:b", "é"])
def test_names_that_are_none_are_not_written(name):
    with pytest.raises(ValueError):
        codec.build({name: "x"})


@pytest.mark.parametrize("value", ["\x00", "a\rb", "\x1b", "\ud800", "\uffff"])
def test_characters_that_would_change_on_the_way_are_not_written(value):
    with pytest.raises(ValueError):
        codec.build({"body": value})


def test_an_exact_document():
    assert codec.build({"b": "1", "a": "茶"}) == "<xml><b><![CDATA[1]]></b><a><![CDATA[茶]]></a></xml>".encode()


# --- signing ---


@given(FIELDS, st.sampled_from(SCHEMES))
def test_what_is_signed_verifies_and_agrees_with_another_implementation(fields, scheme):
    fields = {name: value for name, value in fields.items() if name not in ("sign", "sign_type")}
    signed = {**fields, "sign": codec.sign(fields, known.V2_KEY, scheme)}
    assert signed == known.v2_signed(fields, scheme)
    codec.verify(signed, known.V2_KEY, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", sorted(known.V2_PAID))
def test_every_field_is_covered(scheme, name):
    signed = known.v2_signed(known.V2_PAID, scheme)
    with pytest.raises(BadSignature):
        codec.verify({**signed, name: signed[name] + "0"}, known.V2_KEY, scheme)
    with pytest.raises(BadSignature):
        codec.verify({key: value for key, value in signed.items() if key != name}, known.V2_KEY, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "change", [str.lower, lambda s: s[:0], lambda s: s[:-1], lambda s: s + "0", lambda s: "签" + s]
)
def test_a_sign_that_is_not_exactly_right_is_refused(scheme, change):
    signed = known.v2_signed(known.V2_PAID, scheme)
    with pytest.raises(BadSignature):
        codec.verify({**signed, "sign": change(signed["sign"])}, known.V2_KEY, scheme)


def test_an_absent_sign_is_refused():
    with pytest.raises(BadSignature):
        codec.verify(known.V2_PAID, known.V2_KEY, "MD5")


def test_the_key_counts():
    with pytest.raises(BadSignature):
        codec.verify(known.v2_signed(known.V2_PAID, key="x" * 32), known.V2_KEY, "MD5")


def test_a_sign_type_that_contradicts_the_agreed_one_is_refused():
    fields = known.v2_signed({**known.V2_PAID, "sign_type": "HMAC-SHA256"}, "MD5")
    with pytest.raises(BadSignature):
        codec.verify(fields, known.V2_KEY, "MD5")


def test_no_third_scheme():
    with pytest.raises(ValueError):
        codec.sign({}, known.V2_KEY, "SHA1")


# --- reading ---


@pytest.mark.parametrize("scheme", SCHEMES)
def test_notification_without_sign_type(scheme):
    signed = codec.read_notification(known.v2_xml(known.v2_signed(known.V2_PAID, scheme)), known.V2_KEY)
    assert signed.scheme == scheme
    assert signed.fields["total_fee"] == "100"


@pytest.mark.parametrize("claim", ["SHA1", "md5", "HMAC-SHA1", "RSA"])
def test_notification_with_an_unknown_sign_type(claim):
    fields = known.v2_signed({**known.V2_PAID, "sign_type": claim})
    with pytest.raises(BadSignature):
        codec.read_notification(known.v2_xml(fields), known.V2_KEY)


def test_notification_claiming_a_scheme_that_it_was_not_signed_with():
    fields = known.v2_signed({**known.V2_PAID, "sign_type": "HMAC-SHA256"}, "MD5")
    with pytest.raises(BadSignature):
        codec.read_notification(known.v2_xml(fields), known.V2_KEY)


@pytest.mark.parametrize("code", ["FAIL", "", "success"])
def test_a_signed_message_without_success_is_not_understood(code):
    body = known.v2_xml(known.v2_signed({**known.V2_PAID, "return_code": code}))
    with pytest.raises(Malformed):
        codec.read_notification(body, known.V2_KEY)
    with pytest.raises(OutcomeUnknown if code == "FAIL" else Malformed):
        codec.read_answer(body, known.V2_KEY, "MD5")


def test_an_unsigned_failure_other_than_systemerror_is_forged():
    body = known.v2_xml({"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "ORDERNOTEXIST"})
    with pytest.raises(BadSignature):
        codec.read_answer(body, known.V2_KEY, "MD5")


def test_a_systemerror_with_a_wrong_sign_is_forged():
    body = known.v2_xml({"return_code": "SUCCESS", "err_code": "SYSTEMERROR", "sign": "0" * 32})
    with pytest.raises(BadSignature):
        codec.read_answer(body, known.V2_KEY, "MD5")


def test_every_changed_byte_is_refused():
    """White space between elements, and the quotes of no attribute, are the only bytes without meaning: none here."""
    accepted = []
    for place in range(len(PAID)):
        for flip in (1, 32):
            changed = PAID[:place] + bytes([PAID[place] ^ flip]) + PAID[place + 1 :]
            try:
                codec.read_notification(changed, known.V2_KEY)
            except BadSignature:
                continue
            accepted.append((place, changed))
    assert accepted == []


def test_a_changed_byte_of_req_info_never_reads_as_the_same_notice_in_another_text():
    text = known.named("v2.req_info.own")["inputs"]["req_info"]
    plain = codec.decrypt(text, codec.refund_key(known.V2_KEY))
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        try:
            assert codec.decrypt(changed, codec.refund_key(known.V2_KEY)) != plain
        except BadSignature:
            continue


def test_base64_with_spare_bits_set_is_refused():
    key = codec.refund_key(known.V2_KEY)
    encryptor = Cipher(AES(key), ECB()).encryptor()
    text = base64.b64encode(encryptor.update(b"<root></root>\x03\x03\x03")).decode()
    assert codec.decrypt(text, key) == b"<root></root>"
    assert text.endswith("==")
    spare = text[:-3] + chr(ord(text[-3]) + 1) + "=="
    assert base64.b64decode(spare) == base64.b64decode(text)
    for changed in (spare, text + "\n", " " + text, text.rstrip("=")):
        with pytest.raises(BadSignature):
            codec.decrypt(changed, key)


GARBAGE = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(lambda place, junk: PAID[:place] + junk + PAID[place:], st.integers(0, len(PAID)), st.binary(max_size=9)),
    FIELDS.map(known.v2_xml),
)


@given(GARBAGE)
def test_garbage_is_refused_in_the_documented_ways_only(body):
    genuine = known.v2_signed(known.V2_PAID)
    with contextlib.suppress(BadSignature, Malformed):
        assert codec.read_notification(body, known.V2_KEY).fields == genuine  # white space between elements
    with contextlib.suppress(BadSignature, Malformed, OutcomeUnknown):
        assert codec.read_answer(body, known.V2_KEY, "MD5") == genuine
    with pytest.raises((BadSignature, Malformed)):
        codec.read_refund_notice(body, known.V2_KEY)


def flat(inner: str, before: str = "") -> bytes:
    return f"{before}<xml>{inner}</xml>".encode()


@pytest.mark.parametrize(
    "body",
    [
        flat("<a>1</a>", "<!DOCTYPE xml>"),
        flat("<a>1</a>", '<!DOCTYPE xml [<!ENTITY e "1">]>'),
        flat("<a>&e;</a>"),
        flat("<a>1</a><a>2</a>"),
        flat("<a>1</a><b/><a>1</a>"),
        flat("<a><b>1</b></a>"),
        flat("<a><b/></a>"),
        flat("<a>1<b></b></a>"),
        flat("<a x='1'>1</a>"),
        b"<xml x='1'><a>1</a></xml>",
        flat("<a>1<!-- -->2</a>"),
        flat("<!-- --><a>1</a>"),
        flat("<a>1<?p?>2</a>"),
        flat("<?p?>"),
        flat("text<a>1</a>"),
        flat("<a>1</a>text"),
        flat("<![CDATA[text]]>"),
        flat("<a>&#0;</a>"),
        flat("<a>\x00</a>"),
        flat("<a>\x01</a>"),
        flat("<a>1</b>"),
        flat("<a>1</a>") + flat("<a>1</a>"),
        b"\xef\xbb\xbf" + flat("<a>1</a>"),
        flat("<a>1</a>", "<?xml version='1.0' encoding='GBK'?>"),
        "<xml><a>1</a></xml>".encode("utf-16"),
        "<xml><a>茶</a></xml>".encode("gbk"),
        b"<xml><a>\xc0\x80</a></xml>",
        b"<xml><a>\xed\xa0\x80</a></xml>",
        b"<root><a>1</a></root>",
        b"<a>1</a>",
        b"{}",
        b"",
        flat("<a>" + "x" * 65_536 + "</a>"),
        b"<xml>" + b"<a>" * 20_000,
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_whatever_is_not_flat_is_refused(body):
    with pytest.raises(BadSignature):
        codec._parse_flat(body, "xml")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (flat(""), {}),
        (b"<xml/>", {}),
        (flat("<a/>"), {"a": ""}),
        (flat("<a></a><b> </b>"), {"a": "", "b": " "}),
        (flat("\n <a> 1\n</a>\t\r\n"), {"a": " 1\n"}),
        (flat("<a>1</a>", "<?xml version='1.0' encoding='utf-8'?>\n"), {"a": "1"}),
        (flat("<a>&amp;&lt;&#33590;</a>"), {"a": "&<茶"}),
        (flat("<a>1<![CDATA[<2>]]>3</a>"), {"a": "1<2>3"}),
        (flat("<a><![CDATA[]]></a>"), {"a": ""}),
        (flat("<xml>1</xml>"), {"xml": "1"}),
    ],
)
def test_values_are_exact(body, fields):
    assert codec._parse_flat(body, "xml") == fields


def test_a_refund_notice_is_known_by_what_it_carries():
    assert codec.is_refund_notice(flat("<req_info>x</req_info>"))
    assert not codec.is_refund_notice(flat("<req_info>x</req_info><sign>y</sign>"))
    assert not codec.is_refund_notice(flat("<sign>y</sign>"))


# --- values ---


@pytest.mark.parametrize(
    "text", ["0", "01", "-1", "+1", " 1", "1 ", "1\n", "1.0", "1e3", "1_0", "１００", "٣", "", "1" * 11]
)
def test_amounts_that_int_would_take_or_that_are_none(text):
    with pytest.raises(Malformed):
        codec.fen({"total_fee": text}, "total_fee")


def test_amounts():
    assert codec.fen({"total_fee": "1"}, "total_fee") == 1
    assert codec.fen({"total_fee": "9999999999"}, "total_fee") == 9_999_999_999
    with pytest.raises(Malformed):
        codec.fen({}, "total_fee")


@pytest.mark.parametrize("text", ["", "a b", "a\n", "茶", "x" * 33, "\x00"])
def test_words_that_are_none(text):
    with pytest.raises(Malformed):
        word({"out_trade_no": text}, "out_trade_no", 32)


def test_words():
    assert word({"out_trade_no": "T20240101_000-1*|x"}, "out_trade_no", 32) == "T20240101_000-1*|x"
    assert word({"n": "x" * 32}, "n", 32) == "x" * 32


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20240101100130", 1704074490),
        ("2024-01-01 10:01:30", 1704074490),
        ("20240229000000", 1709136000),
        ("20240101000000", 1704038400),
        ("20231231235959", 1704038399),
    ],
)
def test_times_are_beijing_times(text, seconds):
    assert codec.epoch(text) == seconds
    assert codec.beijing(seconds) == "".join(filter(str.isdigit, text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20230229000000",
        "20241301000000",
        "20240101240000",
        "2024010110013",
        "202401011001300",
        "20240101T100130",
        "2024-01-01T10:01:30",
        "2024-1-1 10:01:30",
        " 20240101100130",
        "２０２４０１０１１００１３０",
        "00000101000000",
        "00010101000000",
    ],
)
def test_times_that_are_none(text):
    with pytest.raises(Malformed):
        codec.epoch(text)
