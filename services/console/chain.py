"""The audit log's chain: a line holds the SHA-256 of the line before's hash and its own fields, so that one edited,
deleted or put in by hand shows. Whoever adds a line locks the head, which says where the chain ends.

There is no key in it: who writes to the tables and knows this file can forge the whole chain. Only its newest hash,
noted elsewhere, tells that.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass

from peewee import fn

from models import AuditHead, AuditLine
from models.database import Database, locked
from services.ports import Clock

FIELDS = ("at", "operator", "address", "request_id", "action", "subject", "words", "outcome")
START = ""  # stands for the hash before the first line
EVERY = 60  # seconds
SHARE = 20  # a walk that takes long is taken rarely: at most this fraction of the time goes into walking


@dataclass(frozen=True, slots=True)
class Link:
    line_id: int
    hash: str


@dataclass(frozen=True, slots=True)
class Walk:
    """``good``: the last line up to which the chain holds, and its hash. ``broken``: the line that does not fit."""

    at: int
    good: Link
    broken: int | None


class Chain:
    def __init__(self, database: Database, now: Clock, size: int = 1000) -> None:
        """``size``: lines read at a time."""
        self._database = database
        self._now = now
        self._size = size
        self._next = 0.0
        self._last = Walk(0, Link(0, START), None)
        self._walking = asyncio.Lock()

    async def look(self) -> Walk:
        """The newest walk along the whole chain, a new one if it is a minute old. Raises DatabaseUnavailable."""
        async with self._walking:
            if (began := self._now()) >= self._next:
                self._last = await self._walk(int(began))
                self._next = began + max(EVERY, SHARE * (self._now() - began))
        return self._last

    async def _walk(self, at: int) -> Walk:
        good, end = await self._database.read(_ends)
        while good != end:
            good, broken = await self._database.read(_part, good, end, self._size)
            if broken:
                return Walk(at, good, broken)
        return Walk(at, good, await self._database.read(_beyond))


def add(**fields: object) -> None:
    """One line more, inside the caller's transaction: it waits for whoever is adding another."""
    head = locked(AuditHead.select().where(AuditHead.id == 1)).first()
    head = head or AuditHead.create(id=1, begins=0, line_id=0, hash=START)
    hash_ = _hash(head.hash, fields)
    line_id = AuditLine.insert(**fields, hash=hash_).execute()
    AuditHead.update(line_id=line_id, hash=hash_).where(AuditHead.id == 1).execute()


def _hash(before: str, fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps([before, *(fields[name] for name in FIELDS)]).encode()).hexdigest()


def _ends() -> tuple[Link, Link]:
    """What is before the first line, and the last line."""
    head = AuditHead.get_or_none(AuditHead.id == 1)
    return (Link(head.begins, START), Link(head.line_id, head.hash)) if head else (Link(0, START), Link(0, START))


def _part(good: Link, end: Link, size: int) -> tuple[Link, int | None]:
    """The next lines: the last of them that fits, and the one that does not, be it the end that is missing."""
    lines = AuditLine.select().where(AuditLine.id > good.line_id, AuditLine.id <= end.line_id)
    found = list(lines.order_by(AuditLine.id).limit(size))
    for line in found:
        hash_ = _hash(good.hash, {name: getattr(line, name) for name in FIELDS})
        if line.hash != hash_:
            return good, line.id
        good = Link(line.id, hash_)
    return good, None if found else end.line_id


def _beyond() -> int | None:
    """A line behind the end, in one look: lines and end move together."""
    end = fn.COALESCE(AuditHead.select(AuditHead.line_id).where(AuditHead.id == 1), 0)
    line = AuditLine.select().where(AuditLine.id > end).order_by(AuditLine.id).first()
    return line.id if line else None
