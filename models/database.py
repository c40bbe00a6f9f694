"""The one way to the tables, and the only file that knows which database it is.

``Database.run(fn, *args)`` runs a plain function in a worker thread, on that thread's own connection, inside one
transaction. The function cannot await, so no transaction is ever open while a provider is asked. It may be run a
second time, whole, after a deadlock: it must not touch anything but the tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import peewee
import pymysql
from playhouse.migrations import Runner

from models.base import proxy

logger = logging.getLogger("pay.database")
T = TypeVar("T")
M = TypeVar("M", bound=peewee.Model)

MIGRATIONS = Path(__file__).with_name("migrations")
AGAIN_AFTER = (0.01, 0.05, 0.2, None)  # seconds before a unit that lost a race is run again; None: give up
LOST_RACE = {1213, 1020, 1205}  # MySQL: deadlock, record changed, lock wait timeout
MIGRATION_PATIENCE = 120  # seconds that a process waits for another one that migrates
IDLE_SECONDS = 30  # a connection unused for longer is checked before use
SQLITE_PRAGMAS = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "busy_timeout": 5000}
MYSQL_SESSION = (
    "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION innodb_lock_wait_timeout=3",
)


class DatabaseUnavailable(Exception):
    """The tables cannot be reached, or too much is waiting for them. Nothing was done; the caller may come again."""


class CommitUnknown(DatabaseUnavailable):
    """The connection broke at COMMIT: done or not, only a look at the tables tells. Never acknowledge on this."""


class Raced(Exception):
    """Raised by a unit of work whose compare-and-set found another state: the whole unit is run again."""


class Database:
    """``url``: ``sqlite:///file`` or ``mysql://user:password@host:port/name``. At most ``queue`` units wait."""

    def __init__(self, url: str, *, threads: int = 16, queue: int = 64) -> None:
        opened = _open(url)
        self._peewee: peewee.Database = opened
        self._begin_reading = opened.begin_reading
        self._threads = threads
        self._limit = threads + queue
        self._pending = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="db")
        self._local = threading.local()
        self._broken = 0  # connections that broke so far, in any thread
        proxy.initialize(self._peewee)

    async def run(self, fn: Callable[..., T], *args: object) -> T:
        """What ``fn(*args)`` returned, after its commit. Raises what it raised, DatabaseUnavailable, CommitUnknown."""
        return await self._queued(self.run_here, fn, *args)

    async def read(self, fn: Callable[..., T], *args: object) -> T:
        """The same for a function that only looks: on SQLite it does not wait for the writer."""
        return await self._queued(self.read_here, fn, *args)

    async def _queued(self, way: Callable[..., T], *args: object) -> T:
        if self._pending >= self._limit:
            raise DatabaseUnavailable("too many units of work are waiting for the database")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, way, *args)
        finally:
            self._pending -= 1

    def run_here(self, fn: Callable[..., T], *args: object) -> T:
        """``run`` on the calling thread, for commands and tests."""
        return self._again(self._peewee.begin, fn, args)

    def read_here(self, fn: Callable[..., T], *args: object) -> T:
        """``read`` on the calling thread."""
        return self._again(self._begin_reading, fn, args)

    def _again(self, begin: Callable[[], None], fn: Callable[..., T], args: tuple[object, ...]) -> T:
        for delay in AGAIN_AFTER:
            try:
                return self._unit(begin, fn, args)
            except (Raced, peewee.IntegrityError) as race:  # a second look sees the row that was in the way
                problem: Exception = race
            except peewee.OperationalError as error:
                problem = error
                if not _lost_race(error):
                    self._discard()
                    raise DatabaseUnavailable(_words(error)) from error
            except peewee.InterfaceError as error:
                self._discard()
                raise DatabaseUnavailable(_words(error)) from error
            if delay is not None:
                time.sleep(delay)
        if isinstance(problem, peewee.IntegrityError):
            raise problem
        raise DatabaseUnavailable("the same rows are being changed by too many at once") from problem

    def _unit(self, begin: Callable[[], None], fn: Callable[..., T], args: tuple[object, ...]) -> T:
        # By hand: Peewee's own atomic() hides an error at COMMIT behind that of its rollback.
        self._checkout()
        begin()
        try:
            result = fn(*args)
        except BaseException:
            self._rollback()
            raise
        self._commit()
        return result

    def _commit(self) -> None:
        try:
            self._peewee.commit()
        except Exception as error:
            self._discard()
            raise CommitUnknown(_words(error)) from error

    def _rollback(self) -> None:
        try:
            self._peewee.rollback()
        except peewee.PeeweeException:
            self._discard()  # a broken connection has rolled back by itself

    def _checkout(self) -> None:
        """Look before use at a connection that was long idle, or that saw another thread's break: the database may
        have been restarted, and each thread would find that out by failing somebody's request."""
        now = time.monotonic()
        used, seen = getattr(self._local, "last", (now, self._broken))
        self._local.last = (now, self._broken)
        suspect = now - used > IDLE_SECONDS or seen != self._broken
        if suspect and not self._peewee.is_closed() and not self._peewee.is_connection_usable():
            self._discard()
        try:
            self._peewee.connect(reuse_if_open=True)
        except peewee.PeeweeException as error:
            raise DatabaseUnavailable(_words(error)) from error

    def _discard(self) -> None:
        """Drop this thread's connection without another word on it: its state is not known."""
        self._broken += 1
        connection = None if self._peewee.is_closed() else self._peewee.connection()
        self._peewee.dispose()
        if connection is not None:
            connection.close()

    def migrate(self) -> list[str]:
        """Bring the tables up to date, one process at a time; returns the names of what was applied."""
        self._checkout()
        with _migration_lock(self._peewee):
            return list(Runner(self._peewee, str(MIGRATIONS)).up())

    def pending_migrations(self) -> list[str]:
        self._checkout()
        return [m.name for m in Runner(self._peewee, str(MIGRATIONS)).status() if not m.applied]

    def check(self) -> list[str]:
        """What is wrong with the server's or the session's settings, in words; empty if nothing is."""
        self._checkout()
        return _mysql_problems(self._peewee) if isinstance(self._peewee, peewee.MySQLDatabase) else []

    def close(self) -> None:
        """Finish what was accepted, then close every thread's connection. Not to be used afterwards."""
        barrier = threading.Barrier(self._threads)

        def leave() -> None:
            barrier.wait(10)  # each thread takes exactly one of these
            self._discard()

        for _ in range(self._threads):
            self._executor.submit(leave)
        self._executor.shutdown(wait=True)
        self._discard()


