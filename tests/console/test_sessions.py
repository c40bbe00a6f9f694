"""Signing in, staying signed in and being locked out, hours of it by a clock of the test's own, on each database."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from services.console import tries
from services.console.audit import By
from services.console.operators import Credentials
from services.console.signin import ABSOLUTE_SECONDS, IDLE_SECONDS
from services.errors import Refused
from tests.console.inside import HERE, MINUTE, Console


def test_a_session_ends_after_a_quarter_of_an_hour_of_silence(console: Console) -> None:
    made = console.add("idle")
    token = console.sign_in(made)
    for _ in range(3):
        console.at += IDLE_SECONDS - MINUTE
        assert console.whose(token) == "idle"
    console.at += IDLE_SECONDS + 1
    assert console.whose(token) == "signed_out"


def test_a_session_ends_after_a_days_work_however_busy(console: Console) -> None:
    token, began = console.sign_in(console.add("busy")), console.at
    for later in [*range(0, ABSOLUTE_SECONDS, IDLE_SECONDS), ABSOLUTE_SECONDS]:
        console.at = began + later
        assert console.whose(token) == "busy"
    console.at += 1
    assert console.whose(token) == "signed_out"


def test_a_code_is_good_once_and_one_step_to_either_side(console: Console) -> None:
    made = console.add("codes")
    for off in (-2, 2):
        assert console.refused(lambda off=off: console.sign_in(made, code=console.code(made, off))) == "sign_in_refused"
    assert console.refused(lambda: console.sign_in(made, password="wrong")) == "sign_in_refused"
    for off in (-1, 0, 1):
        assert console.sign_in(made, code=console.code(made, off))
        replayed = console.code(made, off)
        assert console.refused(lambda code=replayed: console.sign_in(made, code=code)) == "sign_in_refused"
    console.at += 30
    assert console.refused(lambda: console.sign_in(made)) == "sign_in_refused"  # used half a minute ago, ahead of time
    console.at += 30
    assert console.sign_in(made)


def test_an_act_takes_a_code_that_was_not_used_to_sign_in_or_for_another(console: Console) -> None:
    made = console.add("acting")
    console.sign_in(made)

    def confirm(code: str) -> str:
        try:
            return str(asyncio.run(console.signin.confirm("acting", code, HERE)))
        except Refused as error:
            return error.code

    for _ in range(2):
        assert confirm(console.code(made)) == "phone_code_refused"
        console.at += 30
        assert confirm(console.code(made)) == "None"
    console.at += 30
    assert [confirm("") for _ in range(6)] == ["phone_code_refused"] * 5 + ["sign_in_locked"]
    assert confirm(console.code(made)) == "sign_in_locked"
    console.at += 2 * MINUTE
    asyncio.run(console.operators.disable("acting", "an-admin"))
    assert confirm(console.code(made)) == "phone_code_refused"


def test_signing_out_here_and_everywhere(console: Console) -> None:
    made = console.add("leaver")
    tokens = []
    for _ in range(3):
        tokens.append(console.sign_in(made))
        console.at += 30
    asyncio.run(console.signin.sign_out(tokens[0], HERE))
    assert [console.whose(token) for token in tokens] == ["signed_out", "leaver", "leaver"]
    asyncio.run(console.signin.sign_out(tokens[1], HERE, everywhere=True))
    assert {console.whose(token) for token in tokens} == {"signed_out"}


@pytest.mark.parametrize("what", ["disable", "reset", "promote"])
def test_a_change_by_an_admin_ends_every_session(console: Console, what: str) -> None:
    made = console.add(what)
    token = console.sign_in(made)
    calls = {
        "disable": lambda: console.operators.disable(what, "an-admin"),
        "reset": lambda: console.operators.reset(what),
        "promote": lambda: console.operators.promote(what, "admin", "an-admin"),
    }
    asyncio.run(calls[what]())
    assert console.whose(token) == "signed_out"
    console.at += 30
    if what == "promote":
        assert console.sign_in(made)
    else:
        assert console.refused(lambda: console.sign_in(made)) == "sign_in_refused"


def test_nobody_disables_or_promotes_themselves(console: Console) -> None:
    console.add("myself", "admin")
    assert console.refused(console.operators.disable("myself", "myself")) == "operator_yourself"
    assert console.refused(console.operators.promote("myself", "viewer", "myself")) == "operator_yourself"


def test_a_name_is_locked_longer_each_time_whether_or_not_it_exists(console: Console) -> None:
    """The sixth try must wait, in the same words for both; the right password does not help until then."""
    console.at += tries.FORGOTTEN_AFTER + 1
    known = console.add("locked")
    stranger = Credentials("a-stranger", known.password, known.secret)
    for made in (known, stranger):
        waits = [_wait(console, made) for _ in range(8)]
        assert waits[:5] == [0, 0, 0, 0, 0]
        assert waits[5:] == [60, 60, 60]  # refused without a look, and not counted
        console.at += 61
        assert [_wait(console, made), _wait(console, made)] == [0, 120]
    console.at += 121
    assert console.sign_in(known)
    console.at += 30
    assert [_wait(console, known) for _ in range(6)][4:] == [0, 60]  # it began anew
    asyncio.run(console.operators.reset("locked"))
    assert _wait(console, known) == 0


def _wait(console: Console, made: Credentials) -> int:
    """Seconds to wait after a wrong try; 0 if it was only refused. Another address each time."""
    console.at += 0.001
    by = By("", f"10.3.0.{console.at}", "r")
    with pytest.raises(Refused) as refusal:
        asyncio.run(console.signin.sign_in(made.name, "wrong", "000000", by))
    return int(refusal.value.details.get("seconds", 0))


def test_an_address_is_locked_after_twenty_names(console: Console) -> None:
    waits = [console.database.run_here(tries.take, f"n{number}", "10.4.4.4", int(console.at)) for number in range(22)]
    assert waits == [0] * 20 + [60, 60]
    longest = [console.database.run_here(tries.take, "n", "10.4.4.4", int(console.at) + 3600 * n) for n in range(1, 9)]
    assert longest == [0] * 8
    locked = "SELECT locked_until - tried_at FROM sign_in_tries WHERE subject = 'address 10.4.4.4'"
    assert console.tables.one(locked) == tries.LONGEST


def test_after_appsecret_was_changed_nobody_signs_in_until_reset(console: Console, caplog: Any) -> None:
    made = console.add("sealed")
    other = Console(console.database, console.tables, "another AppSecret", console.at)
    nothing = base64.b32encode(bytes(20)).decode()
    for code in (console.code(made), console.code(Credentials("", "", nothing))):
        assert other.refused(lambda code=code: other.sign_in(made, code=code)) == "sign_in_refused"
    assert "run python cli.py operator reset sealed" in caplog.text
    assert not asyncio.run(other.operators.one("sealed")).readable
    assert other.sign_in(asyncio.run(other.operators.reset("sealed")))


def test_neither_password_nor_secret_nor_token_is_in_the_tables(console: Console) -> None:
    made = console.add("canary")
    token = console.sign_in(made)
    rows = str(console.tables.snapshot())
    assert "canary" in rows
    for secret in (made.password, made.secret, token, token.removeprefix("ops1_")):
        assert secret not in rows
    assert made.password not in repr(made)


def test_a_failure_to_sign_in_is_in_the_log_without_what_was_typed(console: Console) -> None:
    made = Credentials("hunter2-typed-here", "wrong", "A" * 32)
    console.refused(lambda: console.sign_in(made))
    line = asyncio.run(console.audit.page())[0]
    assert (line.operator, line.action, line.outcome, line.address) == ("", "sign-in", "sign_in_refused", HERE.address)
    assert "hunter2" not in str(console.tables.snapshot())
