"""The disk is full, or the database may only be read: every asker is told to come again, nothing is acknowledged that
is not committed, and when it is over the same server goes on where it was."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import peewee
import pymysql
import pytest

from tests.crash.aftermath import DATABASE_AWAY
from tests.crash.test_stall import REFUSED, order, refused
from tests.databases import MariaDb
from tests.faults.crowd import KEY, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import V3, Server, Simulator
from tests.processes import eventually
from tests.sale import Sale

PAID = 4
MANY = 8  # orders at least; on a full disk some are still made, in space that SQLite has already
AT_ONCE = 4
SIZE = 192 << 20  # bytes: an empty MariaDB has some forty, our empty tables twenty, and a migration copies some of them
MAY_MOUNT = bool(shutil.which("unshare")) and not subprocess.run(["unshare", "--mount", "true"], check=False).returncode
TROUBLES = ["full-sqlite", "read-only-sqlite", "read-only-mariadb", "crowded-mariadb", *["full-mariadb"] * MAY_MOUNT]
SHOP = "shop@'127.0.0.1'"
READ_BY_ALL, READ_AND_WRITTEN = b"\x03", b"\x02"  # https://sqlite.org/fileformat2.html#file_format_version_numbers


class Trouble(Protocol):
    """``url``: as whom the server asks, and ``admin`` who may always look; ``words``: what the log then says, one of
    them; ``reads``: what who only looks is told; ``certain``: no commit's outcome is unknown."""

    url: str
    admin: str
    words: tuple[str, ...]
    reads: set[int]
    certain: bool

    def begin(self, server: Server) -> None: ...

    def end(self) -> None: ...


class FullDisk:
    """A small disk, which somebody else fills."""

    reads, certain = {200}, True

    def __init__(self, folder: Path, url: str, *words: str) -> None:
        self.url = self.admin = url
        self.words = words
        self._filler = folder / "filler"

    def begin(self, server: Server) -> None:
        with pytest.raises(OSError, match="No space left on device"):
            self._filler.write_bytes(bytes(SIZE))

    def end(self) -> None:
        self._filler.unlink()


class UsedUpQuota:
    """No file of the server may grow: for a machine on which nothing may be mounted."""

    words: tuple[str, ...] = ("database or disk is full", "disk I/O error")
    reads, certain = {200}, False

    def __init__(self, folder: Path) -> None:
        self.url = self.admin = f"sqlite:///{folder / 'pay.db'}"
        self._log = folder / "pay.db-wal"

    def begin(self, server: Server) -> None:
        assert server.process.child is not None
        self._pid = server.process.child.pid
        self._before = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (self._log.stat().st_size, self._before[1]))

    def end(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._before)


class ReadOnlyFile:
    """A file whose header says that only a newer SQLite may write it: every connection, open or new, can but read."""

    words: tuple[str, ...] = ("attempt to write a readonly database",)
    reads, certain = {200}, True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pay.db"
        self.url = self.admin = f"sqlite:///{self._file}"

    def begin(self, server: Server) -> None:
        eventually(self._shut)

    def _shut(self) -> bool:
        """False if somebody wrote meanwhile: then the header that counts is in the write-ahead log."""
        empty = "PRAGMA wal_checkpoint(TRUNCATE)"
        with self._connected() as connection:
            if connection.execute(empty).fetchone() != (0, 0, 0):
                return False
            self._mark(READ_BY_ALL)
            connection.execute(empty).fetchone()  # a new log: nobody relies on the header that was read before
        try:
            with self._connected() as connection:
                connection.execute("BEGIN IMMEDIATE")
        except peewee.sqlite3.OperationalError as error:
            return str(error) in self.words
        return False

    def _connected(self) -> contextlib.closing[Any]:
        return contextlib.closing(peewee.sqlite3.connect(self._file, isolation_level=None))

    def end(self) -> None:
        self._mark(READ_AND_WRITTEN)

    def _mark(self, write_version: bytes) -> None:
        with self._file.open("r+b") as file:
            file.seek(18)
            file.write(write_version)


class Spoilt:
    """What somebody does to a MariaDB server, and how it is undone. The shop is a user without the right to go on."""

    certain = True

    def __init__(self, mariadb: MariaDb, begin: str, end: str, words: str, reads: set[int]) -> None:
        self._port = mariadb.port
        self._begin, self._end = begin, end
        self.words, self.reads = (words,), reads
        self.admin = mariadb.create()
        self.url = self.admin.replace("root:", "shop:shop")
        self._do(f"CREATE OR REPLACE USER {SHOP} IDENTIFIED BY 'shop'")
        self._do(f"GRANT ALL ON {self.admin.rpartition('/')[2]}.* TO {SHOP}")

    def begin(self, server: Server) -> None:
        self._do(self._begin)

    def end(self) -> None:
        self._do(self._end)

    def _do(self, statements: str) -> None:
        with contextlib.closing(pymysql.connect(host="127.0.0.1", port=self._port, user="root")) as connection:
            for statement in statements.split(";"):
                connection.cursor().execute(statement)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path | None]:
    """A folder on a small disk; None where nothing may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not MAY_MOUNT:
        yield None
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def full_sqlite(small: Path | None, tmp_path: Path) -> Trouble:
    """The disk is full or, where nothing may be mounted, the server's files may not grow."""
    if small is None:
        return UsedUpQuota(tmp_path)
    return FullDisk(small, f"sqlite:///{small / 'pay.db'}", "database or disk is full")


