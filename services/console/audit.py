"""The audit log: who did what, from where, with which words, and what came of it. Rows are added, each
chained to the one before, and never changed.

What an operator asks for is written down before it is done, and what came of it afterwards: a crash in between leaves
"begun". Nobody's password, code or token is ever among the words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from models import AuditLine
from models.database import Database
from services.console import chain
from services.errors import DatabaseUnavailable, Refused
from services.orders import rfc3339
from services.ports import Clock

T = TypeVar("T")
PAGE = 50


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, from where, in which request."""

    operator: str  # a name; "" before somebody is signed in
    address: str
    request_id: str


TERMINAL = By("terminal", "", "")


@dataclass(frozen=True, slots=True)
class Act:
    by: By
    action: str
    subject: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row, as a page shows it."""

    id: int
    at: str
    operator: str
    address: str
    request_id: str
    action: str
    subject: str
    words: str
    outcome: str


class Audit:
    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def witnessed(self, act: Act, call: Callable[[], Awaitable[T]]) -> T:
        """What ``call`` returns, between two lines of the log. If the first cannot be written, nothing is done."""
        await self._note(act, "begun")
        try:
            result = await call()
        except Refused as error:
            await self._note(act, error.code)
            raise
        except Exception:
            with contextlib.suppress(DatabaseUnavailable):
                await self._note(act, "internal_error")
            raise
        await self._note(act, "done")
        return result

    async def refused(self, act: Act, code: str) -> None:
        """Nothing was begun: whoever asked may not."""
        await self._note(act, code)

    async def page(self, before: int | None = None) -> list[Line]:
        """The newest first; those older than the line ``before``. A full page may have another behind it."""
        return await self._database.read(_page, before)

    async def _note(self, act: Act, outcome: str) -> None:
        await self._database.run(note, act, outcome, int(self._now()))


def note(act: Act, outcome: str, now: int) -> None:
    """Runs inside the caller's transaction."""
    chain.add(
        at=now,
        operator=act.by.operator,
        address=act.by.address[:64],
        request_id=act.by.request_id,
        action=act.action,
        subject=act.subject[:64],
        words=act.words[:200],
        outcome=outcome,
    )


def _page(before: int | None) -> list[Line]:
    rows = AuditLine.select().order_by(AuditLine.id.desc()).limit(PAGE)
    if before is not None:
        rows = rows.where(AuditLine.id < before)
    return [
        Line(r.id, rfc3339(r.at), r.operator, r.address, r.request_id, r.action, r.subject, r.words, r.outcome)
        for r in rows
    ]
