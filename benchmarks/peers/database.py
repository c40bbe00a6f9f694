"""The way to the tables: a unit of work is a function that takes a Session, run in one transaction.

MariaDB through an asynchronous driver in the event loop, SQLite through threads: README.md says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000")
CONNECTIONS = 32
READERS = 4
LOOKING = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}  # a look needs no ROLLBACK sent


class Sqlite:
    """One writer at a time, which it is on SQLite anyhow: who waits in line here need not poll for its lock."""

    def __init__(self, url: str) -> None:
        self._writer = _sqlite_engine(url, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0)
        self._reader = _sqlite_engine(url, "BEGIN", pool_size=READERS, max_overflow=0)
        self._writing, self._reading = CapacityLimiter(1), CapacityLimiter(READERS)

    async def write(self, unit: Callable[..., Any], *args: Any) -> Any:
        return await to_thread.run_sync(_run, self._writer, unit, args, limiter=self._writing)

    async def read(self, unit: Callable[..., Any], *args: Any) -> Any:
        return await to_thread.run_sync(_run, self._reader, unit, args, limiter=self._reading)


def _run(engine: Engine, unit: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        return unit(session, *args)


def _sqlite_engine(url: str, begin: str, **options: Any) -> Engine:
    """SQLAlchemy sends BEGIN itself, as its documentation says: the driver would begin at the first write."""
    engine = create_engine(url, **options)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


class MariaDb:
    def __init__(self, url: str) -> None:
        url = url.replace("mysql://", "mysql+asyncmy://")
        options: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0}
        self._writer = create_async_engine(url, **options)
        self._reader = create_async_engine(url, **options, **LOOKING)

    async def write(self, unit: Callable[..., Any], *args: Any) -> Any:
        return await self._run(self._writer, unit, args)

    async def read(self, unit: Callable[..., Any], *args: Any) -> Any:
        return await self._run(self._reader, unit, args)

    async def _run(self, engine: AsyncEngine, unit: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            return await session.run_sync(unit, *args)


def open_database(url: str) -> Sqlite | MariaDb:
    return Sqlite(url) if url.startswith("sqlite") else MariaDb(url)
