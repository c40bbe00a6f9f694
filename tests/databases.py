"""The databases of the tests: a MariaDB server of their own, a look at the tables from outside, the invariants."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peewee
import pymysql

from models import invariants
from tests.processes import Process, free_port

if TYPE_CHECKING:
    from tests.harness import Simulator

DEADLOCK = 1213
MOST_NAMED = 100  # in one address
SMALL_LOG = "--innodb-log-file-size=16M"


def connect(port: int, database: str | None = None, user: str = "root", password: str = "") -> pymysql.Connection[Any]:
    """Without TLS: for it, the driver reads every authority of the machine at each connection, 25 ms."""
    return pymysql.connect(
        host="127.0.0.1", port=port, user=user, password=password, database=database, ssl_disabled=True
    )


class Tables:
    """A look at the database from outside the server."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        if self.is_sqlite:
            connection: Any = peewee.sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)
        else:
            match = re.fullmatch(r"mysql://(\w+):(\w*)@127.0.0.1:(\d+)/(\w+)", self.url)
            assert match
            user, password, port, name = match.groups()
            connection = connect(int(port), name, user, password)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return list(cursor.fetchall() or ())

    def one(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def names(self) -> list[str]:
        if self.is_sqlite:
            return [row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [row[0] for row in self.rows("SHOW TABLES")]

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table but those of the heartbeat, which beats: to show that nothing was changed."""
        found = {}
        with self.connect() as connection:
            cursor = connection.cursor()
            for name in self.names():
                if name not in ("sqlite_sequence", "job_runs", "refusals"):
                    cursor.execute(f"SELECT * FROM {name} ORDER BY id")
                    found[name] = list(cursor.fetchall())
        return found

    def change(self, sql: str) -> None:
        """One statement by hand, for what a test cannot wait for: the age of a row. Again if it lost a race."""
        for last in (False, False, True):
            try:
                with self.connect() as connection:
                    connection.cursor().execute(sql)
                return
            except pymysql.err.OperationalError as error:
                if last or error.args[0] != DEADLOCK:
                    raise


def install(data: Path, user: str = "") -> None:
    """The files of an empty MariaDB server, whose root has no password, for ``user`` or for whom we are."""
    options = ["--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", SMALL_LOG]
    user = user or ("root" if os.geteuid() == 0 else "")
    command = ["mariadb-install-db", *options, *([f"--user={user}"] if user else [])]
    environ = {**os.environ, "TMPDIR": str(temporary(data.parent))}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr


def temporary(folder: Path) -> Path:
    """For a server's temporary tables, of its own: one that starts deletes all that it finds, and others stumble."""
    found = folder / "tmp"
    found.mkdir(exist_ok=True)
    found.chmod(0o777)
    return found


class MariaDb:
    """A MariaDB server of the tests' own, durable, in a temporary folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        data, user = folder / "data", ["--user=root"] if os.geteuid() == 0 else []
        install(data)
        command = [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            f"--tmpdir={temporary(folder)}",
            f"--socket={folder / 'db.sock'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={folder / 'db.pid'}",
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-size=64M",
            SMALL_LOG,
            *options,
            *user,
        ]
        self.process = Process(command, folder / "mariadbd.log")
        self.start()

    def start(self) -> None:
        self.process.start(self._up)

    @staticmethod
    def installed() -> bool:
        found = shutil.which("mariadbd") or Path("/usr/sbin/mariadbd").exists()
        return bool(found and shutil.which("mariadb-install-db"))

    def _up(self) -> bool:
        try:
            connect(self.port).close()
        except pymysql.err.OperationalError:
            return False
        return True

    def create(self) -> str:
        """A fresh, empty database; its URL."""
        name = f"t{uuid.uuid4().hex[:12]}"
        connection = connect(self.port)
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        connection.close()
        return f"mysql://root:@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self.process.stop()


def broken_invariants(tables: Tables, simulator: Simulator, since: int = 0) -> dict[str, list[tuple[Any, ...]]]:
    """The invariants of ``models.invariants`` that do not hold, with the rows that break them.

    What the gateway knows goes into temporary tables, which only this connection sees: ours stay as they are. Of its
    exchanges those after ``since``, and of its ledger what has numbers that we know: it serves many tests.
    """
    ours = "SELECT out_trade_no FROM transactions UNION SELECT out_trade_no FROM payments"
    numbers = [row[0] for row in tables.rows(ours)]
    about = "&".join(f"out_trade_no={number}" for number in numbers[:MOST_NAMED] or ["none"])
    ledger = simulator.get("ledger" if len(numbers) > MOST_NAMED else f"ledger?{about}")
    exchanges = simulator.get(f"exchanges?after={since}")["exchanges"]
    gateway = {
        "gateway_trades (out_trade_no, state)": [(o["out_trade_no"], o["state"]) for o in ledger["orders"]],
        "gateway_payments (transaction_id, amount_fen)": [
            (p["transaction_id"], str(p["amount_fen"])) for p in ledger["payments"]
        ],
        "gateway_prepays (out_trade_no, fingerprint)": _prepays(exchanges),
        "gateway_refunds (out_refund_no, amount_fen)": [
            (r["out_refund_no"], str(r["amount_fen"])) for r in ledger["refunds"]
        ],
    }
    gateway["gateway_shipments (out_trade_no, finished)"] = [
        (s["out_trade_no"], str(s["finished"])) for s in ledger["shipments"]
    ]
    queries = {**invariants.LOCAL, **invariants.AGAINST_GATEWAY}
    with tables.connect() as connection:
        cursor = connection.cursor()
        for table, rows in gateway.items():
            _fill(cursor, table, rows, "?" if tables.is_sqlite else "%s")
        found = {}
        for name, sql in queries.items():
            cursor.execute(sql)
            found[name] = list(cursor.fetchall())
    return {name: rows for name, rows in found.items() if rows}


def _fill(cursor: Any, table: str, rows: list[tuple[str, str]], mark: str) -> None:
    name, columns = table.split(" ", 1)
    first, second = columns.strip("()").split(", ")
    cursor.execute(f"CREATE TEMPORARY TABLE {name} ({first} VARCHAR(200), {second} VARCHAR(200))")
    cursor.executemany(f"INSERT INTO {table} VALUES ({mark}, {mark})", rows)


def _prepays(exchanges: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Every prepay request that reached WeChat, less what is new each time: nonce and signature."""
    found = []
    for exchange in exchanges:
        if exchange["op"] in ("v2.prepay", "v3.prepay") and exchange["direction"] == "in":
            body = re.sub(r"<(nonce_str|sign)>.*?</\1>", "", exchange["request"]["body"])
            number = re.search(r"WX\d{6}[A-Z0-9]{16}", body)
            if number:
                found.append((number[0], hashlib.sha256(body.encode()).hexdigest()))
    return found
