"""JSON as RFC 8259 has it: whatever the bytes are, a value or BadJson."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.strict_json import BadJson, loads

BAD = {
    "empty": b"",
    "cut": b'{"a":',
    "NaN": b'{"a":NaN}',
    "infinity": b"-Infinity",
    "too large a number": b"1e400",
    "a number of 5,000 digits": b"9" * 5000,
    "a key twice": b'{"a":1,"a":2}',
    "deep": b"[" * 30_000,
    "byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b'"\xff"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "two values": b"{} {}",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadJson):
        loads(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_what_is_json_is_read(value: object) -> None:
    assert loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    value: object = ()
    with contextlib.suppress(BadJson):
        value = loads(body)
    assert value == () or value == json.loads(body)
