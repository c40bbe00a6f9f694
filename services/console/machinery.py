"""What runs by itself, and what it runs on: the jobs with their last pass and their backlog, the keys and their expiry.

Only looks; nothing of a key but its name and its end is ever told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peewee import fn

from adapters.base import Adapters
from models import AccessToken, JobRun, Notification, Order, Refund, Shipment, Transaction
from services.notifications import HINT

PATIENCE = 60  # seconds that a job may be late and nothing is said: a pass takes its time, and so does a beat


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    every: int  # seconds between two passes
    ran_at: int
    well_at: int | None  # the last pass that went well
    waiting: int | None  # seconds that the oldest piece of work has been due; None: nothing is, or it has no queue
    late: bool

    @property
    def well(self) -> bool:
        return self.well_at == self.ran_at


@dataclass(frozen=True, slots=True)
class Key:
    owner: str  # the adapter's name, or "miniprogram"
    kind: str  # as adapters.base.HeldKey, or "access_token"
    serial: str
    expires_at: int | None


def jobs(now: int) -> list[Job]:
    """Every job that ever ran."""
    return [_job(row, now) for row in JobRun.select().order_by(JobRun.name)]


def _job(row: JobRun, now: int) -> Job:
    due = BACKLOG[row.name](now) if row.name in BACKLOG else None
    late = now - row.ran_at > 2 * row.every + PATIENCE
    return Job(row.name, row.every, row.ran_at, row.well_at, None if due is None else max(0, now - int(due)), late)


def _oldest(moment: Any, *where: Any) -> Any:
    """When the oldest row of these was due, if there is one."""
    return moment.model.select(fn.MIN(moment)).where(*where).scalar()


STORED = Notification.processed_at.is_null()
BACKLOG: dict[str, Callable[[int], Any]] = {  # when the oldest work of a job was due
    "ask": lambda now: _oldest(Transaction.ask_at, Transaction.ask_at <= now, Transaction.state != "CLOSING"),
    "close": lambda now: _oldest(Order.expires_at, Order.state.in_(("CREATED", "PAYING")), Order.expires_at <= now),
    "refund": lambda now: _oldest(Refund.ask_at, Refund.ask_at <= now),
    "ship": lambda now: _oldest(Shipment.ask_at, Shipment.ask_at <= now),
    "inbox": lambda _: _oldest(Notification.received_at, STORED, Notification.kind != HINT),
    "hint": lambda _: _oldest(Notification.received_at, STORED, Notification.kind == HINT),
}


def keys(adapters: Adapters) -> list[Key]:
    """Those that this process holds, and the access token that all share."""
    held = [
        Key(name, key.kind, key.serial, key.expires_at)
        for name, adapter in sorted(adapters.items())
        for key in adapter.held_keys()
    ]
    tokens = AccessToken.select(AccessToken.expires_at).where(AccessToken.sealed != "")
    return held + [Key("miniprogram", "access_token", "", row.expires_at) for row in tokens]
