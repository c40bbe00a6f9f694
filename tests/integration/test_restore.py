"""A backup is put back, and the gateway is asked for what it does not know (money.md F48), by the commands of
``docs/operations.md``: only paths, the database's name and the file's owner are others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import lacking
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Simulator
from tests.integration.test_reconciliation import next_morning, reconcile, today
from tests.processes import ROOT, eventually
from tests.sale import SILENCE, Sale

KEY = "merchant-key-of-the-tests-0123456789abcdef"
LOGIN = {"Authorization": f"Bearer {KEY}"}
PRICE = 2800


class Keeper:
    """Takes the backup and puts it back, as the page says."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        folder.mkdir()
        self._kind = "sqlite" if database_url.startswith("sqlite") else "mariadb"
        self._database = database_url.removeprefix("sqlite:///")
        if self._kind == "mariadb":
            user, port, self._database = re.fullmatch(r"mysql://(\w+):@127\.0\.0\.1:(\d+)/(\w+)", database_url).groups()
            (folder / ".my.cnf").write_text(f"[client]\nhost=127.0.0.1\nport={port}\nuser={user}\n")

    def run(self, what: str) -> None:
        page = (ROOT / "docs" / "operations.md").read_text("utf-8")
        shown = re.search(rf"<!-- commands: {what} {self._kind} -->\n```sh\n(.*?)```", page, re.DOTALL)
        assert shown, what
        tool = {"sqlite": "sqlite3", "mariadb": "mariadb-dump"}[self._kind]
        if not shutil.which(tool):
            lacking(f"{tool} is not installed: apt-get install sqlite3 mariadb-client")
        environ = {**os.environ, "HOME": str(self._folder)}
        subprocess.run(["sh", "-ec", self._here(shown[1])], env=environ, check=True, timeout=60)

    def _here(self, script: str) -> str:
        script = script.replace("/var/backups", str(self._folder)).replace("-o pay -g pay ", "")
        if self._kind == "sqlite":
            return script.replace("/var/lib/pay/var/pay.db", self._database)
        return re.sub(r"\bpay(?=[ ;])", self._database, script)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """One of this test's own: its clock goes on to the next day."""
    simulator = Simulator(tmp_path)
    yield simulator
    simulator.close()


def bought(server: Server) -> str:
    buyer = Buyer(server)
    number = str(buyer.order("latte")["order_no"])
    buyer.pay(number)
    buyer.becomes(number, "paid")
    return number


def refund(server: Server, order_no: str, amount_fen: int, **named: str) -> int:
    body = {"amount_fen": amount_fen, "reason": "退款", **named}
    return server.http.post(f"/merchant/orders/{order_no}/refunds", json=body, headers=LOGIN).status_code


def refunds(server: Server, order_no: str) -> list[tuple[str, int]]:
    listed = server.http.get(f"/merchant/orders/{order_no}/refunds", headers=LOGIN).json()["refunds"]
    return [(each["status"], each["amount_fen"]) for each in listed]


