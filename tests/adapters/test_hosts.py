"""A host that cannot be reached is left alone, and tried again; a clock that is wrong is said once."""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate

import pytest

from adapters.errors import NotSent, OutcomeUnknown
from adapters.hosts import FRESH, MISSES, REST, SKEW, Host
from adapters.transport import Transport
from tests.adapters.wire import cut, http, say, wire
from tests.processes import free_port

NOW = 1_704_074_492


class Clocks:
    def __init__(self):
        self.steady, self.wall = 100.0, NOW

    def host(self):
        return Host("api.test", lambda: self.steady, lambda: self.wall)


def let_in(host):
    try:
        host.enter()
    except NotSent:
        return False
    return True


def away(host, times=MISSES):
    for _ in range(times):
        host.enter()
        host.missed()


def test_left_alone_after_so_many_misses_and_not_before():
    host = Clocks().host()
    away(host, MISSES - 1)
    assert let_in(host)
    host.missed()
    assert not let_in(host)


def test_one_call_finds_out_and_the_others_wait():
    clocks = Clocks()
    host = clocks.host()
    away(host)
    clocks.steady += REST
    assert [let_in(host) for _ in range(5)] == [True, False, False, False, False]
    host.missed()
    clocks.steady += REST / 2
    assert not let_in(host)
    clocks.steady += REST / 2
    assert let_in(host)
    host.answered(None)
    assert all(let_in(host) for _ in range(5))


def test_an_answer_ends_the_count():
    host = Clocks().host()
    for _ in range(3):
        away(host, MISSES - 1)
        host.answered(None)
    assert let_in(host)


def test_a_call_that_never_came_back_is_followed_by_another():
    """Its task was cancelled, say: the host is not left alone for ever."""
    clocks = Clocks()
    host = clocks.host()
    away(host)
    for _ in range(3):
        clocks.steady += REST
        assert let_in(host)
        assert not let_in(host)


@pytest.mark.parametrize(("skew", "said"), [(0, 0), (60, 0), (-60, 0), (61, 1), (-61, 1), (600, 1), (-600, 1)])
def test_a_wrong_clock_is_said_once(caplog, skew, said):
    clocks = Clocks()
    host = clocks.host()
    with caplog.at_level(logging.WARNING, "pay.transport"):
        for _ in range(3):
            host.answered(formatdate(NOW - skew, usegmt=True))
    assert len(caplog.records) == said
    assert SKEW.labels("api.test")._value.get() == skew


def test_a_clock_that_went_wrong_again_is_said_again(caplog):
    host = Clocks().host()
    with caplog.at_level(logging.WARNING, "pay.transport"):
        for skew in (90, 0, 90):
            host.answered(formatdate(NOW - skew, usegmt=True))
    assert len(caplog.records) == 2
    assert "+90 s" in caplog.text


def test_a_wrong_clock_is_forgotten_when_nobody_says_so_any_more():
    clocks = Clocks()
    host = clocks.host()
    assert host.skew == 0
    host.answered(formatdate(NOW + 600, usegmt=True))
    clocks.steady += FRESH
    assert host.skew == -600
    host.answered(None)
    clocks.steady += 1
    assert host.skew == 0
    host.answered(formatdate(NOW - 5, usegmt=True))
    assert host.skew == 5


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Jan 2024 00:00:00 GMT", "\x00"])
def test_a_date_that_is_none_says_nothing(caplog, date):
    with caplog.at_level(logging.WARNING, "pay.transport"):
        Clocks().host().answered(date)
    assert not caplog.records


# --- on a socket ---


def test_the_transport_leaves_a_host_alone_until_it_answers_again():
    clock = [0.0]

    async def run():
        transport, port = Transport(steady=lambda: clock[0]), free_port()
        url = f"http://127.0.0.1:{port}/pay"
        try:
            words = []
            for _ in range(MISSES + 2):
                with pytest.raises(NotSent) as refused:
                    await transport.request("GET", url, headers={})
                words.append("left alone" in str(refused.value))
            assert words == [False] * MISSES + [True] * 2
            async with wire(say(http())) as other:  # another host is none of its business
                assert (await transport.request("GET", f"{other.url}/pay", headers={})).status == 200
            clock[0] += REST
            async with wire(say(http()), port=port) as server:
                assert [(await transport.request("GET", url, headers={})).status for _ in range(3)] == [200] * 3
                assert len(server.requests) == 3
        finally:
            transport.close()

    asyncio.run(run())


def test_a_host_that_gives_no_answer_was_reached():
    """What was sent may have been done: that is for the services, not for this."""

    async def run():
        transport = Transport()
        try:
            async with wire(cut()) as server:
                for _ in range(MISSES + 2):
                    with pytest.raises(OutcomeUnknown):
                        await transport.request("POST", f"{server.url}/pay", headers={}, body=b"x")
        finally:
            transport.close()

    asyncio.run(run())
