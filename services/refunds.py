"""Refunds: the money is held first, in one conditional UPDATE, then WeChat is asked, with one number and one set of
parameters for ever. What WeChat says goes into ``refund_reports``; what it does not say is asked again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters import base
from adapters.base import Adapters, PaymentAdapter
from adapters.errors import NotFound as UnknownThere
from adapters.errors import PaymentError, Rejected
from models import Payment, Refund, Transaction
from models.database import Database, locked
from services import refund_views
from services.asking import adapter_of
from services.errors import Conflicting, ProviderRefused, Refused
from services.gateway import refusal
from services.moves import begin
from services.notifications import mark_processed, waiting_hints
from services.orders import paid_order
from services.ports import Clock, Token, derived, number
from services.refund_reports import apply_refund_reports
from services.refund_rules import check_rules, first_turn, hold, to_give_back
from services.refund_turns import Task, claim_abnormal, claim_due, claim_one, record_refusal, record_unknown

logger = logging.getLogger("pay.refunds")
Permit = Callable[[Payment], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a merchant asks for. ``refund_no``: the merchant's own number; the same again is the same refund."""

    order_no: str
    amount_fen: int
    reason: str
    refund_no: str | None
    requester: str  # merchant, operator


class Refunds:
    def __init__(self, database: Database, adapters: Adapters, notify_base: str, late: str, now: Clock, token: Token):
        """``late``: "refund" gives back by itself what was paid for a closed order; "keep" leaves it to a person."""
        self._database = database
        self._adapters = adapters
        self._notify_base = notify_base
        self._late = late
        self._now = now
        self._token = token

    async def request(self, wanted: Wanted, permit: Permit | None = None) -> tuple[dict[str, Any], bool]:
        """The refund, and whether it is new. Raises NotFound, Conflicting, ProviderRefused.

        The answer is what is known when WeChat was asked once: "pending" or "processing" is not a failure. ``permit``
        runs in the commit that makes the refund, after it, and undoes it by raising.
        """
        drawn = number("RF", self._now(), self._token)
        out_refund_no, new = await self._database.settle(self._request, wanted, drawn, permit)
        if new:
            await self._carry_on_due(out_refund_no)
        return await self._database.read(refund_views.read, wanted.order_no, out_refund_no), new

    async def list(self, order_no: str) -> list[dict[str, Any]]:
        """Raises NotFound("order_not_found")."""
        return await self._database.read(refund_views.refunds_of, order_no)

    async def read(self, order_no: str, refund_no: str) -> dict[str, Any]:
        """By the merchant's number or ours. Raises NotFound("refund_not_found")."""
        return await self._database.read(refund_views.read, order_no, refund_no)

    async def resolve_abnormal(self, order_no: str, refund_no: str, actor: str) -> dict[str, Any]:
        """Have WeChat send an ABNORMAL refund's money to the merchant's bank card: the merchant owes it to the payer.

        The refund stays "abnormal" until WeChat says that this is done. Raises NotFound("refund_not_found"),
        Conflicting("refund_not_abnormal"), ProviderRefused, TryLater: then it is asked about, and may be tried again.
        """
        task = await self._database.run(claim_abnormal, order_no, refund_no, int(self._now()))
        adapter, number_ = adapter_of(self._adapters, task.adapter), task.out_refund_no
        logger.info("abnormal refund to be resolved out_refund_no=%s by=%s", number_, actor)
        try:
            report = await adapter.resolve_abnormal(task.provider_refund_id, number_)
        except PaymentError as error:
            raise refusal("resolve_abnormal", number_, error) from error
        await self._database.run(apply_refund_reports, [report], actor, int(self._now()))
        return await self.read(order_no, refund_no)

    async def run_due(self, limit: int = 50) -> int:
        """One pass of the refund job: money that must go back by itself, then every refund whose turn has come."""
        for payment_id in await self._database.read(to_give_back, self._late, limit):
            await self._database.run(self._give_back, payment_id)
        tasks = await self._database.run(claim_due, int(self._now()), limit, self._token)
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
        for task in await self._database.run(claim_one, out_refund_no, int(self._now()), self._token):
            await self._carry_on(task)

    async def _carry_on(self, task: Task) -> None:
        """Send what was never sent; ask about everything else, and send again, unchanged, what never arrived."""
        try:
            adapter = adapter_of(self._adapters, task.adapter)
            report = await (adapter.refund(task.parameters) if task.state == "REQUESTED" else _ask(adapter, task))
        except Rejected as error:
            await self._database.run(record_refusal, task, str(error), int(self._now()))
        except (PaymentError, ProviderRefused) as error:
            logger.info("refund asked again later out_refund_no=%s reason=%s", task.out_refund_no, error)
            await self._database.run(record_unknown, task, int(self._now()))
        else:
            await self._database.run(apply_refund_reports, [report], "refund", int(self._now()))

    # --- in one transaction each ---

    def _request(self, wanted: Wanted, drawn: str, permit: Permit | None) -> tuple[str, bool]:
        """Its number follows from the merchant's: asked for again after our tables were put back from a backup, it is
        the same refund to WeChat. Without one it is ``drawn``."""
        _, payment = paid_order(wanted.order_no)
        out_refund_no = derived("RF", wanted.order_no, wanted.refund_no) if wanted.refund_no else drawn
        if before := Refund.get_or_none(Refund.out_refund_no == out_refund_no):
            reason = wanted.reason if before.source == "EXTERNAL" else before.reason  # WeChat tells us none
            if (before.amount_fen, reason) != (wanted.amount_fen, wanted.reason):
                raise Conflicting("refund_no_reused")
            return out_refund_no, not wanted.refund_no
        check_rules(payment, int(self._now()))
        self._insert(payment, out_refund_no, wanted.amount_fen, wanted.reason, wanted.refund_no, wanted.requester)
        if permit:
            permit(payment)
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
        hold(payment, amount_fen)
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
            ask_at=first_turn(payment, now),
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
