"""Refunds by operators: one person gives back up to the limit, more needs a second person's word.

What counts is the sum of what operators gave back of the payment, so that a large refund in small parts needs one as
well. A request holds no money; it becomes a refund in the commit that approves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import fn

from models import Payment, Refund, RefundRequest
from models.database import Database, locked
from services.errors import Conflicting, Forbidden, NotFound, Refused
from services.orders import paid_order, rfc3339
from services.ports import Clock
from services.refunds import Refunds, Wanted

NEWEST = 100  # requests shown
BY = "operator "  # begins the requester of a refund that an operator asked for


@dataclass(frozen=True, slots=True)
class Request:
    """A refund above the limit, as a page shows it."""

    id: int
    order_no: str
    amount_fen: int
    reason: str
    requester: str
    state: str
    decided_by: str
    note: str
    created_at: str
    decided_at: str

    @classmethod
    def of(cls, row: RefundRequest) -> Request:
        decided_at = rfc3339(row.decided_at) if row.decided_at else ""
        what = (row.order_no, row.amount_fen, row.reason, row.requester, row.state)
        return cls(row.id, *what, row.decided_by or "", row.note, rfc3339(row.created_at), decided_at)


@dataclass(frozen=True, slots=True)
class Refundable:
    """What an order paid, and how much of it may still go back."""

    order_no: str
    paid_fen: int
    left_fen: int


class Approvals:
    def __init__(self, database: Database, refunds: Refunds, limit_fen: int, now: Clock) -> None:
        self.limit_fen = limit_fen
        self._database = database
        self._refunds = refunds
        self._now = now

    async def refundable(self, order_no: str) -> Refundable:
        """Raises NotFound("order_not_found"), Conflicting("order_not_paid")."""
        return await self._database.read(_refundable, order_no)

    async def refund(self, name: str, order_no: str, amount_fen: int, reason: str, refund_no: str) -> str:
        """ "refunded", or "requested" if it needs a second person. The same ``refund_no`` again is the same refund.

        Raises what ``Refunds.request`` raises.
        """
        wanted = Wanted(order_no, amount_fen, reason, refund_no, BY + name)
        try:
            await self._refunds.request(wanted, partial(_within, self.limit_fen, refund_no))
        except _AboveLimit:
            await self._database.settle(_file, wanted, name, int(self._now()))
            return "requested"
        return "refunded"

    async def approve(self, name: str, request_id: int, note: str) -> dict[str, Any]:
        """The refund. Raises NotFound, Conflicting, Forbidden("approval_own"), and what ``Refunds.request`` raises:
        then the request stays open."""
        row = await self._database.read(_open, request_id, name)
        wanted = Wanted(row.order_no, row.amount_fen, row.reason, row.refund_no, BY + row.requester)
        decide = partial(_decide, request_id, "APPROVED", name, note, int(self._now()))
        refund, new = await self._refunds.request(wanted, lambda _: decide())
        if not new and await self._database.read(_decider, request_id) != name:
            raise Conflicting("approval_decided")  # by somebody else, a moment ago
        return refund

    async def decline(self, name: str, request_id: int, note: str) -> None:
        """Raises NotFound, Conflicting("approval_decided"), Forbidden("approval_own")."""
        await self._database.run(_decide, request_id, "DECLINED", name, note, int(self._now()))

    async def list(self) -> list[Request]:
        """The open ones first, then the newest decided ones."""
        return await self._database.read(_newest)


class _AboveLimit(Refused):
    """Undoes the refund that was just made: it is filed for a second person instead."""


def _refundable(order_no: str) -> Refundable:
    _, paid = paid_order(order_no, lock=False)
    return Refundable(order_no, paid.amount_fen, paid.amount_fen - paid.held_fen - paid.external_fen)


def _within(limit_fen: int, refund_no: str, payment: Payment) -> None:
    given = Refund.select(fn.SUM(Refund.amount_fen)).where(
        Refund.payment == payment.id, Refund.requester.startswith(BY), Refund.state.not_in(("CLOSED", "REJECTED"))
    )
    if int(given.scalar()) > limit_fen:
        raise _AboveLimit("above_limit")
    if RefundRequest.get_or_none(RefundRequest.refund_no == refund_no):
        raise Conflicting("refund_no_reused")  # the form was filed with another amount, and was then made smaller


def _file(wanted: Wanted, name: str, now: int) -> None:
    before = RefundRequest.get_or_none(RefundRequest.refund_no == wanted.refund_no)
    if before is None:
        RefundRequest.create(
            refund_no=wanted.refund_no,
            order_no=wanted.order_no,
            amount_fen=wanted.amount_fen,
            reason=wanted.reason,
            requester=name,
            state="OPEN",
            note="",
            created_at=now,
        )
    elif (before.order_no, before.amount_fen, before.reason) != (wanted.order_no, wanted.amount_fen, wanted.reason):
        raise Conflicting("refund_no_reused")


def _open(request_id: int, name: str) -> RefundRequest:
    """One that ``name`` may decide."""
    row: RefundRequest | None = locked(RefundRequest.select().where(RefundRequest.id == request_id)).first()
    if row is None:
        raise NotFound("approval_not_found")
    if row.state != "OPEN":
        raise Conflicting("approval_decided")
    if row.requester == name:
        raise Forbidden("approval_own")
    return row


def _decide(request_id: int, state: str, name: str, note: str, now: int) -> None:
    row = _open(request_id, name)
    decided = RefundRequest.update(state=state, decided_by=name, note=note, decided_at=now)
    decided.where(RefundRequest.id == row.id).execute()


def _decider(request_id: int) -> str | None:
    name: str | None = RefundRequest.get_by_id(request_id).decided_by
    return name


def _newest() -> list[Request]:
    rows = RefundRequest.select().order_by((RefundRequest.state == "OPEN").desc(), RefundRequest.id.desc())
    return [Request.of(row) for row in rows.limit(NEWEST)]
