"""The two engines, and all that differs between them: how a session is opened and begun, and what it must be set to.

``models.database`` is the only caller. Nothing here knows one of our tables.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import peewee
import pymysql

LOCK_WAIT = 1205  # MySQL: somebody else kept a row for longer than a session waits
LOST_RACE = {1213, 1020, LOCK_WAIT}  # deadlock (Galera: a conflict with another node), record changed
MYSQL_FULL = re.compile(r"\((1021|1114), |\(1005, .*errno: (28|135) ")  # the disk, a table, a table that is being made
REMEDIES = {  # MySQL's refusals that no waiting mends
    1045: "correct the user or the password",
    1698: "this user cannot log in by password: use one who can",
    1130: "let this machine in, or correct the host",
    1049: "correct the name, or make it: CREATE DATABASE ... CHARACTER SET utf8mb4",
    1044: "correct the name, or GRANT ALL on it to this user",
    1142: "GRANT ALL on this database to this user",
}
GONE = {1053, 1927}  # MySQL's own words that a session is over: a shutdown, a kill
LONGEST_STATEMENT = 3600  # seconds that one statement of a migration may take: an index over millions of rows
MIGRATION_PATIENCE = 120  # seconds that a process waits for another one that migrates
SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "cache_size": -500,  # KB of pages that each thread's connection keeps; the system keeps them all
}
SQLITE_SET = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # as SQLite reports them
MYSQL_SESSION = (
    "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION innodb_lock_wait_timeout=3",
)
# Each part of these says which schema it means: else the server opens the tables of every schema that it has, at each
# start of ours, and another one's damage is our error.
OTHERS = """
    SELECT table_name, engine FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'"""
LOOSE_KEYS = """
    SELECT DISTINCT c.table_name, c.column_name, c.collation_name FROM information_schema.columns c
    JOIN information_schema.statistics s
        ON s.table_schema = DATABASE() AND s.table_name = c.table_name AND s.column_name = c.column_name
    WHERE c.table_schema = DATABASE() AND c.collation_name NOT LIKE '%%\\_bin' AND c.table_name <> 'schema_migration'"""
OLDEST_SQLITE = (3, 38)  # from here on it always knows JSON
OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}
SQLITE_STORAGE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}  # the disk's doing, not ours
FAR_AWAY = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph"}  # locks there are promises
ANY_SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANY_SERVER.check_hostname = False
ANY_SERVER.verify_mode = ssl.CERT_NONE


class DatabaseUnavailable(Exception):
    """The tables cannot be reached, or too much is waiting for them. Nothing was done; the caller may come again."""


class Contended(DatabaseUnavailable):
    """The tables are there, but some of these rows are being changed by others, again and again or for too long."""


class DatabaseRefused(DatabaseUnavailable):
    """The server is there and does not let us in: ``DATABASE_URL`` or the server is to be mended, by a person."""


class Engine(peewee.Database):
    """What ``Database`` needs of either."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Peewee opens connections one at a time. They are each thread's own: where the database answers nothing,
        # every thread would wait for all that came before it, and those with an open connection as well.
        self._lock = contextlib.nullcontext()

    def begin_reading(self) -> None:
        """Begin a unit that only looks."""

    def end_reading(self) -> None:
        """MySQL looks anew at each statement anyhow: to begin and to end cost it two more."""

    def problems(self) -> list[str]:
        """What is wrong with the server, the session or the tables, in words, each with its remedy."""
        raise NotImplementedError

    def drop(self) -> None:
        """Close this thread's connection without another word on it: its state is not known."""
        connection = None if self.is_closed() else self.connection()
        self.dispose()
        if connection is not None:
            connection.close()


class Sqlite(Engine, peewee.SqliteDatabase):
    """One writer at a time from the first statement on: no unit can fail half-way for want of the write lock."""

    def begin(self, lock_type: str | None = None) -> None:
        super().begin(lock_type or "IMMEDIATE")

    def begin_reading(self) -> None:
        super().begin("DEFERRED")

    def end_reading(self) -> None:
        self.commit()

    def problems(self) -> list[str]:
        found = [
            f"PRAGMA {name} is {value}, not {wanted}"
            for name, wanted in SQLITE_SET.items()
            if (value := self.execute_sql(f"PRAGMA {name}").fetchone()[0]) != wanted
        ]
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            found.append(f"SQLite {sqlite3.sqlite_version} is too old; use a Python with SQLite 3.38 or newer")
        kind = _file_system(Path(self.database).resolve())
        if kind in FAR_AWAY:
            found.append(f"the file is on a network file system ({kind}), where SQLite loses commits; use a local disk")
        return found


