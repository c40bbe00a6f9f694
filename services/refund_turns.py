"""Whose turn it is to be sent or asked about, and what is noted when WeChat gave no report of a refund.

Runs inside the caller's transaction. Reports are booked by ``refund_reports`` alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from models import Refund
from models.database import locked
from services.errors import Conflicting
from services.moves import move
from services.ports import Token, spread
from services.refund_reports import release
from services.refund_views import find

logger = logging.getLogger("pay.refunds")

# Seconds between questions about one refund (money.md part 1), then hourly.
BACK_OFF = (60, 60, 60, 60, 60, 300, 600, 1200, 1800)
HOURLY = 3600


@dataclass(frozen=True, slots=True)
class Task:
    """One refund to be carried on, detached from the tables."""

    out_refund_no: str
    adapter: str
    parameters: str
    state: str
    provider_refund_id: str  # empty until WeChat has named it
    turn: int  # of this claim, the how-manyeth

    @classmethod
    def of(cls, row: Refund, turn: int) -> Task:
        return cls(row.out_refund_no, row.adapter, row.request, row.state, row.provider_refund_id or "", turn)


def claim_due(now: int, limit: int, token: Token) -> list[Task]:
    due = Refund.select().where(Refund.ask_at <= now).order_by(Refund.ask_at).limit(limit)
    return [task for row in due if (task := _claim(row, now, token))]


def claim_one(out_refund_no: str, now: int, token: Token) -> list[Task]:
    due = Refund.select().where(Refund.out_refund_no == out_refund_no, Refund.ask_at <= now)
    return [task for row in due if (task := _claim(row, now, token))]


def claim_abnormal(order_no: str, refund_no: str, now: int) -> Task:
    """One that a person resolves. Whatever comes of that, it is asked about from now on as if it were new.

    Raises NotFound("refund_not_found"), Conflicting("refund_not_abnormal").
    """
    row = find(order_no, refund_no)
    if row.state != "ABNORMAL":
        raise Conflicting("refund_not_abnormal")
    Refund.update(asked=0, ask_at=now + BACK_OFF[0]).where(Refund.id == row.id, Refund.state == "ABNORMAL").execute()
    return Task.of(row, 0)


def _claim(row: Refund, now: int, token: Token) -> Task | None:
    """Take it by setting its next turn: two processes never carry on the same refund at once."""
    later = now + spread(BACK_OFF[row.asked] if row.asked < len(BACK_OFF) else HOURLY, token)
    mine = Refund.update(ask_at=later, asked=row.asked + 1).where(Refund.id == row.id, Refund.ask_at == row.ask_at)
    if not mine.execute():
        return None
    task = Task.of(row, row.asked + 1)
    if row.state == "REQUESTED":
        move(row, "SUBMITTING", "refund", now)  # committed before it is sent: from now on it may exist over there
    return task


def record_unknown(task: Task, now: int) -> None:
    row = _still_ours(task)
    if row and row.state == "SUBMITTING":
        move(row, "UNKNOWN", "refund", now)


def record_refusal(task: Task, words: str, now: int) -> None:
    """WeChat said no before anything was created: the money may be refunded in another way."""
    row = _still_ours(task)
    if row and row.state in ("SUBMITTING", "UNKNOWN"):
        move(row, "REJECTED", "refund", now, words, refusal=words[:200], ask_at=None)
        release(row)


def _still_ours(task: Task) -> Refund | None:
    """The refund, unless its next turn was taken meanwhile: what WeChat said no to before, it may have accepted since.

    What it reports is evidence and is booked however late; that it reported nothing holds until the next question.
    """
    row = locked(Refund.select().where(Refund.out_refund_no == task.out_refund_no)).get()
    if row.asked == task.turn:
        return row
    logger.warning("too late out_refund_no=%s turn=%d, now %d", task.out_refund_no, task.turn, row.asked)
    return None