class Hour:
    """The last one before a database is lost: what the backup at its beginning knows, and what it does not."""

    def __init__(self, fleet: Fleet, simulator: Simulator) -> None:
        self.server = fleet.start(MERCHANT_API_KEY=KEY, **V3.environ)
        fleet.settle()
        self.tables, self.simulator, self.day = fleet.tables, simulator, today(simulator)

    def begins(self) -> None:
        """Payments, one whose refund is under way, an attempt, two orders."""
        self.whole, self.going_back, self.twice = (bought(self.server) for _ in range(3))
        assert refund(self.server, self.going_back, 300) == 201
        self.begun, self.buyer = Sale.begun(self.server, self.tables), Buyer(self.server)
        self.ordered, self.forgotten = (self.buyer.order("latte")["order_no"] for _ in range(2))

    def goes_on(self) -> None:
        """The gateway hears all of it, and so did the server."""
        self.begun.buyer.pay(self.begun.order_no)
        self.begun.buyer.becomes(self.begun.order_no, "paid")
        for number in (self.ordered, self.forgotten):
            self.buyer.pay(number)
            self.buyer.becomes(number, "paid")
        self.lost = bought(self.server)
        assert refund(self.server, self.whole, 100) == 201
        assert refund(self.server, self.twice, 200, refund_no="N1") == 201
        self.simulator.post("clock", advance_seconds=10)
        for number in (self.whole, self.going_back, self.twice):
            eventually(lambda number=number: {state for state, _ in refunds(self.server, number)} == {"success"})
        self.simulator.put("faults", SILENCE)
        self.unheard = Sale.unnoticed(self.server, self.tables)

    def is_lost(self, keeper: Keeper) -> None:
        assert self.server.process.stop() == 0
        keeper.run("restore")
        for table in ("transactions", "refunds"):  # the backup is an hour old: nothing of it is asked about later
            self.tables.change(f"UPDATE {table} SET ask_at = ask_at - 3600 WHERE ask_at IS NOT NULL")
        self.server.start()

    def is_asked_about(self) -> None:
        """One cycle: what the backup knows is as the gateway has it."""
        self.begun.buyer.becomes(self.begun.order_no, "paid")
        assert self.begun.fulfilments() == 1
        eventually(lambda: refunds(self.server, self.going_back) == [("success", 300)])
        assert self.buyer.status(self.ordered) == self.buyer.status(self.forgotten) == "pending"
        assert refunds(self.server, self.whole) == []
        assert refund(self.server, self.twice, 200, refund_no="N1") == 201  # under the number it had at the gateway
        eventually(lambda: refunds(self.server, self.twice) == [("success", 200)])

    def is_not_paid_again(self) -> None:
        """The attempt that was lost is made again under its number, and found paid."""
        again = self.buyer.call("POST", f"/api/orders/{self.ordered}/pay")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "order_paid")
        assert self.buyer.status(self.ordered) == "paid"

    def is_in_the_bill(self) -> None:
        """What the backup does not know is told again, or stands in the bill of the day."""
        self.server.expect_log("discrepancy kind=(UNKNOWN_ORDER|EXTERNAL_REFUND)")
        assert self.unheard.notify() == (204, "acknowledged")
        assert [row[0] for row in self.unheard.money()] == ["UNKNOWN_ORDER"]
        next_morning(self.simulator)
        code, said = reconcile(self.server, self.day)
        assert (code, said.startswith(f"{self.day}: 11 lines"), said.split(", ")[-1]) == (3, True, "2 differences")
        found = self.tables.rows("SELECT kind FROM discrepancies ORDER BY kind")
        assert [row[0] for row in found] == ["BILL_UNKNOWN", "BILL_UNKNOWN", "EXTERNAL_REFUND", "UNKNOWN_ORDER"]
        assert refunds(self.server, self.whole) == [("success", 100)]
        assert refund(self.server, self.whole, PRICE) == 409  # of what went back in the hour, nothing goes back twice


def test_a_backup_that_is_put_back(tmp_path: Path, simulator: Simulator, database_url: str) -> None:
    keeper = Keeper(tmp_path / "backups", database_url)
    with Fleet(tmp_path, simulator, database_url) as fleet:
        hour = Hour(fleet, simulator)
        hour.begins()
        keeper.run("back up")
        assert all(kept.stat().st_mode & 0o077 == 0 for kept in (tmp_path / "backups").glob("pay.*"))
        hour.goes_on()
        hour.is_lost(keeper)
        hour.is_asked_about()
        hour.is_not_paid_again()
        hour.is_in_the_bill()
        states = dict(fleet.tables.rows("SELECT order_no, state FROM orders"))
        assert hour.lost not in states
        known = (hour.ordered, hour.begun.order_no, hour.whole, hour.going_back, hour.twice)
        assert {states[number] for number in known} == {"PAID"}
        paid = "SELECT disposition, COUNT(*) FROM payments GROUP BY disposition ORDER BY disposition"
        assert fleet.tables.rows(paid) == [("APPLIED", 5), ("UNKNOWN_ORDER", 1)]
