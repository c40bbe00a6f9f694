"""Discrepancies as the console shows them: what waits for a person, and what a person made of it. Reads alone."""

from __future__ import annotations

from dataclasses import dataclass

from models import Discrepancy, StateLog
from models.database import Database
from services.errors import NotFound
from services.orders import rfc3339

PAGE = 50


@dataclass(frozen=True, slots=True)
class Flag:
    """``note`` and ``resolved_by`` are empty while it is open."""

    id: int
    kind: str
    ref: str
    order_no: str
    detail: str
    state: str
    created_at: str
    resolved_by: str = ""
    note: str = ""
    resolved_at: str = ""


class Flags:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, state: str, before: int | None = None) -> list[Flag]:
        """OPEN or RESOLVED ones, the newest first, older than ``before``. A full page may have another behind it."""
        return await self._database.read(_page, state, before)

    async def one(self, discrepancy_id: int) -> Flag:
        """Raises NotFound("discrepancy_not_found")."""
        return await self._database.read(_one, discrepancy_id)


def _page(state: str, before: int | None) -> list[Flag]:
    rows = Discrepancy.select().where(Discrepancy.state == state).order_by(Discrepancy.id.desc()).limit(PAGE)
    return [flag_of(row) for row in (rows.where(Discrepancy.id < before) if before is not None else rows)]


def _one(discrepancy_id: int) -> Flag:
    row = Discrepancy.get_or_none(Discrepancy.id == discrepancy_id)
    if row is None:
        raise NotFound("discrepancy_not_found")
    end = StateLog.get_or_none(entity="discrepancy", entity_id=str(row.id), to_state="RESOLVED")
    return flag_of(row, *((end.actor, end.note, rfc3339(end.at)) if end else ()))


def flag_of(row: Discrepancy, *resolution: str) -> Flag:
    what = (row.id, row.kind, row.ref, row.order_no or "", row.detail, row.state)
    return Flag(*what, rfc3339(row.created_at), *resolution)
