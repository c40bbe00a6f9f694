"""The v3 codec's strict JSON, and the values that it lets out of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import Malformed
from adapters.wechat_v3 import codec
from adapters.wechat_words import word
from tests.adapters import known

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"a":2}}',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e400",
        b"-1e400",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'"\xff"',
        b"{'a':1}",
        b"{} {}",
        b"01",
        b"9" * 5000,
        b"",
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_json_that_python_would_take_or_choke_on(body):
    with pytest.raises(Malformed):
        codec.loads(body)


@given(JSON.filter(lambda value: "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)))
def test_plain_json_is_read_as_it_is(value):
    assert codec.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize("value", [0, -1, 1.0, 100.5, True, "100", None, [100], 10_000_000_000])
def test_amounts_that_are_none(value):
    with pytest.raises(Malformed):
        codec.fen({"total": value}, "total")


def test_amounts():
    assert codec.fen({"total": 1}, "total") == 1
    assert codec.fen({"total": 9_999_999_999}, "total") == 9_999_999_999
    with pytest.raises(Malformed):
        codec.fen({}, "total")


@pytest.mark.parametrize("value", ["", "a b", "茶", "\ud800", "x" * 33, 1, None, ["a"]])
def test_words_that_are_none(value):
    with pytest.raises(Malformed):
        word({"mchid": value}, "mchid", 32)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01T10:01:30+08:00", known.PAID_AT),
        ("2024-01-01T02:01:30Z", known.PAID_AT),
        ("2024-01-01T02:01:30.999Z", known.PAID_AT),
        ("2023-12-31T21:01:30.5-05:00", known.PAID_AT),
        ("2024-02-29T00:00:00+08:00", 1709136000),
    ],
)
def test_times(text, seconds):
    assert codec.epoch({"success_time": text}, "success_time") == seconds


NO_TIMES = [
    "",
    "2024-01-01 10:01:30+08:00",
    "2024-01-01T10:01:30",
    "20240101T100130Z",
    "2024-01-01T10:01:30+0800",
    "2023-02-29T00:00:00Z",
    "2024-01-01T25:01:30Z",
    "2024-01-01T10:01:30+25:00",
    "0001-01-01T00:00:00+08:00",
    "２０２４-01-01T10:01:30Z",
    1704074490,
    None,
]


@pytest.mark.parametrize("value", NO_TIMES)
def test_times_that_are_none(value):
    with pytest.raises(Malformed):
        codec.epoch({"success_time": value}, "success_time")


def test_a_part_may_be_absent_but_not_another_kind():
    assert codec.part({"amount": {"total": 1}}, "amount") == {"total": 1}
    assert codec.part({}, "amount") == {}
    for value in (None, [], "x", 1):
        with pytest.raises(Malformed):
            codec.part({"amount": value}, "amount")
