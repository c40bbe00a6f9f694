"""Real processes for tests: the simulator, the server on a real database, and a buyer that speaks HTTP.

Nothing is patched. Every process logs to a file, which is searched at its end: a warning that nobody expected fails
the test, and so does a secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import peewee
import pymysql

from models import invariants

ROOT = Path(__file__).resolve().parent.parent
# Everything here is plain HTTP on loopback; the default context reads every authority of the machine, 20 ms a client.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
LOUD = re.compile(r" (WARNING|ERROR|CRITICAL) |Traceback")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], seconds: float = 10, pause: float = 0.05) -> Any:
    """What ``check`` returns once it is true. Fails with the last value if it never is."""
    until = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < until, f"still {value!r} after {seconds} s"
        time.sleep(pause)


@dataclass
class Process:
    """A child in a session of its own, logging to a file."""

    command: list[str]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool], seconds: float = 15) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WECHAT_", "DATABASE_URL", "PAY_"))}
        with self.log.open("ab") as out:
            self.child = subprocess.Popen(
                self.command, cwd=ROOT, env={**clean, **self.environ}, stdout=out, stderr=out, start_new_session=True
            )
        until = time.monotonic() + seconds
        while not ready():
            ended = self.child.poll()
            assert ended is None, f"ended with {ended}:\n{self.text()}"
            assert time.monotonic() < until, f"not ready after {seconds} s:\n{self.text()}"
            time.sleep(0.03)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(20)

    def kill(self) -> None:
        """SIGKILL to it and to its children."""
        assert self.child is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(10)

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, verify=NO_TLS).status_code == 200
    except httpx.TransportError:
        return False


class Simulator:
    """WeChat's stand-in, in a process of its own."""

    def __init__(self, folder: Path, *options: str, data: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "simulator", "--port", str(self.port), *options]
        if data is not None:
            command += ["--data", str(data)]
        self.process = Process(command, folder / f"simulator-{self.port}.log")
        self.http = httpx.Client(base_url=self.url, timeout=15, verify=NO_TLS)
        self.process.start(lambda: _answers(f"{self.url}/_sim/merchant"))
        self.merchant: dict[str, str] = self.get("merchant")

    def get(self, control: str) -> Any:
        reply = self.http.get(f"/_sim/{control}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def post(self, control: str, **body: Any) -> Any:
        reply = self.http.post(f"/_sim/{control}", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def put(self, control: str, body: Any) -> Any:
        reply = self.http.put(f"/_sim/{control}", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def clear_faults(self) -> None:
        self.http.delete("/_sim/faults")

    def quiet(self) -> bool:
        """No notification is under way or due."""
        state = self.get("state")
        return state["in_flight"] == 0 and state["due"] == 0

    def stop(self) -> None:
        """The gateway goes away. What it knew is kept if it has a ``data`` folder."""
        assert self.process.stop() == 0, self.process.text()

    def start(self) -> None:
        """The gateway comes back, at the same address."""
        self.process.start(lambda: _answers(f"{self.url}/_sim/merchant"))

    def close(self) -> None:
        self.http.close()
        if self.process.alive:
            self.process.stop()


@dataclass(frozen=True)
class Api:
    """One way to be configured: the generation of new payments and, for v2, its signature."""

    name: str
    generation: str
    sign_type: str = "MD5"

    @property
    def environ(self) -> dict[str, str]:
        return {"WECHAT_PAY_API": self.generation, "WECHAT_V2_SIGN_TYPE": self.sign_type}

    @property
    def adapter(self) -> str:
        return f"wechat_{self.generation}"


V2_MD5 = Api("v2-md5", "v2", "MD5")
V2_HMAC = Api("v2-hmac", "v2", "HMAC-SHA256")
V3 = Api("v3", "v3")
APIS = (V2_MD5, V2_HMAC, V3)


class Server:
    """The server as it is started in life: ``python server.py`` with an environment."""

    def __init__(self, folder: Path, simulator: Simulator, database_url: str, port: int | None = None, **environ: str):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator = simulator
        self.database_url = database_url
        self.environ = {
            "PORT": str(self.port),
            "PUBLIC_URL": self.url,
            "SIMULATOR_URL": simulator.url,
            "DATABASE_URL": database_url,
            **environ,
        }
        self.process = Process([sys.executable, "server.py"], folder / f"server-{self.port}.log", self.environ)
        self.expected: list[str] = []
        self.tokens: list[str] = []
        self.http = httpx.Client(base_url=self.url, timeout=15, verify=NO_TLS)

    def start(self) -> Server:
        self.process.start(lambda: _answers(f"{self.url}/readyz"))
        return self

    def restart(self, **environ: str) -> None:
        assert self.process.stop() == 0
        self.process.environ.update(environ)
        self.start()

    def expect_log(self, *patterns: str) -> None:
        """A warning that matches one of these is no surprise."""
        self.expected += patterns

    def surprises(self) -> list[str]:
        """Log lines that nobody expected, and secrets in any line or in any row of the database."""
        text = self.process.text()
        loud = [line for line in text.splitlines() if LOUD.search(line)]
        unexpected = [line for line in loud if not any(re.search(pattern, line) for pattern in self.expected)]
        rows = str(Tables(self.database_url).snapshot())
        spilled = [secret for secret in self.secrets() if secret in text or secret in rows]
        return unexpected + [f"a secret is out: {secret[:6]}..." for secret in spilled]

    def secrets(self) -> list[str]:
        """What no log and no table may hold: the merchant's keys, line by line, and the tokens of its buyers."""
        merchant = self.simulator.merchant
        keys = [merchant[name] for name in ("app_secret", "v2_api_key", "v3_api_key")]
        private = [line for line in merchant["merchant_private_key"].splitlines() if len(line) == 64]
        return [*keys, *private, *self.tokens]

    def end(self) -> int:
        """Stop it if it still runs; its exit code."""
        self.http.close()
        if self.process.alive:
            return self.process.stop()
        return self.process.child.returncode if self.process.child else 0

    def close(self) -> None:
        self.http.close()
        if self.process.alive:
            assert self.process.stop() == 0, self.process.text()


class Buyer:
    """A mini-program's user: one openid, one token."""

    def __init__(self, server: Server, openid: str | None = None) -> None:
        self.server = server
        self.openid = openid or "o" + uuid.uuid4().hex[:27]
        code = server.simulator.post("login", openid=self.openid)["code"]
        self.token = server.http.post("/api/login", json={"code": code}).json()["token"]
        server.tokens.append(self.token)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.server.http.request(method, path, headers=headers, **more)

    def order(self, product: str | None = None, quantity: int = 1) -> dict[str, Any]:
        product = product or self.server.http.get("/api/products").json()["products"][0]["id"]
        reply = self.call("POST", "/api/orders", json={"items": [{"product_id": product, "quantity": quantity}]})
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    def prepay(self, order_no: str) -> dict[str, str]:
        reply = self.call("POST", f"/api/orders/{order_no}/pay")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def cashier(self, payment: dict[str, str], outcome: str = "ok") -> str:
        return str(self.server.simulator.post("pay", **payment, outcome=outcome)["errMsg"])

    def pay(self, order_no: str) -> None:
        assert self.cashier(self.prepay(order_no)) == "requestPayment:ok"

    def read(self, order_no: str) -> dict[str, Any]:
        reply = self.call("GET", f"/api/orders/{order_no}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def status(self, order_no: str) -> str:
        return str(self.read(order_no)["status"])

    def becomes(self, order_no: str, status: str, seconds: float = 10) -> None:
        eventually(lambda: self.status(order_no) == status, seconds)


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
            match = re.fullmatch(r"mysql://(\w+):(\w*)@([\d.]+):(\d+)/(\w+)", self.url)
            assert match
            user, password, host, port, name = match.groups()
            connection = pymysql.connect(host=host, port=int(port), user=user, password=password, database=name)
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
        """Every row of every table: to show that nothing was changed."""
        return {
            name: self.rows(f"SELECT * FROM {name} ORDER BY id") for name in self.names() if name != "sqlite_sequence"
        }

    def change(self, sql: str) -> None:
        """One statement by hand, for what a test cannot wait for: the age of a row."""
        with self.connect() as connection:
            connection.cursor().execute(sql)


class MariaDb:
    """A MariaDB server of the tests' own, durable, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        data, user = folder / "data", ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                *user,
            ],
            check=True,
            capture_output=True,
        )
        command = [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={folder / 'db.sock'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={folder / 'db.pid'}",
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-size=64M",
            *user,
        ]
        self.process = Process(command, folder / "mariadbd.log")
        self.start()

    def start(self) -> None:
        self.process.start(self._up, 30)

    @staticmethod
    def installed() -> bool:
        found = shutil.which("mariadbd") or Path("/usr/sbin/mariadbd").exists()
        return bool(found and shutil.which("mariadb-install-db"))

    def _up(self) -> bool:
        try:
            pymysql.connect(host="127.0.0.1", port=self.port, user="root", password="").close()
        except pymysql.err.OperationalError:
            return False
        return True

    def create(self) -> str:
        """A fresh, empty database; its URL."""
        name = f"t{uuid.uuid4().hex[:12]}"
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", password="")
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        connection.close()
        return f"mysql://root:@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self.process.stop()


def broken_invariants(tables: Tables, simulator: Simulator) -> dict[str, list[tuple[Any, ...]]]:
    """The invariants of ``models.invariants`` that do not hold, with the rows that break them.

    What the gateway knows goes into temporary tables, which only this connection sees: ours stay as they are.
    """
    ledger, exchanges = simulator.get("ledger"), simulator.get("exchanges")["exchanges"]
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
