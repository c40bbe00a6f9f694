"""Real processes for tests: the simulator, the server on a real database, and a buyer that speaks HTTP.

Nothing is patched. Every process logs to a file, which is searched at its end: a warning that nobody expected fails
the test, and so does a secret.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import shutil
import ssl
import sys
import tempfile
import uuid
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import httpx
import pymysql

from tests import preloaded
from tests.databases import Tables
from tests.processes import PATIENCE, Process, clean_environ, eventually, free_port

# Everything here is plain HTTP on loopback; the default context reads every authority of the machine, 20 ms a client.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Tests log in more often than people do; test_limits.py is for the limits.
LIMITED = ("LOGINS", "ALL_LOGINS", "ORDERS", "PAYS", "SYNCS", "READS", "OPEN_ORDERS")
UNLIMITED = {f"LIMIT_{kind}": "0" for kind in LIMITED}
OURS = re.compile(r"mysql://root:@127\.0\.0\.1:\d+/t[0-9a-f]{12}$")  # a database that MariaDb.create has made
TEMPLATE = "migrated"
LOUD = re.compile(r" (WARNING|ERROR|CRITICAL) |Traceback")


class EmptyTables:
    """Tables as ``python cli.py migrate`` leaves them, made once for all SQLite files and once a MariaDB server: to
    migrate takes longer than a start."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._statements: dict[str, list[str]] = {}  # that make a copy, by the address of a MariaDB server

    def fill(self, url: str, simulator_url: str) -> None:
        """A database that has no tables yet, and that we may fill."""
        if url.startswith("sqlite"):
            file = Path(url.removeprefix("sqlite:///"))
            if not file.exists():
                shutil.copy(self._made(simulator_url), file)
        elif OURS.match(url):
            with contextlib.suppress(pymysql.err.OperationalError):  # away: the server is to find that out
                self._copy(Tables(url), simulator_url)

    def _copy(self, tables: Tables, simulator_url: str) -> None:
        if tables.names():
            return
        server = tables.url.rpartition("/")[0]
        if server not in self._statements:
            self._statements[server] = self._dumped(server, simulator_url)
        with tables.connect() as connection:
            for statement in self._statements[server]:
                connection.cursor().execute(statement)

    def _made(self, simulator_url: str) -> Path:
        if self._file is None:
            folder = Path(tempfile.mkdtemp(prefix="tables-"))
            atexit.register(shutil.rmtree, folder)
            self._file = folder / "pay.db"
            _migrate(f"sqlite:///{self._file}", simulator_url)
        return self._file

    def _dumped(self, server: str, simulator_url: str) -> list[str]:
        Tables(f"{server}/mysql").rows(f"CREATE DATABASE {TEMPLATE} CHARACTER SET utf8mb4")
        template = Tables(f"{server}/{TEMPLATE}")
        _migrate(template.url, simulator_url)
        names = template.names()
        made = [str(template.rows(f"SHOW CREATE TABLE {name}")[0][1]) for name in names]
        filled = [name for name in names if template.one(f"SELECT COUNT(*) FROM {name}")]
        rows = [f"INSERT INTO {name} SELECT * FROM {TEMPLATE}.{name}" for name in filled]
        return ["SET FOREIGN_KEY_CHECKS = 0", *made, *rows]


def _migrate(url: str, simulator_url: str) -> None:
    environ = {"DATABASE_URL": url, "SIMULATOR_URL": simulator_url}
    done = preloaded.run([sys.executable, "cli.py", "migrate"], {**clean_environ(), **environ}, PATIENCE)
    assert done.returncode == 0, done.stderr


EMPTY_TABLES = EmptyTables()


def _answers(port: int, path: str) -> bool:
    """By hand: it is asked thirty times a start, and a client of httpx costs a millisecond each time."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


class Simulator:
    """WeChat's stand-in, in a process of its own."""

    def __init__(self, folder: Path, *options: str, data: Path | None = None, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "simulator", "--port", str(self.port), *options]
        if data is not None:
            command += ["--data", str(data)]
        self.process = Process(command, folder / f"simulator-{self.port}.log", environ)
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, verify=NO_TLS)
        self.process.start(lambda: _answers(self.port, "/_sim/merchant"))
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

    def newest_exchange(self) -> int:
        return int(self.get(f"exchanges?after={10**17}")["newest"])

    def quiet(self) -> bool:
        """No notification is under way or due."""
        state = self.get("state")
        return state["in_flight"] == 0 and state["due"] == 0

    def stop(self) -> None:
        """The gateway goes away. What it knew is kept if it has a ``data`` folder."""
        assert self.process.stop() == 0, self.process.text()

    def start(self) -> None:
        """The gateway comes back, at the same address."""
        self.process.start(lambda: _answers(self.port, "/_sim/merchant"))

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
            **UNLIMITED,
            **environ,
        }
        self.process = Process([sys.executable, "server.py"], folder / f"server-{self.port}.log", self.environ)
        self.expected: list[str] = []
        self.tokens: list[str] = []
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, verify=NO_TLS)

    def start(self) -> Server:
        EMPTY_TABLES.fill(self.database_url, self.simulator.url)
        self.process.start(lambda: _answers(self.port, "/readyz"))
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
        others = [value for name, value in self.environ.items() if name.endswith("_API_KEY_OTHER") and value]
        return [*keys, *others, *private, *self.tokens]

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

    def becomes(self, order_no: str, status: str) -> None:
        eventually(lambda: self.status(order_no) == status)
