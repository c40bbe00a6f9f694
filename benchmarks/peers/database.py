"""The way to the tables: a unit of work is a function that takes a Session, run in a thread, in one transaction.

README.md says what was tried instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000")
LOOKING = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}  # a look needs no ROLLBACK sent


class Database:
    """As many threads as connections, so that nobody waits for one while holding the other."""

    def __init__(self, writer: Engine, writers: int, reader: Engine, readers: int) -> None:
        self._writer, self._writing = writer, CapacityLimiter(writers)
        self._reader, self._reading = reader, CapacityLimiter(readers)

    async def write(self, unit: Callable[..., Any], *args: Any) -> Any:
        return await to_thread.run_sync(_run, self._writer, unit, args, limiter=self._writing)

    async def read(self, unit: Callable[..., Any], *args: Any) -> Any:
        return await to_thread.run_sync(_run, self._reader, unit, args, limiter=self._reading)


def _run(engine: Engine, unit: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        return unit(session, *args)


def _sqlite_engine(url: str, begin: str, connections: int) -> Engine:
    """SQLAlchemy sends BEGIN itself, as its documentation says: the driver would begin at the first write."""
    engine = create_engine(url, pool_size=connections, max_overflow=0)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def open_database(url: str) -> Database:
    """On SQLite one writer at a time, which it is anyhow: who waits in line here need not poll for its lock."""
    if url.startswith("sqlite"):
        return Database(_sqlite_engine(url, "BEGIN IMMEDIATE", 1), 1, _sqlite_engine(url, "BEGIN", 4), 4)
    url = url.replace("mysql://", "mysql+pymysql://")
    writer = create_engine(url, pool_size=16, max_overflow=0)
    return Database(writer, 16, create_engine(url, pool_size=16, max_overflow=0, **LOOKING), 16)