@pytest.fixture
def read_only_sqlite(tmp_path: Path) -> Trouble:
    return ReadOnlyFile(tmp_path)


@pytest.fixture
def full_mariadb(small: Path, mariadb: MariaDb) -> Iterator[Trouble]:
    """The disk under all that a server of its own has."""
    server = MariaDb(small)
    yield FullDisk(small, server.create(), "is full")
    server.close()


@pytest.fixture
def read_only_mariadb(mariadb: MariaDb) -> Iterator[Trouble]:
    """``read_only``, as on a replica."""
    trouble = Spoilt(mariadb, "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "--read-only", {200})
    yield trouble
    trouble.end()


@pytest.fixture
def crowded_mariadb(mariadb: MariaDb) -> Trouble:
    """Of the pool's sixteen connections the server gives out one."""
    limit = f"ALTER USER {SHOP} WITH MAX_USER_CONNECTIONS"
    return Spoilt(mariadb, f"{limit} 1;KILL USER shop", f"{limit} 0", "max_user_connections", {200, 503})


@pytest.fixture(params=TROUBLES)
def trouble(request: pytest.FixtureRequest) -> Trouble:
    found: Trouble = request.getfixturevalue(request.param.replace("-", "_"))
    return found


class Wishes:
    """Orders that are asked for until there are enough refusals, and again until every one is made, once."""

    def __init__(self, sale: Sale) -> None:
        self._buyer = sale.buyer
        self.refused: Counter[str] = Counter()
        self.made: dict[int, str] = {}
        self.count = 0

    def until_refused(self, crowd: ThreadPoolExecutor) -> bool:
        keys = range(self.count, self.count + AT_ONCE)
        self.count += AT_ONCE
        list(crowd.map(self.ask, keys))
        return self.refused.total() >= MANY

    def until_made(self, crowd: ThreadPoolExecutor) -> bool:
        return all(crowd.map(self.ask, range(self.count)))

    def ask(self, key: int) -> bool:
        reply = order(self._buyer, key)
        if reply.status_code in (200, 201):
            assert self.made.setdefault(key, reply.json()["order_no"]) == reply.json()["order_no"]
            return True
        self.refused[refused(reply)] += 1
        return False


def test_nothing_can_be_written(trouble: Trouble, tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, trouble.admin) as fleet, ThreadPoolExecutor(AT_ONCE) as crowd:
        server = fleet.start(MERCHANT_API_KEY=KEY, DATABASE_URL=trouble.url, **V3.environ)
        server.expect_log(*DATABASE_AWAY)
        sales = [Sale.begun(server, fleet.tables) for _ in range(PAID)]
        payments, wishes = [sale.buyer.prepay(sale.order_no) for sale in sales], Wishes(sales[0])
        trouble.begin(server)
        eventually(lambda: wishes.until_refused(crowd))
        assert {sale.buyer.cashier(payment) for sale, payment in zip(sales, payments, strict=True)} == {
            "requestPayment:ok"
        }
        eventually(lambda: len(answers(fleet)) >= PAID)
        acknowledged = answers(fleet).count(204)
        assert set(answers(fleet)) <= {204, *REFUSED}
        assert fleet.tables.one("SELECT COUNT(*) FROM notifications") >= acknowledged
        assert {sale.buyer.call("GET", f"/api/orders/{sale.order_no}").status_code for sale in sales} <= trouble.reads
        assert set(wishes.made.values()) <= {row[0] for row in fleet.tables.rows("SELECT order_no FROM orders")}
        assert any(words in server.process.text() for words in trouble.words)
        assert not (trouble.certain and "a commit is still unknown" in server.process.text())
        told = f"{wishes.refused}, {len(wishes.made)} made; {acknowledged} of {PAID} notifications acknowledged"

        trouble.end()
        eventually(lambda: wishes.until_made(crowd))
        simulator.post("clock", advance_seconds=16)  # a notification comes again after fifteen
        for sale in sales:
            sale.buyer.becomes(sale.order_no, "paid")
        assert fleet.tables.one("SELECT COUNT(*) FROM orders") == wishes.count + PAID
        check_money(fleet.tables, ledger_of(fleet))
    print(f"{trouble.words[0]}: orders refused as {told}")


def answers(fleet: Fleet) -> list[int]:
    """The statuses that WeChat saw in answer to its notifications."""
    return [one["status"] for delivery in ledger_of(fleet)["deliveries"] for one in delivery["tries"]]
