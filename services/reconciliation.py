"""Our tables against WeChat's bill of a day: what we missed is asked about, what differs is put before a person.

Reading a day twice gives the same rows. One process reads a day at a time, by a lease in the database.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from adapters.base import Adapters
from adapters.base import BillLine as Line
from adapters.errors import NotReady, PaymentError
from models import Bill, BillLine, Transaction
from models.database import Database
from services import differences
from services.asking import Asking, Question
from services.errors import Conflicting, Invalid, ProviderRefused, TryLater
from services.gateway import refusal
from services.orders import BEIJING
from services.ports import Clock
from services.refunds import Refunds

logger = logging.getLogger("pay.reconciliation")

Progress = Callable[[int, int], None]

READY_AT = timedelta(hours=10, minutes=30)  # WeChat has the bill of a day by 10:00 of the next
LEASE = 1800  # seconds
CHUNK = 500  # lines a transaction
REPAIR = 500  # unknown payments or refunds asked about in one run
LOOK_BACK = (1, 2, 3)  # days: a bill may be late, and a server may have been off


@dataclass(frozen=True, slots=True)
class Result:
    day: str
    lines: int
    differences: int


class Reconciliation:
    def __init__(
        self, database: Database, adapters: Adapters, default: str, asking: Asking, refunds: Refunds, now: Clock
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._default = default
        self._asking = asking
        self._refunds = refunds
        self._now = now

    async def run_due(self) -> int:
        """One pass of the bill job: the days of late that are ready and not yet done; returns how many were read."""
        done = 0
        for day in self._due_days():
            if not await self._database.read(_is_done, day):
                try:
                    await self.reconcile(day)
                    done += 1
                except Conflicting:  # another process reads it
                    continue
        return done

    async def reconcile(self, day: str, progress: Progress | None = None) -> Result:
        """``progress`` is told how many lines of how many have been read.

        Raises Invalid("day_invalid"), Conflicting("bill_being_read"), TryLater("bill_not_ready"), ProviderRefused.
        """
        begins = _begins(day)
        if not await self._database.run(_claim, day, int(self._now())):
            raise Conflicting("bill_being_read")
        try:
            with tempfile.TemporaryDirectory(prefix="bill-") as folder:
                lines = await self._load(day, Path(folder), progress)
            await self._repair(day)
            found = await self._database.read(differences.find, day, begins, begins + 86_400)
            await self._database.run(_finish, day, lines, found, int(self._now()))
        except BaseException:
            await self._database.run(_give_up, day)
            raise
        logger.info("bill day=%s lines=%d differences=%d", day, lines, len(found))
        return Result(day, lines, len(found))

    def _due_days(self) -> list[str]:
        now = datetime.fromtimestamp(self._now(), BEIJING)
        ready = (now - READY_AT).date()  # before half past ten, yesterday's is not asked for
        return [(ready - timedelta(days=back)).isoformat() for back in LOOK_BACK]

    async def _load(self, day: str, folder: Path, progress: Progress | None) -> int:
        try:
            bill = await self._adapters[self._default].download_bill(day, folder)
        except NotReady as error:
            raise TryLater("bill_not_ready") from error
        except PaymentError as error:
            raise refusal("bill", day, error) from error
        if bill.count == 0 and self._now() < _begins(day) + 86_400 + READY_AT.total_seconds():
            raise TryLater("bill_not_ready")  # v2 says "no bill" of a day that is not over as of one without trade
        await self._database.run(_forget, day)
        done = 0
        while chunk := list(islice(bill.lines, CHUNK)):
            await self._database.run(_keep, day, chunk)
            done += len(chunk)
            if progress:
                progress(done, bill.count)
        return done

    async def _repair(self, day: str) -> None:
        """What we never heard of is asked about: a signed answer is evidence, a bill line is not."""
        for question in await self._database.read(_questions, day):
            await self._try(self._asking.ask(question))
        for out_refund_no, _ in await self._database.read(differences.unknown_refunds, day, REPAIR):
            await self._try(self._refunds.look_up(self._default, out_refund_no))

    async def _try(self, asked: Awaitable[object]) -> None:
        try:
            await asked
        except (TryLater, ProviderRefused) as error:
            logger.info("not repaired: %s", error.code)


def _begins(day: str) -> int:
    try:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=BEIJING).timestamp())
    except ValueError:
        raise Invalid("day_invalid", field="day") from None


def _is_done(day: str) -> bool:
    return Bill.get_or_none(Bill.day == day, Bill.state == "DONE") is not None


def _claim(day: str, now: int) -> bool:
    """The day for half an hour, unless somebody else has it."""
    if Bill.get_or_none(Bill.day == day) is None:
        Bill.create(day=day, state="READING", claimed_until=now + LEASE, lines=0, differences=0)
        return True
    free = (Bill.state == "DONE") | (Bill.claimed_until <= now)
    return bool(Bill.update(state="READING", claimed_until=now + LEASE).where(Bill.day == day, free).execute())


def _forget(day: str) -> None:
    BillLine.delete().where(BillLine.day == day).execute()


def _keep(day: str, chunk: list[Line]) -> None:
    rows = [
        {
            "day": day,
            "kind": line.kind,
            "ref": line.provider_transaction_id if line.kind == "payment" else line.out_refund_no,
            "out_trade_no": line.out_trade_no,
            "provider_transaction_id": line.provider_transaction_id,
            "amount_fen": line.amount_fen,
            "at": line.at,
        }
        for line in chunk
    ]
    BillLine.insert_many(rows).execute()


def _questions(day: str) -> list[Question]:
    unknown = [out_trade_no for _, out_trade_no in differences.unknown_payments(day, REPAIR)]
    return [Question.about(row) for row in Transaction.select().where(Transaction.out_trade_no.in_(unknown))]


def _finish(day: str, lines: int, found: list[dict[str, Any]], now: int) -> None:
    differences.record(found, now)
    done = {"state": "DONE", "lines": lines, "differences": len(found), "finished_at": now}
    Bill.update(**done).where(Bill.day == day).execute()


def _give_up(day: str) -> None:
    """The lease ends now: the next one need not wait for it."""
    Bill.update(claimed_until=0).where(Bill.day == day, Bill.state == "READING").execute()
