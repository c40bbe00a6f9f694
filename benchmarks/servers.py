"""The processes of a measurement: each is started when it is its turn, looked at from outside, and stopped."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.keys import Merchant
from tests.databases import MariaDb, Tables, connect
from tests.processes import Process, eventually, free_port

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
BUSY = 0.05  # of one core: less is idle
LISTENING = "0A"  # /proc/net/tcp


class Machine:
    """What every measurement shares: the merchant, the gateway stub, a MariaDB server if one is wanted."""

    def __init__(self, folder: Path, *, mariadb: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.merchant = Merchant(folder / "merchant")
        self.mariadb = _mariadb(folder) if mariadb else None
        port = free_port()
        self.gateway = f"https://127.0.0.1:{port}"
        self.stub = Served(folder, "stub", [sys.executable, "-m", "benchmarks.stub"], port, 1, self.at_hand())
        self.stub.start()

    def at_hand(self) -> dict[str, str]:
        """For the benchmarks' own processes."""
        return {"MERCHANT": str(self.merchant.folder)}

    def database(self, kind: str, name: str) -> str:
        """The URL of an empty database; on MariaDB it may be there from before, and is made anew."""
        if kind == "sqlite":
            for end in ("", "-wal", "-shm"):
                (self.folder / f"{name}.db{end}").unlink(missing_ok=True)
            return f"sqlite:///{self.folder / name}.db"
        assert self.mariadb
        with contextlib.closing(connect(self.mariadb.port)) as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")
            connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"mysql://root:@127.0.0.1:{self.mariadb.port}/{name}"

    def close(self) -> None:
        self.stub.stop()
        if self.mariadb:
            self.mariadb.close()


def _mariadb(folder: Path) -> MariaDb:
    """As it is installed, durable; it counts the commits that wrote something."""
    place = folder / "mariadb"
    place.mkdir()
    usual = ("--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M")
    return MariaDb(place, *usual, "--innodb-monitor-enable=trx_rw_commits")


class Served:
    """One server: its processes share a port."""

    def __init__(
        self,
        folder: Path,
        name: str,
        command: list[str],
        port: int,
        processes: int,
        environ: dict[str, str],
        listeners: int = 1,
    ) -> None:
        """``listeners``: sockets that listen once all of them do."""
        self.port = port
        self._listeners = listeners
        self.log = folder / f"{name}.log"
        settings = {"PORT": str(port), "PROCESSES": str(processes), **environ}
        self._process = Process(command, self.log, settings, fresh=True)

    def start(self) -> None:
        """Returns when all of them listen, the first request is answered, and nothing is done any more."""
        self.log.unlink(missing_ok=True)
        self._process.start(lambda: _listeners(self.port) >= self._listeners)

    def settle(self, path: str) -> None:
        eventually(lambda: _answers(self.port, path))
        eventually(self._idle, pause=0)

    def _idle(self) -> bool:
        before = cpu_seconds(self.pids())
        time.sleep(0.3)
        return cpu_seconds(self.pids()) - before < 0.3 * BUSY

    def pids(self) -> list[int]:
        assert self._process.child
        return family(self._process.child.pid)

    def stop(self) -> None:
        if self._process.alive:
            self._process.stop()
        self._process.kill()  # what a parent without manners left behind

    def text(self) -> str:
        return self._process.text()


# --- what /proc says ---


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(each) for each in (task / "children").read_text("ascii").split()]
    return [pid, *(each for child in children for each in family(child))]


def cpu_seconds(pids: list[int]) -> float:
    """User and system time together, of all threads."""
    return sum(_cpu(pid) for pid in pids)


def _cpu(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def resident_mb(pids: list[int]) -> float:
    """Of the largest of them."""
    return max(int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in pids) * PAGE / 1e6


def _listeners(port: int) -> int:
    """Sockets that listen on it: a shared port has one a process."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in rows)


def _answers(port: int, path: str) -> bool:
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 500
        except (OSError, HTTPException):
            return False


# --- what a database says ---


def commits(url: str) -> int:
    """Units that wrote something, so far, by whomever.

    SQLite counts them in the header of its WAL index (iChange, sqlite.org/walformat.html), which every connection
    shares; MariaDB in ``trx_rw_commits``.
    """
    if url.startswith("sqlite"):
        with contextlib.suppress(OSError), Path(url.removeprefix("sqlite:///") + "-shm").open("rb") as index:
            return int(struct.unpack_from("=I", index.read(12), 8)[0])
        return 0
    return int(Tables(url).one("SELECT count FROM information_schema.innodb_metrics WHERE name = 'trx_rw_commits'"))
