"""Closing: at WeChat first, here on proof alone. An order that was only closed here could still be paid there."""

from __future__ import annotations

from typing import Any

from adapters.base import Adapters
from adapters.errors import Conflict, PaymentError
from adapters.errors import NotFound as UnknownThere
from models import Order, Transaction
from models.database import Database, locked
from services.asking import HOURLY, Asking, Question, adapter_of, at_once
from services.errors import Conflicting, NotFound
from services.gateway import refusal
from services.login import Person
from services.moves import step, write
from services.orders import own_order, view
from services.payments import OPEN_STATES
from services.ports import Clock, Token, spread

AGAIN = 60  # seconds before an attempt that could not be closed is tried again, then twice as long, to an hour


class Closing:
    def __init__(self, database: Database, adapters: Adapters, asking: Asking, now: Clock, token: Token) -> None:
        self._database = database
        self._adapters = adapters
        self._asking = asking
        self._now = now
        self._token = token

    async def close(self, person: Person, order_no: str) -> dict[str, Any]:
        """The user's cancel. The order as it then is: closed, or still pending while WeChat has not confirmed.

        Raises NotFound, Conflicting("order_paid").
        """
        order = await self._database.read(own_order, person.user_id, order_no)
        await self.close_order(order.id, "user")
        order = await self._database.read(own_order, person.user_id, order_no)
        if order.state in ("PAID", "PAID_LATE"):
            raise Conflicting("order_paid")
        return await self._database.read(view, order)

    async def close_by_number(self, order_no: str, actor: str) -> str:
        """The operator's ``close``; returns the order's state afterwards. Raises NotFound."""
        order = await self._database.read(lambda: Order.get_or_none(Order.order_no == order_no))
        if order is None:
            raise NotFound("order_not_found")
        await self.close_order(order.id, actor)
        return await self._database.read(lambda: Order.get_by_id(order.id).state)

    async def close_order(self, order_id: int, actor: str) -> None:
        """Begin to close, then close every open attempt that its provider lets us close already."""
        await at_once(self._ask_to_close, await self._database.run(_begin, order_id, actor, int(self._now())))

    async def close_due(self, limit: int = 50) -> int:
        """One pass of the closing job: orders past their time, and attempts still to be closed."""
        now = int(self._now())
        for order_id in await self._database.read(_expired, now, limit):
            await self._database.run(_begin, order_id, "expiry", now)
        due = await self._database.run(_claim_closing, now, limit, self._token)
        await at_once(self._ask_to_close, due)
        return len(due)

    async def _ask_to_close(self, question: Question) -> None:
        """Proof closes it; whatever is not proof leaves it CLOSING, to be tried again."""
        adapter = adapter_of(self._adapters, question.adapter)
        if not await self._database.read(
            _old_enough, question.out_trade_no, int(self._now()), adapter.close_wait_seconds
        ):
            await self._asking.ask(question)  # too young to be closed; paid, perhaps
            return
        try:
            result = await adapter.close(question.out_trade_no)
        except (Conflict, UnknownThere):
            await self._asking.ask(question)  # paid, perhaps; or never arrived there
            return
        except PaymentError as error:
            raise refusal("close", question.out_trade_no, error) from error
        await self._asking.apply(question.closed("close", result.value))


def _begin(order_id: int, actor: str, now: int) -> list[Question]:
    """Nothing more is handed out from this commit on. The attempts that are then to be closed at WeChat."""
    order = locked(Order.select().where(Order.id == order_id)).get()
    rows = list(Transaction.select().where(Transaction.order == order_id).order_by(Transaction.id))
    steps = [step(row, "CLOSING", f"order closed by {actor}", ask_at=now) for row in rows if row.state in OPEN_STATES]
    if order.state == "CREATED":
        steps.append(step(order, "CLOSED", "no attempt was made"))
    elif order.state == "PAYING":
        steps.append(step(order, "CLOSING"))
    write(steps, actor, now)
    if order.state == "CLOSING" and all(row.state == "CLOSED" for row in rows):
        write([step(order, "CLOSED", "every attempt is closed")], actor, now)
    return [Question.about(row) for row in rows if row.state == "CLOSING"]


def _expired(now: int, limit: int) -> list[int]:
    past = Order.select(Order.id).where(Order.state.in_(("CREATED", "PAYING")), Order.expires_at <= now)
    return [row.id for row in past.order_by(Order.expires_at).limit(limit)]


def _old_enough(out_trade_no: str, now: int, wait_seconds: int) -> bool:
    row = Transaction.get(Transaction.out_trade_no == out_trade_no)
    return now - row.created_at >= wait_seconds


def _claim_closing(now: int, limit: int, token: Token) -> list[Question]:
    """Take what is due by setting when it is due next: two processes never take the same one."""
    due = Transaction.select().where(Transaction.state == "CLOSING", Transaction.ask_at <= now)
    claimed = []
    for row in due.order_by(Transaction.ask_at).limit(limit):
        later = now + spread(min(AGAIN << min(row.asked, 6), HOURLY), token)
        mine = Transaction.update(ask_at=later, asked=row.asked + 1)
        if mine.where(Transaction.id == row.id, Transaction.ask_at == row.ask_at).execute():
            claimed.append(Question.about(row))
    return claimed
