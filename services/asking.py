"""Asking WeChat itself: on the fly and in batch, by the same code. What it answers goes into the funnel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters.base import Adapters, PaymentAdapter, TradeReport, TradeStatus
from adapters.errors import NotFound as UnknownThere
from adapters.errors import PaymentError
from models import Order, StateLog, Transaction
from models.database import Database
from services.errors import NotFound, ProviderRefused, Refused
from services.gateway import refusal
from services.login import Person
from services.orders import own_order, view
from services.payments import apply_reports
from services.ports import Clock, Token, spread

logger = logging.getLogger("pay.asking")
T = TypeVar("T")

# Seconds between questions about one attempt (money.md part 1, "Jobs"); after the last one hourly, until two hours
# after the attempt has expired. A lost notification is therefore found within seconds, and for certain.
FIRST_QUESTION = 10
BACK_OFF = (20, 30, 120, 120, 300, 1200)
HOURLY = 3600
AT_ONCE = 8  # calls of one job pass under way at a time
GIVE_UP_AFTER = 2 * 3600
UNDER_WAY = 30  # seconds: no call of ours, repeats counted in, is under way for longer
UNSETTLED = ("PREPARED", "UNKNOWN", "PREPAID", "CLOSING")


@dataclass(frozen=True, slots=True)
class Question:
    """One attempt to ask about, and the adapter that made it."""

    out_trade_no: str
    adapter: str
    state: str
    appid: str
    mchid: str

    @classmethod
    def about(cls, row: Transaction) -> Question:
        return cls(row.out_trade_no, row.adapter, row.state, row.appid, row.mchid)

    def closed(self, source: Any, proof: str) -> TradeReport:
        """Evidence that this attempt can never be paid."""
        return TradeReport(
            source, self.adapter, self.out_trade_no, TradeStatus.CLOSED, proof, appid=self.appid, mchid=self.mchid
        )


def adapter_of(adapters: Adapters, name: str) -> PaymentAdapter:
    """An attempt follows the adapter that made it, for ever, also after the configured generation has changed."""
    try:
        return adapters[name]
    except KeyError:
        raise ProviderRefused("generation_not_configured", adapter=name) from None


class Asking:
    def __init__(self, database: Database, adapters: Adapters, now: Clock, token: Token) -> None:
        self._database = database
        self._adapters = adapters
        self._now = now
        self._token = token

    async def ask(self, question: Question) -> None:
        """Query one attempt and apply the answer. Raises TryLater if WeChat gave none that can be trusted."""
        adapter, asked_at = adapter_of(self._adapters, question.adapter), int(self._now())
        try:
            report = await adapter.query(question.out_trade_no)
        except UnknownThere:  # which was so when it was asked, however late it is by now
            if not await self._database.read(_never_existed, question.out_trade_no, asked_at):
                return
            report = question.closed("query", "NEVER_EXISTED")
        except PaymentError as error:
            raise refusal("query", question.out_trade_no, error) from error
        await self.apply(report)

    async def apply(self, report: TradeReport) -> None:
        await self._database.settle(apply_reports, [report], report.source, int(self._now()))

    async def sync(self, person: Person, order_no: str) -> dict[str, Any]:
        """Ask about every unsettled attempt of the user's order; the order as it then is."""
        questions = await self._database.read(_questions_of, person.user_id, order_no)
        await self.ask_all(questions)
        return await self._database.read(lambda: view(own_order(person.user_id, order_no)))

    async def ask_order(self, order_no: str) -> list[str]:
        """The operator's ``query``: ask about every attempt of any order; the states they are then in.

        Raises NotFound.
        """
        questions = await self._database.read(_questions_about, order_no)
        await self.ask_all(questions)
        rows = await self._database.read(_questions_about, order_no)
        return [f"{row.out_trade_no} {row.state}" for row in rows]

    async def ask_all(self, questions: list[Question]) -> None:
        """All of them, at once; the first failure is raised after all were asked."""
        answers = await asyncio.gather(*(self.ask(question) for question in questions), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def ask_due(self, limit: int = 50) -> int:
        """One pass of the query job: ask about what is due; returns how many were asked."""
        now = int(self._now())
        questions = await self._database.run(_claim_due, now, limit, self._token)
        await at_once(self.ask, questions)
        return len(questions)


async def at_once(ask: Callable[[T], Awaitable[object]], questions: Sequence[T]) -> None:
    """A few at a time: one that hangs does not hold up all the others. What fails is asked again at its next turn."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(question: T) -> None:
        async with places:
            try:
                await ask(question)
            except Refused as error:
                number = getattr(question, "out_trade_no", question)
                logger.info("again later number=%s reason=%s", number, error.code)

    await asyncio.gather(*(one(question) for question in questions))


def _never_existed(out_trade_no: str, asked_at: int) -> bool:
    """What WeChat does not know is closed only if nobody can hold parameters to pay it with, and if no request for
    them can still arrive: none is sent once the attempt is CLOSING, but one may have been under way."""
    row = Transaction.get(Transaction.out_trade_no == out_trade_no)
    if row.state != "CLOSING" or row.handed_at is not None:
        return False
    began = StateLog.get(entity="transaction", entity_id=out_trade_no, to_state="CLOSING").at
    return bool(asked_at - began >= UNDER_WAY)


def _questions_of(user_id: int, order_no: str) -> list[Question]:
    order = own_order(user_id, order_no)
    rows = Transaction.select().where(Transaction.order == order.id, Transaction.state.in_(UNSETTLED))
    return [Question.about(row) for row in rows]


def _questions_about(order_no: str) -> list[Question]:
    order = Order.get_or_none(Order.order_no == order_no)
    if order is None:
        raise NotFound("order_not_found")
    rows = Transaction.select().where(Transaction.order == order.id).order_by(Transaction.id)
    return [Question.about(row) for row in rows]


def _claim_due(now: int, limit: int, token: Token) -> list[Question]:
    """Take the rows that are due by setting when they are due next: two processes never take the same one."""
    due = Transaction.select().where(Transaction.ask_at <= now, Transaction.state != "CLOSING")
    claimed = []
    for row in due.order_by(Transaction.ask_at).limit(limit):
        mine = Transaction.update(ask_at=_next(row, now, token), asked=row.asked + 1)
        if mine.where(Transaction.id == row.id, Transaction.ask_at == row.ask_at).execute():
            claimed.append(Question.about(row))
    return claimed


def _next(row: Transaction, now: int, token: Token) -> int | None:
    if row.state in ("PAID", "CLOSED") or now > row.expires_at + GIVE_UP_AFTER:
        return None
    if row.state == "UNKNOWN":
        return now + spread(60, token)
    return now + spread(BACK_OFF[row.asked] if row.asked < len(BACK_OFF) else HOURLY, token)
