"""Codes are remembered by an injected clock, so long and so many."""

from __future__ import annotations

from services.login import CODE_SECONDS, MOST_CODES, UsedCodes


def test_a_code_is_new_once_until_it_is_forgotten_or_given_back() -> None:
    now = [0.0]
    codes = UsedCodes(lambda: now[0])
    assert [codes.take(code) for code in ("a", "a", "b", "\udc80", "b")] == [True, False, True, True, False]
    codes.give_back("b")
    now[0] = CODE_SECONDS - 1
    assert [codes.take(code) for code in ("a", "b")] == [False, True]
    now[0] = CODE_SECONDS
    assert [codes.take(code) for code in ("a", "b")] == [True, False]


def test_the_memory_is_bounded() -> None:
    codes = UsedCodes(lambda: 0.0)
    assert all(codes.take(str(number)) for number in range(MOST_CODES + 1))
    assert not codes.take(str(MOST_CODES))
    assert codes.take("0")  # forgotten
