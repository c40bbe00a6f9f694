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


def test_a_backup_that_is_put_back(tmp_path: Path, simulator: Simulator, database_url: str) -> None:
    keeper = Keeper(tmp_path / "backups", database_url)
    with Fleet(tmp_path, simulator, database_url) as fleet:
        server = fleet.start(MERCHANT_API_KEY=KEY, **V3.environ)
        fleet.settle()
        tables, day = fleet.tables, today(simulator)

        # What the backup knows: a payment, one whose refund is under way, an attempt, an order.
        whole, going_back, twice = bought(server), bought(server), bought(server)
        assert refund(server, going_back, 300) == 201
        begun, buyer = Sale.begun(server, tables), Buyer(server)
        ordered, forgotten = (buyer.order("latte")["order_no"] for _ in range(2))
        keeper.run("back up")
        assert all(kept.stat().st_mode & 0o077 == 0 for kept in (tmp_path / "backups").glob("pay.*"))

        # What happens afterwards. The gateway hears all of it, and so did the server.
        begun.buyer.pay(begun.order_no)
        begun.buyer.becomes(begun.order_no, "paid")
        for number in (ordered, forgotten):
            buyer.pay(number)
            buyer.becomes(number, "paid")
        lost = bought(server)
        assert refund(server, whole, 100) == 201
        assert refund(server, twice, 200, refund_no="N1") == 201
        simulator.post("clock", advance_seconds=10)
        for number in (whole, going_back, twice):
            eventually(lambda number=number: {state for state, _ in refunds(server, number)} == {"success"})
        simulator.put("faults", SILENCE)
        unheard = Sale.unnoticed(server, tables)

        assert server.process.stop() == 0
        keeper.run("restore")
        for table in ("transactions", "refunds"):  # the backup is an hour old: nothing of it is asked about later
            tables.change(f"UPDATE {table} SET ask_at = ask_at - 3600 WHERE ask_at IS NOT NULL")
        server.start()

        # One cycle: what the backup knows is as the gateway has it.
        begun.buyer.becomes(begun.order_no, "paid")
        assert begun.fulfilments() == 1
        eventually(lambda: refunds(server, going_back) == [("success", 300)])
        assert buyer.status(ordered) == buyer.status(forgotten) == "pending"
        assert refunds(server, whole) == []
        assert refund(server, twice, 200, refund_no="N1") == 201  # under the number that it had at the gateway
        eventually(lambda: refunds(server, twice) == [("success", 200)])

        # Nobody pays an order twice: the attempt that was lost is made again under its number, and found paid.
        again = buyer.call("POST", f"/api/orders/{ordered}/pay")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "order_paid")
        assert buyer.status(ordered) == "paid"

        # What it does not know is told again, or stands in the bill of the day.
        server.expect_log("discrepancy kind=(UNKNOWN_ORDER|EXTERNAL_REFUND)")
        assert unheard.notify() == (204, "acknowledged")
        assert [row[0] for row in unheard.money()] == ["UNKNOWN_ORDER"]
        next_morning(simulator)
        code, said = reconcile(server, day)
        assert (code, said.startswith(f"{day}: 11 lines"), said.split(", ")[-1]) == (3, True, "2 differences")
        found = tables.rows("SELECT kind FROM discrepancies ORDER BY kind")
        assert [row[0] for row in found] == ["BILL_UNKNOWN", "BILL_UNKNOWN", "EXTERNAL_REFUND", "UNKNOWN_ORDER"]
        assert refunds(server, whole) == [("success", 100)]
        assert refund(server, whole, PRICE) == 409  # of what was given back in the lost hour, nothing goes back twice
        states = dict(tables.rows("SELECT order_no, state FROM orders"))
        assert lost not in states
        assert states[ordered] == "PAID"
        assert states[begun.order_no] == states[whole] == states[going_back] == states[twice] == "PAID"
        paid = tables.rows("SELECT disposition, COUNT(*) FROM payments GROUP BY disposition ORDER BY disposition")
        assert paid == [("APPLIED", 5), ("UNKNOWN_ORDER", 1)]
