"""The one way to the tables, and the only file that knows which database it is.

``Database.run(fn, *args)`` runs a plain function in a worker thread, on that thread's own connection, inside one
transaction. The function cannot await, so no transaction is ever open while a provider is asked. It may be run a
second time, whole, after a deadlock, or because another one that shared its commit failed: it must not touch anything
but the tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import peewee
from playhouse.migrations import Runner

from models.base import proxy
from models.batcher import Batcher
from models.engine import (
    Contended,
    DatabaseRefused,
    DatabaseUnavailable,
    broken,
    lost_race,
    migration_lock,
    open_engine,
    unavailable,
    undone,
    waited_in_vain,
    words,
)

logger = logging.getLogger("pay.database")
T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")
M = TypeVar("M", bound=peewee.Model)
Args = tuple[object, ...]
Unit = Callable[[], object]  # a function with its arguments

MIGRATIONS = Path(__file__).with_name("migrations")
AGAIN_AFTER = (0.01, 0.05, 0.2, None)  # seconds before a unit that lost a race is run again; None: give up
SETTLE_AFTER = (0.0, 0.2, 0.4, 0.8)  # seconds before an unknown commit is looked up: a database restarts in about one
SETTLE_WITHIN = 5.0  # seconds after which no further look is begun: a database that stalls lets each take so long
FREE_WITHIN = 4.0  # seconds that a unit waits for a thread: whoever asks is told to come again, and does not hang
TOGETHER = 50  # that share a commit: units of SQLite's one writer, items of a unit for many
ALONE_FOR = 0.5  # seconds after which a batch no longer holds up what comes after it
IDLE_SECONDS = 30  # a connection unused for longer is replaced before use


class CommitUnknown(DatabaseUnavailable):
    """The connection broke at COMMIT: done or not, only a look at the tables tells. Never acknowledge on this."""


class Raced(Exception):
    """Raised by a unit of work whose compare-and-set found another state: the whole unit is run again."""


class Database:
    """``url``: ``sqlite:///file`` or ``mysql://user:password@host:port/name``. At most ``queue`` units wait.

    A thread waits for a MySQL server most of the time. SQLite works in the thread itself, on a cache of its own, and
    lets one write at a time: of many that wait in SQLite, which only looks again now and then, some never get it. So
    there is one thread that writes, and what waits for it is done together, in one commit.
    """

    def __init__(self, url: str, *, threads: int | None = None, queue: int = 512) -> None:
        self._peewee = open_engine(url)
        proxy.initialize(self._peewee)
        self._threads = threads or (16 if _knows_row_locks() else 4)
        self._limit = self._threads + queue
        self._pending = 0
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="db")
        self._local = threading.local()
        self._broken = 0  # connections that broke so far, in any thread
        self._writer = None if _knows_row_locks() else ThreadPoolExecutor(1, thread_name_prefix="db-writer")
        self._writing = Batcher(self._write, most=TOGETHER, queue=queue, patience=FREE_WITHIN)
        self._batchers: list[Batcher[Any, Any]] = []  # what they hold ends in the writer

    async def run(self, fn: Callable[..., T], *args: object) -> T:
        """What ``fn(*args)`` returned, after its commit. Raises what it raised, DatabaseUnavailable, CommitUnknown."""
        if self._writer is None:
            return await self._queued(self.run_here, fn, *args)
        done: T = await self._writing.submit(partial(fn, *args))  # type: ignore[assignment]  # each unit's own
        return done

    async def read(self, fn: Callable[..., T], *args: object) -> T:
        """The same for a function that only looks: on SQLite it does not wait for the writer."""
        return await self._queued(self.read_here, fn, *args)

    async def answers(self) -> None:
        """Raises DatabaseUnavailable unless a table can be read: a node cut off from its cluster still talks."""
        await self.read(rows, "SELECT id FROM orders LIMIT 1")

    async def settle(self, fn: Callable[..., T], *args: object) -> T:
        """``run`` for a unit that may be done twice: it finds its own work under a unique key, and leaves it.

        After an error at COMMIT it is run again, on a new connection. Raises CommitUnknown only if the database stays
        away meanwhile.
        """
        try:
            return await self.run(fn, *args)
        except CommitUnknown as error:
            unknown = error
        until = time.monotonic() + SETTLE_WITHIN
        for delay in SETTLE_AFTER:
            if time.monotonic() > until:
                break
            await asyncio.sleep(delay)
            try:
                return await self.run(fn, *args)
            except DatabaseUnavailable as error:
                logger.warning("a commit is still unknown: %s", error)
        raise unknown

    def batched(
        self, fn: Callable[[list[Item]], Sequence[Result | Exception]], *, looks: bool = False
    ) -> Batcher[Item, Result]:
        """``settle`` for a unit that does many things of a kind at once, ``read`` if it ``looks`` only: what waits for
        it is handed to it together. An exception among its results is raised for that item alone. An item waits
        ``FREE_WITHIN`` for its turn, and its unit as long again for a thread.
        """
        way = self.read if looks else self.settle

        async def work(items: list[Item]) -> Sequence[Result | Exception]:
            return await way(fn, items)

        batcher = Batcher(work, most=TOGETHER, queue=self._limit, patience=FREE_WITHIN, alone_for=ALONE_FOR)
        self._batchers.append(batcher)
        return batcher

    async def _queued(self, way: Callable[..., T], *args: object) -> T:
        if self._pending >= self._limit:
            raise DatabaseUnavailable("too many units of work are waiting for the database")
        self._pending += 1
        unit = self._executor.submit(way, *args)
        waited = asyncio.get_running_loop().call_later(FREE_WITHIN, unit.cancel)  # if it has not begun
        try:
            return await asyncio.wrap_future(unit)
        except asyncio.CancelledError:
            if unit.cancelled() and waited.when() <= asyncio.get_running_loop().time():
                raise DatabaseUnavailable(f"no connection came free within {FREE_WITHIN:.0f} s") from None
            raise
        finally:
            waited.cancel()
            self._pending -= 1

    async def _write(self, units: list[Unit]) -> list[object]:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._together, units)

    def _together(self, units: list[Unit]) -> list[object]:
        """What each returned, after their commit. If one of several raises, none was done: each is then done alone."""
        if len(units) == 1:
            return [self.run_here(units[0])]
        try:
            return self._change(_each, (units,))
        except peewee.OperationalError as error:
            if lost_race(error):  # another process has been writing for seconds: each alone would wait as long
                raise unavailable(error) from error
            raise

    def run_here(self, fn: Callable[..., T], *args: object) -> T:
        """``run`` on the calling thread, for commands and tests."""
        return self._again(self._change, fn, args)

    def read_here(self, fn: Callable[..., T], *args: object) -> T:
        """``read`` on the calling thread."""
        return self._again(self._look, fn, args)

    def _again(self, unit: Callable[[Callable[..., T], Args], T], fn: Callable[..., T], args: Args) -> T:
        for delay in AGAIN_AFTER:
            try:
                return unit(fn, args)
            except (Raced, peewee.IntegrityError) as race:  # a second look sees the row that was in the way
                problem: Exception = race
            except peewee.OperationalError as error:
                problem = error
                if waited_in_vain(error):
                    break
                if not lost_race(error):
                    self._discard()
                    raise unavailable(error) from error
            except (peewee.InterfaceError, peewee.InternalError) as error:
                self._discard()
                raise unavailable(error) from error
            if delay is not None:
                time.sleep(delay)
        if isinstance(problem, peewee.IntegrityError):
            raise problem
        raise Contended("the same rows are being changed by too many at once") from problem

    def _change(self, fn: Callable[..., T], args: Args) -> T:
        # By hand: Peewee's own atomic() hides an error at COMMIT behind that of its rollback.
        self._checkout()
        self._peewee.begin()
        result = self._work(fn, args)
        self._commit()
        return result

    def _look(self, fn: Callable[..., T], args: Args) -> T:
        self._checkout()
        self._peewee.begin_reading()
        result = self._work(fn, args)
        self._peewee.end_reading()
        return result

    def _work(self, fn: Callable[..., T], args: Args) -> T:
        try:
            return fn(*args)
        except BaseException:
            self._rollback()
            raise

    def _commit(self) -> None:
        try:
            self._peewee.commit()
        except Exception as error:
            if undone(error):
                self._rollback()
                raise  # a cluster finds a conflict only here, SQLite a full disk
            self._discard()
            raise CommitUnknown(words(error)) from error

    def _rollback(self) -> None:
        try:
            self._peewee.rollback()
        except peewee.PeeweeException:
            self._discard()  # a broken connection has rolled back by itself

    def _checkout(self) -> None:
        """A connection that was long idle, or that saw another thread's break, is replaced: the database may have been
        restarted, and each thread would find that out by failing somebody's request. To ask it first would cost as
        much as a new one, and where nothing answers, twice the time."""
        now = time.monotonic()
        used, seen = getattr(self._local, "last", (now, self._broken))
        self._local.last = (now, self._broken)
        if now - used > IDLE_SECONDS or seen != self._broken:
            self._peewee.drop()
        try:
            self._peewee.connect(reuse_if_open=True)
        except peewee.PeeweeException as error:
            raise unavailable(error) from error

    def _discard(self) -> None:
        """Drop this thread's connection without another word on it: its state is not known."""
        self._broken += 1
        self._peewee.drop()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """For what is no unit of work: a connection that breaks meanwhile says that the database is away."""
        self._checkout()
        try:
            yield
        except peewee.PeeweeException as error:
            problem = unavailable(error)
            if not broken(error) and not isinstance(problem, DatabaseRefused):
                raise
            self._discard()
            raise problem from error

    def migrate(self) -> list[str]:
        """Bring the tables up to date, one process at a time; returns the names of what was applied."""
        with self._connected(), migration_lock(self._peewee):
            return list(Runner(self._peewee, str(MIGRATIONS)).up())

    def pending_migrations(self) -> list[str]:
        with self._connected():
            return [m.name for m in Runner(self._peewee, str(MIGRATIONS)).status() if not m.applied]

    def check(self) -> list[str]:
        """What is wrong with the server's or the session's settings, in words; empty if nothing is."""
        with self._connected():
            return [f"DATABASE_URL: {problem}" for problem in self._peewee.problems()]

    async def drain(self) -> None:
        """Wait until all that was accepted is written."""
        for batcher in (*self._batchers, self._writing):
            await batcher.drain()

    def close(self) -> None:
        """Finish what threads have begun, then close each one's connection. Not to be used afterwards."""
        barrier = threading.Barrier(self._threads)

        def leave() -> None:
            barrier.wait(10)  # each thread takes exactly one of these
            self._discard()

        for _ in range(self._threads):
            self._executor.submit(leave)
        self._executor.shutdown(wait=True)
        if self._writer is not None:
            self._writer.submit(self._discard)
            self._writer.shutdown(wait=True)
        self._discard()


def locked(query: peewee.ModelSelect[M]) -> peewee.ModelSelect[M]:
    """``SELECT … FOR UPDATE`` where rows can be locked; SQLite's writer is alone from BEGIN IMMEDIATE on."""
    return query.for_update() if _knows_row_locks() else query


def rows(sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
    """What a query in plain SQL finds, with ``?`` for each value; inside a unit of work."""
    marked = sql.replace("?", "%s") if _knows_row_locks() else sql
    return list(proxy.execute_sql(marked, values).fetchall())


def _each(units: list[Unit]) -> list[object]:
    return [unit() for unit in units]


def _knows_row_locks() -> bool:
    return isinstance(proxy.obj, peewee.MySQLDatabase)
