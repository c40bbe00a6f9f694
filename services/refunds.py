"""Refunds: the money is held first, in one conditional UPDATE, then WeChat is asked, with one number and one set of
parameters for ever. What WeChat says goes into ``refund_reports``; what it does not say is asked again."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from adapters import base
from adapters.base import Adapters, PaymentAdapter
from adapters.errors import NotFound as UnknownThere
from adapters.errors import PaymentError, Rejected
from models import Order, Payment, Refund, Transaction
from models.database import Database, locked
from services.asking import adapter_of
from services.errors import Conflicting, NotFound, ProviderRefused, Refused
from services.gateway import refusal
from services.moves import begin, move
from services.notifications import mark_processed, waiting_hints
from services.orders import rfc3339
from services.ports import Clock, Token, number
from services.refund_reports import apply_refund_reports, release

logger = logging.getLogger("pay.refunds")

# WeChat's rules (v2.md 8, v3.md 13)
WITHIN = 365 * 86_400  # seconds after the payment
MOST = 50  # refunds of one payment
APART = 60  # seconds between refunds of one payment
# Seconds between questions about one refund (money.md part 1), then hourly.
BACK_OFF = (60, 60, 60, 60, 60, 300, 600, 1200, 1800)
HOURLY = 3600

STATUS = {
    "REQUESTED": "pending",
    "SUBMITTING": "pending",
    "UNKNOWN": "pending",
    "PROCESSING": "processing",
    "ABNORMAL": "abnormal",
    "SUCCESS": "success",
    "CLOSED": "closed",
    "REJECTED": "rejected",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a merchant asks for. ``refund_no``: the merchant's own number; the same again is the same refund."""

    order_no: str
    amount_fen: int
    reason: str
    refund_no: str | None
    requester: str  # merchant, operator


@dataclass(frozen=True, slots=True)
class Task:
    """One refund to be carried on, detached from the tables."""

    out_refund_no: str
    adapter: str
    parameters: str
    state: str


