"""Signing in, staying signed in and being locked out, hours of it by a clock of the test's own, on each database."""

from __future__ import annotations

import asyncio
import base64
import resource
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from adapters.vault import PHONE, Vault
from models.database import Database
from services.console import totp, tries
from services.console.audit import Act, Audit, By
from services.console.chain import FIELDS, Chain
from services.console.operators import Credentials, Operators
from services.console.passwords import MOST_WAITING, Passwords
from services.console.signin import ABSOLUTE_SECONDS, IDLE_SECONDS, SignIn
from services.errors import Conflicting, Refused
from services.ports import system_token
from tests.databases import MariaDb, Tables

START = 1_800_000_000
MINUTE = 60
CHEAP = Passwords(n=2)
HERE = By("", "10.2.2.2", "r")


@dataclass
class Console:
    database: Database
    tables: Tables
    secret: str = "an AppSecret"
    at: float = START
    operators: Operators = field(init=False)
    signin: SignIn = field(init=False)
    audit: Audit = field(init=False)

    def __post_init__(self) -> None:
        vault = Vault(self.secret, PHONE)
        self.operators = Operators(self.database, vault, CHEAP, self.now, system_token)
        self.signin = SignIn(self.database, vault, CHEAP, self.now, system_token)
        self.audit = Audit(self.database, self.now)

    def now(self) -> float:
        return self.at

    def add(self, name: str, role: str = "viewer") -> Credentials:
        return asyncio.run(self.operators.add(name, role))

    def code(self, made: Credentials, off: int = 0) -> str:
        return TOTP(base64.b32decode(made.secret), 6, SHA1(), 30).generate(int(self.at) + 30 * off).decode()

    def sign_in(self, made: Credentials, *, code: str | None = None, password: str | None = None) -> str:
        given = (password or made.password, self.code(made) if code is None else code)
        return asyncio.run(self.signin.sign_in(made.name, *given, HERE))

    def refused(self, call: Any) -> str:
        with pytest.raises(Refused) as refusal:
            asyncio.run(call) if asyncio.iscoroutine(call) else call()
        return refusal.value.code

    def whose(self, token: str) -> str:
        try:
            return asyncio.run(self.signin.signed(token)).name
        except Refused as error:
            return error.code


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def console(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    url = f"sqlite:///{tmp_path_factory.mktemp('sessions') / 'pay.db'}"
    if request.param == "mariadb":
        mariadb: MariaDb = request.getfixturevalue("mariadb")
        url = mariadb.create()
    database = Database(url, threads=2)
    database.migrate()
    yield Console(database, Tables(url))
    database.close()


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


def test_an_act_is_written_down_before_and_after(console: Console) -> None:
    async def refuse() -> None:
        raise Conflicting("order_paid")

    async def fail() -> None:
        raise ZeroDivisionError

    for number, call, problem in ((1, refuse, Conflicting), (2, fail, ZeroDivisionError)):
        with pytest.raises(problem):
            asyncio.run(console.audit.witnessed(Act(By("me", "", ""), "test", f"T{number}", "words"), call))
    lines = [(line.subject, line.outcome) for line in asyncio.run(console.audit.page())[:4]]
    assert lines == [("T2", "internal_error"), ("T2", "begun"), ("T1", "order_paid"), ("T1", "begun")]


def test_the_log_is_paged_by_key(console: Console) -> None:
    for number in range(60):
        asyncio.run(console.audit.refused(Act(By("me", "", ""), "test", str(number)), "x"))
    first = asyncio.run(console.audit.page())
    rest = asyncio.run(console.audit.page(first[-1].id))
    assert [line.subject for line in [*first, *rest][:60]] == [str(number) for number in reversed(range(60))]


COPIED = ", ".join(FIELDS)
DAMAGE = {
    "edited": ("UPDATE audit_log SET words = 'other words' WHERE id = {0}", 0),
    "edited, with its hash": ("UPDATE audit_log SET words = '', hash = 'ab' WHERE id = {0}", 0),
    "another's hash": ("UPDATE audit_log SET hash = NULL WHERE id = {2}", 2),
    "deleted": ("DELETE FROM audit_log WHERE id = {0}", 1),
    "the last deleted": ("DELETE FROM audit_log WHERE id = {2}", 2),
    "all deleted": ("DELETE FROM audit_log", 2),
    "put in at the end": (f"INSERT INTO audit_log (id, {COPIED}) SELECT {{3}}, {COPIED} FROM audit_log LIMIT 1", 3),
    "moved": ("UPDATE audit_log SET id = {3} WHERE id = {0}", 1),
    "another end": ("UPDATE audit_head SET line_id = {1}", 1),
    "another beginning": ("UPDATE audit_head SET begins = line_id", 2),
    "no end": ("DELETE FROM audit_head", None),
}


def test_what_a_hand_did_to_the_log_shows(console: Console) -> None:
    for number in range(3):
        asyncio.run(console.audit.refused(Act(By("我", "", ""), "test", str(number), "有话"), "x"))
    ids = [line.id for line in asyncio.run(console.audit.page())[2::-1]]
    ids.append(ids[-1] + 1)
    first = console.tables.one("SELECT MIN(id) FROM audit_log")
    assert _walked(console) == (ids[2], None)
    for table in ("audit_log", "audit_head"):
        console.tables.change(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    for how, (sql, broken) in DAMAGE.items():
        console.tables.change(sql.format(*ids))
        assert _walked(console)[1] == (first if broken is None else ids[broken]), how
        for table in ("audit_log", "audit_head"):
            console.tables.change(f"DELETE FROM {table}")
            console.tables.change(f"INSERT INTO {table} SELECT * FROM kept_{table}")
        assert _walked(console) == (ids[2], None), how
    for table in ("audit_log", "audit_head"):
        console.tables.change(f"DROP TABLE kept_{table}")


def test_lines_that_many_write_at_once_are_one_chain(console: Console) -> None:
    """Also the first ones; what was in the log before the chain stays outside of it."""
    console.tables.change("DELETE FROM audit_head")
    console.tables.change("DELETE FROM audit_log")

    async def all_at_once() -> None:
        acts = [Act(By("me", "", ""), "test", str(number)) for number in range(20)]
        await asyncio.gather(*(console.audit.refused(act, "x") for act in acts))

    asyncio.run(all_at_once())
    last = console.tables.one("SELECT MAX(id) FROM audit_log")
    assert _walked(console) == (last, None)
    console.tables.change("UPDATE audit_log SET hash = NULL")
    console.tables.change("DELETE FROM audit_head")
    assert _walked(console)[1] is not None
    console.tables.change("DELETE FROM schema_migration WHERE name = '0008_audit_chain'")
    assert console.database.migrate() == ["0008_audit_chain"]
    assert _walked(console) == (last, None)
    asyncio.run(all_at_once())
    assert _walked(console) == (console.tables.one("SELECT MAX(id) FROM audit_log"), None)


def _walked(console: Console) -> tuple[int, int | None]:
    """A new walk, in parts of two lines."""
    walk = asyncio.run(Chain(console.database, console.now, size=2).look())
    return walk.good.line_id, walk.broken


def test_the_tables_refuse_what_must_not_be(console: Console) -> None:
    """Whoever asked for a refund does not decide on it, whatever the code does."""
    row = "INSERT INTO refund_requests (refund_no, order_no, amount_fen, reason, requester, state, note, created_at"
    with pytest.raises(Exception, match=r"(?i)constraint"):
        console.tables.rows(f"{row}, decided_by) VALUES ('r', 'o', 1, '', 'bob', 'APPROVED', '', 1, 'bob')")
    with pytest.raises(Exception, match=r"(?i)constraint"):
        console.tables.rows(f"{row}) VALUES ('r', 'o', 0, '', 'bob', 'OPEN', '', 1)")


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
