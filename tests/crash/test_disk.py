"""The disk is full, or the database may only be read: every asker is told to come again, nothing is acknowledged that
is not committed, and when it is over the same server goes on where it was."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

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
SIZE = 8 << 20  # bytes
READ_BY_ALL, READ_AND_WRITTEN = b"\x03", b"\x02"  # https://sqlite.org/fileformat2.html#file_format_version_numbers


class Trouble(Protocol):
    """``words``: what the log then says, one of them."""

    url: str
    words: tuple[str, ...]

    def begin(self, server: Server) -> None: ...

    def end(self) -> None: ...


class FullDisk:
    """A small disk, which somebody else fills."""

    words: tuple[str, ...] = ("database or disk is full",)

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'pay.db'}"
        self._filler = folder / "filler"

    def begin(self, server: Server) -> None:
        with pytest.raises(OSError, match="No space left on device"):
            self._filler.write_bytes(bytes(2 * SIZE))

    def end(self) -> None:
        self._filler.unlink()


class UsedUpQuota:
    """No file of the server may grow: for a machine on which nothing may be mounted."""

    words: tuple[str, ...] = ("database or disk is full", "disk I/O error")

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'pay.db'}"
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

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pay.db"
        self.url = f"sqlite:///{self._file}"

    def begin(self, server: Server) -> None:
        eventually(self._shut)

    def _shut(self) -> bool:
        """False if somebody wrote meanwhile: then the header that counts is in the write-ahead log."""
        if self._do("PRAGMA wal_checkpoint(TRUNCATE)") != (0, 0, 0):
            return False
        self._mark(READ_BY_ALL)
        try:
            self._do("BEGIN IMMEDIATE")
        except peewee.sqlite3.OperationalError as error:
            return str(error) in self.words
        return False

    def _do(self, sql: str) -> tuple[int, ...] | None:
        with contextlib.closing(peewee.sqlite3.connect(self._file, isolation_level=None)) as connection:
            row: tuple[int, ...] | None = connection.execute(sql).fetchone()
            return row

    def end(self) -> None:
        self._mark(READ_AND_WRITTEN)

    def _mark(self, write_version: bytes) -> None:
        with self._file.open("r+b") as file:
            file.seek(18)
            file.write(write_version)


class ReadOnlyServer:
    """``read_only``, as on a replica, and a user without the right to write all the same."""

    words: tuple[str, ...] = ("--read-only",)

    def __init__(self, mariadb: MariaDb) -> None:
        self._port = mariadb.port
        url = mariadb.create()
        self.url = url.replace("root:", "shop:shop")
        name = url.rpartition("/")[2]
        self._do("CREATE OR REPLACE USER shop@'127.0.0.1' IDENTIFIED BY 'shop'")
        self._do(f"GRANT ALL ON {name}.* TO shop@'127.0.0.1'")

    def begin(self, server: Server) -> None:
        self._do("SET GLOBAL read_only = 1")

    def end(self) -> None:
        self._do("SET GLOBAL read_only = 0")

    def _do(self, sql: str) -> None:
        with contextlib.closing(pymysql.connect(host="127.0.0.1", port=self._port, user="root")) as connection:
            connection.cursor().execute(sql)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Trouble]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield UsedUpQuota(folder)
    else:
        yield FullDisk(folder)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["full-disk", "read-only-sqlite", "read-only-mariadb"])
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    if request.param == "full-disk":
        yield request.getfixturevalue("small")
    elif request.param == "read-only-sqlite":
        yield ReadOnlyFile(tmp_path)
    else:
        server = ReadOnlyServer(request.getfixturevalue("mariadb"))
        yield server
        server.end()


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
    with Fleet(tmp_path, simulator, trouble.url) as fleet, ThreadPoolExecutor(AT_ONCE) as crowd:
        server = fleet.start(MERCHANT_API_KEY=KEY, **V3.environ)
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
        assert {sale.buyer.call("GET", f"/api/orders/{sale.order_no}").status_code for sale in sales} == {200}
        assert set(wishes.made.values()) <= {row[0] for row in fleet.tables.rows("SELECT order_no FROM orders")}
        assert any(words in server.process.text() for words in trouble.words)
        told = f"{wishes.refused}, {len(wishes.made)} made; {acknowledged} of {PAID} notifications acknowledged"

        trouble.end()
        eventually(lambda: wishes.until_made(crowd))
        simulator.post("clock", advance_seconds=16)  # a notification comes again after fifteen
        for sale in sales:
            sale.buyer.becomes(sale.order_no, "paid")
        assert fleet.tables.one("SELECT COUNT(*) FROM orders") == wishes.count + PAID
        check_money(fleet.tables, ledger_of(fleet))
    print(f"{type(trouble).__name__}: orders refused as {told}")


def answers(fleet: Fleet) -> list[int]:
    """The statuses that WeChat saw in answer to its notifications."""
    return [one["status"] for delivery in ledger_of(fleet)["deliveries"] for one in delivery["tries"]]