class _Connection(pymysql.connections.Connection):
    """TLS if the server has it, without asking who the server is: the driver's own way, which yet reads every authority
    of the machine at each connection, 25 ms that the event loop goes without."""

    _read_timeout: float | None  # the driver's, looked at before each answer

    def escape(self, obj: object, mapping: Any = None) -> str:
        """The driver's own, but for what most of our values are: whole numbers, and text of letters and digits."""
        if type(obj) is int:
            return str(obj)
        if type(obj) is str and (obj.isalnum() or obj.isidentifier()):
            return f"'{obj}'"
        return "NULL" if obj is None else str(super().escape(obj, mapping))

    def _create_ssl_ctx(self, sslp: object) -> ssl.SSLContext:  # noqa: ARG002 - the driver's signature
        return ANY_SERVER

    @contextlib.contextmanager
    def patient(self, seconds: int) -> Iterator[None]:
        """Wait so long for each answer meanwhile."""
        usual, self._read_timeout = self._read_timeout, seconds
        try:
            yield
        finally:
            self._read_timeout = usual


class MySQL(Engine, peewee.MySQLDatabase):
    """Every session says what it needs, whatever the server's defaults are."""

    def _connect(self) -> pymysql.connections.Connection:
        return _Connection(database=self.database, autocommit=True, **self.connect_params)

    def _initialize_connection(self, conn: pymysql.connections.Connection) -> None:
        with conn.cursor() as cursor:
            for statement in MYSQL_SESSION:
                cursor.execute(statement)

    def problems(self) -> list[str]:
        shown = dict(self.execute_sql("SHOW VARIABLES").fetchall())
        found_rows = self.connection().client_flag & pymysql.constants.CLIENT.FOUND_ROWS
        found = [words for good, words in [*_server(shown), *_session(shown)] if not good]
        return found + ([] if found_rows else ["the session counts changed rows, not found ones"]) + self._tables()

    def _tables(self) -> list[str]:
        """Ours must be InnoDB, and compare keys by bytes: openid oAbC is not OABC."""
        found = [f"table {table} is {engine}: ALTER TABLE {table} ENGINE=InnoDB" for table, engine in self._all(OTHERS)]
        return found + [
            f"key {table}.{column} compares by {collation}: ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4"
            " COLLATE utf8mb4_bin"
            for table, column, collation in self._all(LOOSE_KEYS)
        ]

    def _all(self, sql: str) -> list[tuple[str, ...]]:
        return list(self.execute_sql(sql).fetchall())


def open_engine(url: str) -> Engine:
    """Opens no connection. Raises DatabaseUnavailable if an SQLite file's folder cannot be made."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = Path(unquote(parts.path.removeprefix("/")))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(
                f"DATABASE_URL: cannot make the folder {path.parent}: {error.strerror}"
            ) from error
        return Sqlite(str(path), pragmas=SQLITE_PRAGMAS, check_same_thread=False)
    return MySQL(
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


@contextlib.contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """One process migrates at a time. MySQL needs a named lock, since its DDL commits by itself."""
    if isinstance(engine, Sqlite):
        with engine.atomic():
            yield
        return
    lock = "CONCAT(DATABASE(), '.migrations')"
    for _ in range(MIGRATION_PATIENCE):  # a second each: shorter than the read timeout, however long the other takes
        if engine.execute_sql(f"SELECT GET_LOCK({lock}, 1)").fetchone()[0] == 1:
            break
    else:
        raise DatabaseUnavailable("another process has been migrating this database for too long")
    try:
        with engine.connection().patient(LONGEST_STATEMENT):
            yield
    finally:
        engine.execute_sql(f"SELECT RELEASE_LOCK({lock})")


def lost_race(error: Exception) -> bool:
    """The whole unit was rolled back, for certain, because others were at the same rows. A COMMIT can say so, too. Of
    SQLite's writers one that never got its turn has not even begun."""
    if not isinstance(error, peewee.OperationalError) or not error.args:
        return False
    return error.args[0] in LOST_RACE or _sqlite_code(error) == sqlite3.SQLITE_BUSY


