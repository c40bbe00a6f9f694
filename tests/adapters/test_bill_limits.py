"""Bills that are garbage, bombs, or very long."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters import bill
from adapters.errors import Malformed, OutcomeUnknown
from tests.adapters.test_bill import PAID, WHOLE, reader

read = pytest.fixture(reader, name="read")

# --- garbage ---

PIECES = [*WHOLE.decode("utf-8-sig").split("\r\n"), "\r\n", "\n", "`", ",`", ",", "", "\ufeff", "SUCCESS", "0.00", "茶"]


@given(
    st.one_of(
        st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=12).map(lambda x: "".join(x).encode())
    )
)
@example(b"")
@example(b"\x1f\x8b")
@example(b"\xef\xbb\xbf")
@example(gzip.compress(b""))
def test_garbage(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "garbage"
    for form in (data, gzip.compress(data)):
        path.write_bytes(form)
        with pytest.raises((Malformed, OutcomeUnknown)):
            bill.read(path, "trade")


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_byte_changed_is_refused_or_still_adds_up(tmp_path_factory, place, flip):
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(WHOLE[:place] + bytes([WHOLE[place] ^ flip]) + WHOLE[place + 1 :])
    with contextlib.suppress(Malformed, OutcomeUnknown):
        assert bill.read(path, "trade").count == 2
    with pytest.raises(OutcomeUnknown):
        bill.read(path, "trade", hashlib.sha1(WHOLE).hexdigest())


# --- size ---


def test_a_bomb_and_a_line_without_end_are_refused_in_little_memory(read):
    bomb = gzip.compress(b"`" * 300_000_000, 9)
    tracemalloc.start()
    try:
        with pytest.raises(OutcomeUnknown):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sha1", [None, hashlib.sha1(WHOLE).hexdigest()])
def test_larger_unpacked_than_allowed(read, sha1):
    packed = gzip.compress(WHOLE)
    assert read(packed, sha1, max_unpacked=len(WHOLE))[0] == 2
    with pytest.raises(OutcomeUnknown, match="too large"):
        read(packed, sha1, max_unpacked=len(WHOLE) - 1)


def test_many_lines_in_bounded_memory(tmp_path):
    lines = 20_000
    head, payment, _, *tail = WHOLE.split(b"\r\n")
    sums = b"`20000,`20000.00,`0.00,`0.00,`0.00,`20000.00,`0.00"
    path = tmp_path / "many"
    path.write_bytes(gzip.compress(b"\r\n".join([head, *[payment] * lines, tail[0], sums, b""])))
    tracemalloc.start()
    try:
        found = bill.read(path, "trade")
        assert (found.count, sum(line.amount_fen for line in found.lines)) == (lines, lines * 100)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_times_are_beijings_wherever_we_are(read, monkeypatch, zone):
    monkeypatch.setitem(os.environ, "TZ", zone)
    time.tzset()
    try:
        assert read(WHOLE)[1][0].at == PAID.at
    finally:
        monkeypatch.undo()
        time.tzset()


def test_empty():
    assert (bill.empty().count, list(bill.empty().lines)) == (0, [])


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        bill.read(Path("/nonexistent"), "trade")