class Refunds:
    def __init__(self, database: Database, adapters: Adapters, notify_base: str, late: str, now: Clock, token: Token):
        """``late``: "refund" gives back by itself what was paid for a closed order; "keep" leaves it to a person."""
        self._database = database
        self._adapters = adapters
        self._notify_base = notify_base
        self._late = late
        self._now = now
        self._token = token

    async def request(self, wanted: Wanted) -> tuple[dict[str, Any], bool]:
        """The refund, and whether it is new. Raises NotFound, Conflicting, ProviderRefused.

        The answer is what is known when WeChat was asked once: "pending" or "processing" is not a failure.
        """
        out_refund_no, new = await self._database.run(self._request, wanted)
        if new:
            await self._carry_on_due(out_refund_no)
        return await self._database.read(_read, wanted.order_no, out_refund_no), new

    async def list(self, order_no: str) -> list[dict[str, Any]]:
        """Raises NotFound("order_not_found")."""
        return await self._database.read(_list, order_no)

    async def read(self, order_no: str, refund_no: str) -> dict[str, Any]:
        """By the merchant's number or ours. Raises NotFound("refund_not_found")."""
        return await self._database.read(_read, order_no, refund_no)

    async def run_due(self, limit: int = 50) -> int:
        """One pass of the refund job: money that must go back by itself, then every refund whose turn has come."""
        for payment_id in await self._database.read(_to_give_back, self._late, limit):
            await self._database.run(self._give_back, payment_id)
        tasks = await self._database.run(_claim_due, int(self._now()), limit)
        for task in tasks:
            await self._carry_on(task)
        return len(tasks)

    async def follow_hints(self, limit: int = 20) -> int:
        """One pass of the hint job: ask WeChat about every refund that an unsigned notice named."""
        followed = 0
        for key, hint in await self._database.read(waiting_hints, limit):
            if await self._asked_about(hint):
                await self._database.run(mark_processed, [key], int(self._now()))
                followed += 1
        return followed

    async def _asked_about(self, hint: base.RefundReport) -> bool:
        """True when WeChat has answered, also when it knows no such refund, and the answer could be booked."""
        try:
            return await self.look_up(hint.adapter, hint.out_refund_no)
        except Refused as error:
            logger.info("hint followed later ref=%s reason=%s", hint.out_refund_no, error.code)
            return False

    async def look_up(self, adapter: str, out_refund_no: str) -> bool:
        """Ask about a refund that may not be ours, and record it. False if its payment is not known yet.

        Raises TryLater, ProviderRefused.
        """
        try:
            report = await adapter_of(self._adapters, adapter).query_refund(out_refund_no)
        except UnknownThere:
            return True
        except PaymentError as error:
            raise refusal("query_refund", out_refund_no, error) from error
        return not await self._database.run(apply_refund_reports, [report], "query", int(self._now()))

    # --- one refund, carried on ---

    async def _carry_on_due(self, out_refund_no: str) -> None:
        for task in await self._database.run(_claim_one, out_refund_no, int(self._now())):
            await self._carry_on(task)

    async def _carry_on(self, task: Task) -> None:
        """Send what was never sent; ask about everything else, and send again, unchanged, what never arrived."""
        try:
            adapter = adapter_of(self._adapters, task.adapter)
            report = await (adapter.refund(task.parameters) if task.state == "REQUESTED" else _ask(adapter, task))
        except Rejected as error:
            await self._database.run(_record_refusal, task.out_refund_no, str(error), int(self._now()))
        except (PaymentError, ProviderRefused) as error:
            logger.info("refund asked again later out_refund_no=%s reason=%s", task.out_refund_no, error)
            await self._database.run(_record_unknown, task.out_refund_no, int(self._now()))
        else:
            await self._database.run(apply_refund_reports, [report], "refund", int(self._now()))

    # --- in one transaction each ---

    def _request(self, wanted: Wanted) -> tuple[str, bool]:
        now = int(self._now())
        order = locked(Order.select().where(Order.order_no == wanted.order_no)).first()
        if order is None:
            raise NotFound("order_not_found")
        payment = Payment.get_or_none(Payment.order == order.id, Payment.applied_slot == 1)
        if payment is None:
            raise Conflicting("order_not_paid")
        if wanted.refund_no and (before := Refund.get_or_none(payment=payment.id, refund_no=wanted.refund_no)):
            if (before.amount_fen, before.reason) != (wanted.amount_fen, wanted.reason):
                raise Conflicting("refund_no_reused")
            return before.out_refund_no, False
        _check_rules(payment, now)
        out_refund_no = number("RF", now, self._token)
        self._insert(payment, out_refund_no, wanted.amount_fen, wanted.reason, wanted.refund_no, wanted.requester)
        return out_refund_no, True

    def _give_back(self, payment_id: int) -> None:
        """All of a payment that should not have been: its refund number follows from it, so there is one at most."""
        payment = locked(Payment.select().where(Payment.id == payment_id)).get()
        out_refund_no = f"D{payment.provider_transaction_id}"
        if Refund.get_or_none(Refund.out_refund_no == out_refund_no) is None:
            left = payment.amount_fen - payment.held_fen - payment.external_fen
            if left > 0:
                self._insert(payment, out_refund_no, left, "重复或超时支付，原路退回", None, "auto")

    def _insert(
        self, payment: Payment, out_refund_no: str, amount_fen: int, reason: str, refund_no: str | None, requester: str
    ) -> None:
        now = int(self._now())
        _hold(payment, amount_fen)
        attempt = Transaction.get_or_none(Transaction.out_trade_no == payment.out_trade_no)
        adapter = adapter_of(self._adapters, attempt.adapter if attempt else payment.adapter)
        parameters = adapter.compose_refund(self._composed(adapter, payment, out_refund_no, amount_fen, reason))
        refund = Refund.create(
            out_refund_no=out_refund_no,
            payment=payment.id,
            order=payment.order_id,
            refund_no=refund_no,
            adapter=adapter.name,
            source="LOCAL",
            requester=requester,
            amount_fen=amount_fen,
            reason=reason,
            request=parameters,
            fingerprint=hashlib.sha256(parameters.encode()).hexdigest(),
            state="REQUESTED",
            version=1,
            refusal="",
            created_at=now,
            asked=0,
            ask_at=_first_turn(payment, now),
        )
        begin(refund, requester, now)

    def _composed(
        self, adapter: PaymentAdapter, payment: Payment, out_refund_no: str, amount_fen: int, reason: str
    ) -> base.Refund:
        return base.Refund(
            out_refund_no=out_refund_no,
            out_trade_no=payment.out_trade_no,
            provider_transaction_id=payment.provider_transaction_id,
            amount_fen=amount_fen,
            total_fen=payment.amount_fen,
            currency=payment.currency,
            reason=reason,
            notify_url=f"{self._notify_base}/notify/{adapter.name}/refund",
        )


async def _ask(adapter: PaymentAdapter, task: Task) -> base.RefundReport:
    try:
        return await adapter.query_refund(task.out_refund_no)
    except UnknownThere:
        if not task.parameters:
            raise  # an external one: not ours to send
        return await adapter.refund(task.parameters)


