"""What operators sign in with: passwords, of which one at a time is looked at, and the codes of a phone."""

from __future__ import annotations

import asyncio
import base64
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from services.console import totp
from services.console.passwords import MOST_WAITING, Passwords
from tests.console.inside import CHEAP, Console


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (20000000000, "353130")]
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert totp.code(secret, at // 30) == code
    assert totp.step_of(secret, code, at) == at // 30
    assert totp.step_of(secret, code, at + 90) == 0
    assert totp.step_of(secret, "", at) == totp.step_of(secret, "٢٨٧٠٨٢", at) == 0


def test_a_password_fits_its_own_hash_alone() -> None:
    """And the memory that it took is given back, all of it."""

    async def look(passwords: Passwords) -> None:
        stored = await passwords.hashed("correct horse", b"0123456789abcdef")
        assert stored.startswith("scrypt$131072$8$1$")
        assert passwords.nobodys.startswith("scrypt$131072$8$1$")
        assert (passwords.outdated(stored), CHEAP.outdated(stored)) == (False, True)
        assert await CHEAP.fits("correct horse", stored)  # the hash says what it takes
        cheap = await CHEAP.hashed("correct horse", b"0123456789abcdef")
        assert not await passwords.fits("correct horsf", cheap)
        assert not await CHEAP.fits("", CHEAP.nobodys)

    before = _resident()
    asyncio.run(look(Passwords()))
    assert _resident() - before < 32 * 2**20


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def test_an_old_hash_is_good_and_renewed_when_its_owner_signs_in(console: Console) -> None:
    made = console.add("renewed")
    kept = "SELECT password FROM operators WHERE name = 'renewed'"
    old = asyncio.run(Passwords(n=4, p=3).hashed(made.password, bytes(16)))
    console.tables.change(f"UPDATE operators SET password = '{old}' WHERE name = 'renewed'")
    assert console.refused(lambda: console.sign_in(made, password="wrong")) == "sign_in_refused"
    assert console.refused(lambda: console.sign_in(made, code="000000")) == "sign_in_refused"
    assert console.tables.one(kept) == old
    token = console.sign_in(made)
    fresh = console.tables.one(kept)
    assert fresh.startswith("scrypt$2$8$1$")
    assert console.whose(token) == "renewed"
    console.at += 30
    assert console.sign_in(made)
    assert console.tables.one(kept) == fresh


def test_passwords_take_turns_and_only_so_many_wait() -> None:
    """One thread, so that a process never holds the memory of two."""
    before, passwords = set(threading.enumerate()), Passwords(n=2**10)

    async def crowd() -> list[Any]:
        many = (passwords.fits("wrong", passwords.nobodys) for _ in range(MOST_WAITING + 3))
        return await asyncio.gather(*many, return_exceptions=True)

    answers = asyncio.run(crowd())
    assert answers[:MOST_WAITING] == [False] * MOST_WAITING
    assert [refusal.code for refusal in answers[MOST_WAITING:]] == ["busy"] * 3
    assert [each.name for each in set(threading.enumerate()) - before] == ["password_0"]