def waited_in_vain(error: Exception) -> bool:
    """For a row that somebody keeps: to wait once more would take as long again."""
    return isinstance(error, peewee.OperationalError) and error.args[:1] == (LOCK_WAIT,)


def undone(error: Exception) -> bool:
    """After this error at COMMIT nothing of the unit is left, for certain.

    SQLite runs out of disk before it has written the frame that makes a commit. After SQLITE_IOERR that frame may be in
    the file, where a crash would bring it to light; SQLITE_READONLY comes before the first write, never here.
    """
    return _sqlite_code(error) == sqlite3.SQLITE_FULL or lost_race(error)


def broken(error: Exception) -> bool:
    """The connection is gone: the driver's own errors begin at 2000, the server's words about a statement do not, but
    for a few. Or the disk is."""
    code = error.args[0] if isinstance(error, peewee.OperationalError) and error.args else None
    lost = isinstance(code, int) and (code // 1000 == 2 or code in GONE)
    full = _sqlite_code(error) in SQLITE_STORAGE or MYSQL_FULL.match(str(error))
    return bool(lost or full) or isinstance(error, peewee.InterfaceError)


def _sqlite_code(error: BaseException) -> int:
    """SQLite's primary result code; 0 if this is none of its errors."""
    return int(getattr(_first(error), "sqlite_errorcode", 0)) & 0xFF


def unavailable(error: Exception) -> DatabaseUnavailable:
    """What the caller is to hear of it. The server's words name user and database, never the password."""
    if error.args and (remedy := REMEDIES.get(error.args[0])):
        return DatabaseRefused(f"DATABASE_URL: {error.args[1]}; {remedy}")
    return DatabaseUnavailable(words(error))


def words(error: BaseException) -> str:
    """The driver's words."""
    first = _first(error)
    return f"{type(first).__name__}: {first}"


def _first(error: BaseException) -> BaseException:
    """Peewee hides the first error of a broken connection behind a second one."""
    while error.__context__ is not None and not any(error.args[1:]):
        error = error.__context__
    return error


def _server(shown: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """What only the server's own configuration can mend."""
    version = str(shown.get("version", ""))
    product = "MariaDB" if "MariaDB" in version else "MySQL"
    number = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
    oldest = OLDEST[product]
    return [
        (number >= oldest, f"{product} {version} is too old; use {product} {oldest[0]}.{oldest[1]} or newer"),
        (
            shown.get("innodb_flush_log_at_trx_commit") == "1",
            "innodb_flush_log_at_trx_commit is not 1: a crash would lose commits; set it in my.cnf",
        ),
        (
            shown.get("log_bin") != "ON" or shown.get("sync_binlog") == "1",
            "sync_binlog is not 1 while the binary log is on; set it in my.cnf",
        ),
        (
            shown.get("wsrep_on") != "ON" or shown.get("wsrep_sync_wait") != "0",
            "wsrep_sync_wait is 0: an order made through one node may be missing on the next; set it to 1 in my.cnf",
        ),
        (shown.get("innodb_doublewrite", "ON") != "OFF", "innodb_doublewrite is OFF: a torn page would stay torn"),
    ]


def _session(shown: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """What ``MYSQL_SESSION`` asked for and a proxy, a plug-in or a missing right may have refused."""
    isolation = shown.get("transaction_isolation", shown.get("tx_isolation"))  # MariaDB 10.11 knows the second alone
    return [
        ("STRICT_ALL_TABLES" in shown.get("sql_mode", ""), "sql_mode lacks STRICT_ALL_TABLES"),
        (isolation == "READ-COMMITTED", "the session is not at READ COMMITTED"),
        (shown.get("character_set_connection") == "utf8mb4", "the connection does not speak utf8mb4"),
        (shown.get("autocommit") == "ON", "autocommit is OFF: a look would hold rows; set it in my.cnf"),
    ]


def _file_system(path: Path) -> str:
    """The kind of file system that holds ``path``, where the system tells."""
    with contextlib.suppress(OSError):
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
        return max((len(at), kind) for at, kind in mounts if path.is_relative_to(at))[1]
    return ""