def _check_rules(payment: Payment, now: int) -> None:
    if now - payment.paid_at > WITHIN:
        raise Conflicting("refund_too_late")
    if Refund.select().where(Refund.payment == payment.id).count() >= MOST:
        raise Conflicting("refunds_too_many")


def _hold(payment: Payment, amount_fen: int) -> None:
    """The whole protection against refunding more than was paid: one UPDATE that takes the money or does not."""
    left = Payment.amount_fen - Payment.held_fen - Payment.external_fen
    taken = (
        Payment.update(held_fen=Payment.held_fen + amount_fen)
        .where(Payment.id == payment.id, left >= amount_fen)
        .execute()
    )
    if not taken:
        raise Conflicting("refund_exceeds_payment")


def _first_turn(payment: Payment, now: int) -> int:
    """Now, or a minute after the turn of the last one: refunds that come faster wait in line."""
    others = Refund.select().where(Refund.payment == payment.id, Refund.source == "LOCAL")
    turns = [row.ask_at if row.state == "REQUESTED" and row.ask_at else row.created_at for row in others]
    return max([now, *(turn + APART for turn in turns)])


def _to_give_back(late: str, limit: int) -> list[int]:
    """Payments that must go back by themselves and have no refund yet."""
    wrong = Payment.disposition == "DUPLICATE"
    if late == "refund":
        wrong |= Order.state == "PAID_LATE"
    untouched = Payment.held_fen + Payment.external_fen == 0
    rows = Payment.select().join(Order).where(wrong, untouched).order_by(Payment.id).limit(limit)
    done = {row.payment_id for row in Refund.select(Refund.payment).where(Refund.payment.in_([r.id for r in rows]))}
    return [row.id for row in rows if row.id not in done]


def _claim_due(now: int, limit: int) -> list[Task]:
    due = Refund.select().where(Refund.ask_at <= now).order_by(Refund.ask_at).limit(limit)
    return [task for row in due if (task := _claim(row, now))]


def _claim_one(out_refund_no: str, now: int) -> list[Task]:
    due = Refund.select().where(Refund.out_refund_no == out_refund_no, Refund.ask_at <= now)
    return [task for row in due if (task := _claim(row, now))]


def _claim(row: Refund, now: int) -> Task | None:
    """Take it by setting its next turn: two processes never carry on the same refund at once."""
    later = now + (BACK_OFF[row.asked] if row.asked < len(BACK_OFF) else HOURLY)
    mine = Refund.update(ask_at=later, asked=row.asked + 1).where(Refund.id == row.id, Refund.ask_at == row.ask_at)
    if not mine.execute():
        return None
    task = Task(row.out_refund_no, row.adapter, row.request, row.state)
    if row.state == "REQUESTED":
        move(row, "SUBMITTING", "refund", now)  # committed before it is sent: from now on it may exist over there
    return task


def _record_unknown(out_refund_no: str, now: int) -> None:
    row = locked(Refund.select().where(Refund.out_refund_no == out_refund_no)).get()
    if row.state == "SUBMITTING":
        move(row, "UNKNOWN", "refund", now)


def _record_refusal(out_refund_no: str, words: str, now: int) -> None:
    """WeChat said no before anything was created: the money may be refunded in another way."""
    row = locked(Refund.select().where(Refund.out_refund_no == out_refund_no)).get()
    if row.state in ("SUBMITTING", "UNKNOWN"):
        move(row, "REJECTED", "refund", now, words, refusal=words[:200], ask_at=None)
        release(row)


def _list(order_no: str) -> list[dict[str, Any]]:
    order = Order.get_or_none(Order.order_no == order_no)
    if order is None:
        raise NotFound("order_not_found")
    return [_view(row, order_no) for row in Refund.select().where(Refund.order == order.id).order_by(Refund.id)]


def _read(order_no: str, refund_no: str) -> dict[str, Any]:
    named = (Refund.refund_no == refund_no) | (Refund.out_refund_no == refund_no)
    row = Refund.select().join(Order).where(Order.order_no == order_no, named).first()
    if row is None:
        raise NotFound("refund_not_found")
    return _view(row, order_no)


def _view(row: Refund, order_no: str) -> dict[str, Any]:
    return {
        "refund_no": row.refund_no or row.out_refund_no,
        "out_refund_no": row.out_refund_no,
        "order_no": order_no,
        "amount_fen": row.amount_fen,
        "reason": row.reason,
        "status": STATUS[row.state],
        "source": row.source.lower(),
        "message": row.refusal,
        "created_at": rfc3339(row.created_at),
        "refunded_at": rfc3339(row.refunded_at) if row.refunded_at else None,
    }
