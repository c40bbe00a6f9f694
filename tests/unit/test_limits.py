"""Limits count by an injected clock; a proxy is believed only where it was said to be."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import limits
from handlers.limits import EVERYBODY, Limits, client_address
from services.errors import TooMany

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def taken(counter: Limits, asker: str = "a") -> bool:
    try:
        counter.take("login", asker)
    except TooMany:
        return False
    return True


def test_so_many_at_once_and_not_one_more() -> None:
    counter = Limits({"login": (3, 60)}, Clock())
    assert [taken(counter) for _ in range(5)] == [True, True, True, False, False]
    assert taken(counter, "b")


def test_it_says_how_long_to_wait_and_that_is_long_enough() -> None:
    clock = Clock()
    counter = Limits({"login": (3, 60)}, clock)
    for _ in range(3):
        counter.take("login", "a")
    with pytest.raises(TooMany) as refused:
        counter.take("login", "a")
    clock.now += int(refused.value.details["seconds"])
    assert taken(counter)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200), st.integers(1, 10))
def test_never_more_than_twice_the_limit_in_a_minute_nor_less_than_an_even_pace(
    pauses: list[float], limit: int
) -> None:
    clock = Clock()
    counter = Limits({"login": (limit, 60)}, clock)
    served = []
    for pause in pauses:
        clock.now += pause
        if taken(counter):
            served.append(clock.now)
    for at in served:
        assert sum(at <= other < at + 60 for other in served) < 2 * limit + 1
    clock.now += 60
    assert all(taken(counter) for _ in range(limit))


def test_everybody_together_within_a_second() -> None:
    clock = Clock()
    counter = Limits({"login": (3, 1)}, clock)
    assert [taken(counter, EVERYBODY) for _ in range(5)] == [True, True, True, False, False]
    clock.now += 1 / 3
    assert [taken(counter, EVERYBODY) for _ in range(2)] == [True, False]
    clock.now += 1
    assert [taken(counter, EVERYBODY) for _ in range(4)] == [True, True, True, False]


def test_nought_is_no_limit() -> None:
    counter = Limits({"login": (0, 60)}, Clock())
    assert all(taken(counter) for _ in range(1000))


def test_the_memory_is_bounded() -> None:
    counter = Limits({"login": (1, 60)}, Clock())
    for number in range(limits.MOST + 10):
        counter.take("login", str(number))
    assert not taken(counter, str(limits.MOST))
    assert taken(counter, "0")  # forgotten


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("203.0.113.5", "101.226.103.5", "203.0.113.5"),
        ("10.1.2.3", None, "10.1.2.3"),
        ("10.1.2.3", "not an address", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.9, 10.0.0.1", "10.1.2.3"),
        ("", "203.0.113.9", ""),
    ],
)
def test_only_a_trusted_proxy_is_believed(peer: str, forwarded: str | None, address: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == address