def locked(query: peewee.ModelSelect[M]) -> peewee.ModelSelect[M]:
    """``SELECT … FOR UPDATE`` where rows can be locked; SQLite's writer is alone from BEGIN IMMEDIATE on."""
    return query.for_update() if _knows_row_locks() else query


def insert_new(model: type[peewee.Model], rows: list[dict[str, object]], key: str) -> None:
    """One INSERT for many rows; a row whose ``key`` is there already is left as it is.

    Not INSERT IGNORE: on MySQL that would also swallow a value that does not fit.
    """
    if not rows:
        return
    insert = model.insert_many(rows)
    if _knows_row_locks():
        column = getattr(model, key)
        insert.on_conflict(update={column: column}).execute()
    else:
        insert.on_conflict_ignore().execute()


def _knows_row_locks() -> bool:
    return isinstance(proxy.obj, peewee.MySQLDatabase)


def _open(url: str) -> _Sqlite | _MySQL:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = Path(unquote(parts.path.removeprefix("/")))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(
                f"DATABASE_URL: cannot make the folder {path.parent}: {error.strerror}"
            ) from error
        return _Sqlite(str(path), pragmas=SQLITE_PRAGMAS, check_same_thread=False)
    return _MySQL(
        unquote(parts.path.lstrip("/")),
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        client_flag=pymysql.constants.CLIENT.FOUND_ROWS,  # an UPDATE reports the rows it found, as SQLite does
        connect_timeout=2,
        read_timeout=5,
        write_timeout=5,
    )


class _Sqlite(peewee.SqliteDatabase):
    """One writer at a time from the first statement on: no unit can fail half-way for want of the write lock."""

    def begin(self, lock_type: str | None = None) -> None:
        super().begin(lock_type or "IMMEDIATE")

    def begin_reading(self) -> None:
        super().begin("DEFERRED")


class _MySQL(peewee.MySQLDatabase):
    """Every session says what it needs, whatever the server's defaults are."""

    def _initialize_connection(self, conn: pymysql.connections.Connection) -> None:
        with conn.cursor() as cursor:
            for statement in MYSQL_SESSION:
                cursor.execute(statement)

    def begin_reading(self) -> None:
        self.begin()


@contextlib.contextmanager
def _migration_lock(database: peewee.Database) -> Iterator[None]:
    """One process migrates at a time. MySQL needs a named lock, since its DDL commits by itself."""
    if not isinstance(database, peewee.MySQLDatabase):
        with database.atomic():
            yield
        return
    lock = "CONCAT(DATABASE(), '.migrations')"
    for _ in range(MIGRATION_PATIENCE):  # a second each: shorter than the read timeout, however long the other takes
        if database.execute_sql(f"SELECT GET_LOCK({lock}, 1)").fetchone()[0] == 1:
            break
    else:
        raise DatabaseUnavailable("another process has been migrating this database for too long")
    try:
        yield
    finally:
        database.execute_sql(f"SELECT RELEASE_LOCK({lock})")


def _lost_race(error: Exception) -> bool:
    return bool(error.args) and error.args[0] in LOST_RACE


def _words(error: BaseException) -> str:
    """The driver's words. Peewee hides the first error of a broken connection behind a second one."""
    while error.__context__ is not None and not any(error.args[1:]):
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _mysql_problems(database: peewee.Database) -> list[str]:
    names = "'sql_mode','transaction_isolation','tx_isolation','innodb_flush_log_at_trx_commit','sync_binlog','log_bin'"
    shown = dict(database.execute_sql(f"SHOW VARIABLES WHERE Variable_name IN ({names})").fetchall())
    wanted = [
        ("STRICT_" in shown.get("sql_mode", ""), "sql_mode lacks STRICT_ALL_TABLES"),
        (
            shown.get("transaction_isolation", shown.get("tx_isolation")) == "READ-COMMITTED",
            "the session is not at READ COMMITTED",
        ),
        (
            shown.get("innodb_flush_log_at_trx_commit") == "1",
            "innodb_flush_log_at_trx_commit is not 1: a crash would lose commits; set it in my.cnf",
        ),
        (
            shown.get("log_bin") != "ON" or shown.get("sync_binlog") == "1",
            "sync_binlog is not 1 while the binary log is on; set it in my.cnf",
        ),
    ]
    return [f"DATABASE_URL: {problem}" for good, problem in wanted if not good]
