"""Our tables against WeChat's bills of a day: what we missed is asked about, what differs is put before a person.

Reading a day twice gives the same rows. One process reads a day at a time, by a lease in the database.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from adapters import base
from adapters.base import BillKind
from models import Bill, BillLine, FundLine
from models.database import Database
from models.statements import insert_all
from services import differences
from services.asking import Asking, Question, at_once
from services.bills import READY_AT, Bills, Day, Progress, day_of
from services.differences import Comparison, Difference
from services.errors import Conflicting, ProviderRefused
from services.fund_differences import FUND
from services.orders import BEIJING
from services.ports import Clock
from services.refunds import Refunds
from services.totals import totals

logger = logging.getLogger("pay.reconciliation")
T = TypeVar("T")

LEASE = 1800  # seconds
CHUNK = 500  # lines a transaction
REPAIR = 2000  # unknown payments, and refunds, asked about in one run, a few at a time
STEP = 100  # of them, for which the lease is renewed: a minute, when no question is answered
LOOK_BACK = (1, 2, 3)  # days: a bill may be late, and a server may have been off
TABLES: dict[BillKind, type[BillLine] | type[FundLine]] = {"trade": BillLine, "fund": FundLine}
FUND_COLUMNS = ("day", "kind", "ref", "amount_fen", "at")
COLUMNS: dict[BillKind, tuple[str, ...]] = {
    "trade": (*FUND_COLUMNS, "settled_fen", "out_trade_no", "provider_transaction_id", "provider_refund_id"),
    "fund": FUND_COLUMNS,
}


@dataclass(frozen=True, slots=True)
class Result:
    day: str
    lines: int
    moves: int | None  # lines of the fund-flow bill; None: it could not be had, and is not compared
    differences: int


@dataclass(slots=True)
class Lease:
    """A day that nobody else reads. ``until`` rises with every claim, so it is the fence as well: each write looks
    whether it still stands there, and who slept for too long writes nothing more."""

    day: Day
    until: int  # epoch seconds


class Reconciliation:
    def __init__(self, database: Database, bills: Bills, asking: Asking, refunds: Refunds, now: Clock) -> None:
        self._database = database
        self._bills = bills
        self._asking = asking
        self._refunds = refunds
        self._now = now
        self._said: set[str] = set()  # what a process says once, and not of every day

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

    async def reconcile(self, text: str, progress: Progress | None = None) -> Result:
        """``progress`` is told how many lines of how many have been read, bill by bill.

        Raises Invalid("day_invalid"), Conflicting("bill_being_read"), TryLater("bill_not_ready"), ProviderRefused.
        """
        day = day_of(text)
        lease = Lease(day, await self._database.run(_claim, day.name, int(self._now())))
        try:
            lines = await self._load(lease, "trade", progress)
            moves = await self._load_moves(lease, progress)
            await self._repair(lease)
            found = await self._compare(lease, differences.TRADE if moves is None else (*differences.TRADE, *FUND))
            sums = await self._database.read(totals, day)
            await self._write(lease, _finish, day.name, lines, found, sums, int(self._now()))
        except BaseException:
            await self._database.run(_give_up, day.name, lease.until)
            raise
        logger.info("bill day=%s lines=%d moves=%s differences=%d", day.name, lines, moves, len(found))
        return Result(day.name, lines, moves, len(found))

    def _due_days(self) -> list[str]:
        now = datetime.fromtimestamp(self._now(), BEIJING)
        ready = (now - READY_AT).date()  # before half past ten, yesterday's is not asked for
        return [(ready - timedelta(days=back)).isoformat() for back in LOOK_BACK]

    async def _write(self, lease: Lease, fn: Callable[..., object], *args: object) -> None:
        """``fn`` in a transaction of its own, which renews the lease as well; Conflicting if it was lost."""
        lease.until = await self._database.run(_held, lease.day.name, lease.until, int(self._now()), fn, args)

    async def _load_moves(self, lease: Lease, progress: Progress | None) -> int | None:
        """None, and a line in the log, if WeChat does not give us the fund flow: the trade bill is compared all the
        same."""
        if not self._bills.offers("fund"):
            self._say_once("bill: fund flows are not compared: API v2 gives them to WECHAT_V2_CERT_FILE alone")
            return None
        try:
            return await self._load(lease, "fund", progress)
        except ProviderRefused as error:
            logger.warning("bill day=%s fund flow not compared: %s", lease.day.name, error)
            return None

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            logger.info(words)

    async def _load(self, lease: Lease, kind: BillKind, progress: Progress | None) -> int:
        """How many lines were read into the tables, in place of those that were there."""
        day = lease.day
        with tempfile.TemporaryDirectory(prefix="bill-") as folder:
            bill = await self._bills.download(day, kind, Path(folder))
            for old in ("payment", "refund"):
                for part in await self._database.read(differences.lines, TABLES[kind], old, day):
                    await self._write(lease, differences.forget, TABLES[kind], old, day, part)
            done = 0
            while chunk := await asyncio.to_thread(lambda: list(islice(bill.lines, CHUNK))):
                await self._write(lease, _keep, day.name, kind, chunk)
                done += len(chunk)
                if progress:
                    progress(done, bill.count)
        return bill.count

    async def _repair(self, lease: Lease) -> None:
        """What we never heard of is asked about: a signed answer is evidence, a bill line is not."""
        questions = await self._each(lease.day, "payment", _questions)
        await self._ask(lease, self._asking.ask, questions)
        refunds = await self._each(lease.day, "refund", differences.unheard_refunds)
        await self._ask(lease, partial(self._refunds.look_up, self._bills.adapter), refunds)

    async def _ask(self, lease: Lease, ask: Callable[[T], Awaitable[object]], questions: list[T]) -> None:
        for start in range(0, len(questions), STEP):
            await self._write(lease, _nothing)
            await at_once(ask, questions[start : start + STEP])

    async def _each(self, day: Day, kind: str, look: Callable[[Day, differences.Part], list[Any]]) -> list[Any]:
        """What there is to ask about, as far as one run goes."""
        found: list[Any] = []
        for part in await self._database.read(differences.lines, BillLine, kind, day):
            found += await self._database.read(look, day, part)
        if len(found) > REPAIR:
            logger.warning("bill day=%s asking about %d of %d %ss", day.name, REPAIR, len(found), kind)
        return found[:REPAIR]

    async def _compare(self, lease: Lease, comparisons: Iterable[Comparison]) -> list[Difference]:
        day, found = lease.day, list[Difference]()
        for comparison in comparisons:
            await self._write(lease, _nothing)
            some: list[Difference] = []
            for part in await self._database.read(comparison.parts, day):
                some += await self._database.read(_found, comparison, day, part)
                if len(some) > differences.MOST:
                    logger.warning("bill day=%s more than %d differences alike", day.name, differences.MOST)
                    break
            found += some[: differences.MOST]
        return found


def _is_done(day: str) -> bool:
    return Bill.get_or_none(Bill.day == day, Bill.state == "DONE") is not None


def _claim(day: str, now: int) -> int:
    """The day for half an hour; until when. Raises Conflicting if somebody else has it."""
    row = Bill.get_or_none(Bill.day == day)
    if row is None:
        Bill.create(day=day, state="READING", claimed_until=now + LEASE, lines=0, differences=0)
        return now + LEASE
    if row.state == "READING" and row.claimed_until > now:
        raise Conflicting("bill_being_read")
    until = max(now + LEASE, row.claimed_until + 1)
    free = (Bill.day == day) & (Bill.state == row.state) & (Bill.claimed_until == row.claimed_until)
    if not Bill.update(state="READING", claimed_until=until).where(free).execute():
        raise Conflicting("bill_being_read")
    return until


def _ours(day: str, until: int) -> Any:
    return (Bill.day == day) & (Bill.state == "READING") & (Bill.claimed_until == until)


def _held(day: str, until: int, now: int, fn: Callable[..., object], args: tuple[object, ...]) -> int:
    """Do that while the day is ours, and have it for longer: until when."""
    longer = max(until, now + LEASE)
    if not Bill.update(claimed_until=longer).where(_ours(day, until)).execute():
        raise Conflicting("bill_being_read")
    fn(*args)
    return longer


def _nothing() -> None:
    """Only the lease is renewed."""


def _keep(day: str, kind: BillKind, chunk: list[base.BillLine | base.FundLine]) -> None:
    insert_all(TABLES[kind], COLUMNS[kind], [row for line in chunk if (row := _row(day, line))])


def _row(day: str, line: base.BillLine | base.FundLine) -> tuple[object, ...] | None:
    """The values of ``COLUMNS``. None for a movement that nothing here can be compared with."""
    if isinstance(line, base.FundLine):
        known = (day, line.kind, line.provider_number, line.amount_fen, line.at)
        return None if line.kind == "other" else known
    ref = line.provider_transaction_id if line.kind == "payment" else line.out_refund_no
    theirs = (line.provider_transaction_id, line.provider_refund_id or None)
    return (day, line.kind, ref, line.amount_fen, line.at, line.settled_fen, line.out_trade_no, *theirs)


def _questions(day: Day, part: differences.Part) -> list[Question]:
    return [Question.about(row) for row in differences.unheard(day, part)]


def _found(comparison: Comparison, day: Day, part: differences.Part) -> list[Difference]:
    return list(islice(comparison.find(day, part), differences.MOST + 1))


def _finish(day: str, lines: int, found: list[Difference], sums: dict[str, int], now: int) -> None:
    differences.record(found, day, now)
    done = {"state": "DONE", "lines": lines, "differences": len(found), "finished_at": now}
    Bill.update(**done, **sums).where(Bill.day == day).execute()


def _give_up(day: str, until: int) -> None:
    """The next one need not wait for the end of our lease."""
    Bill.update(state="FREE").where(_ours(day, until)).execute()
