"""The operators' log: a line before and after each act, a chain that shows what a hand did to it."""

from __future__ import annotations

import asyncio

import pytest

from services.console.audit import Act, By
from services.console.chain import FIELDS, Chain
from services.errors import Conflicting
from tests.console.inside import Console


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
