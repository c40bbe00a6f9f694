"""Two job runners; one is stopped between its question to WeChat and what it writes, until long after its lease. The
other does the work meanwhile. When the first goes on, what it knows is old, and nothing is done twice with effect."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.proxy import Http, Wire
from tests.databases import MariaDb
from tests.faults.crowd import KEY, MERCHANT, PRICE, come_to_rest, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import V3, Simulator
from tests.processes import PATIENCE, Process, eventually
from tests.sale import Sale

QUESTION = "GET /v3/refund/domestic/refunds/{no}"  # asked before a refund is sent again, and after it was refused
ANSWERS = [  # to the refund: the server's call is lost, the first runner's refused, the second's done and not heard of
    {"op": "v3.refund", "fault": "drop_before", "count": 1},
    {"op": "v3.refund", "fault": "error", "count": 1},
    {"op": "v3.refund", "fault": "drop_reply_after_commit", "count": 1},
]


class Hold:
    """Holds the answer to the second question until it is let go."""

    def __init__(self) -> None:
        self._answers = 0
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, moment: str, name: str) -> int | None:
        self._answers += (moment, name) == ("after", QUESTION)
        if self._answers == 2 and not self.reached.is_set():
            self.reached.set()
            self.let_go.wait()
        return None


class Runner(Process):
    """``python cli.py jobs``."""

    def stopped(self) -> None:
        assert self.child
        self.child.send_signal(signal.SIGSTOP)

    def goes_on(self) -> None:
        assert self.child
        self.child.send_signal(signal.SIGCONT)


@pytest.fixture
def fleet(tmp_path: Path, simulator: Simulator, mariadb: MariaDb) -> Iterator[Fleet]:
    with Fleet(tmp_path, simulator, mariadb.create()) as fleet:
        yield fleet


@contextmanager
def runner(fleet: Fleet, name: str, gateway: str) -> Iterator[Runner]:
    """Runs until it is stopped; has nothing to do yet."""
    environ = {"DATABASE_URL": fleet.tables.url, "SIMULATOR_URL": gateway, **V3.environ}
    one = Runner([sys.executable, "cli.py", "jobs"], fleet.folder / f"{name}.log", environ)
    one.start(lambda: True)
    try:
        yield one
        assert one.stop() == 0, one.text()
    finally:
        one.kill()


def refund_of(fleet: Fleet) -> tuple[str, int]:
    state, asked = fleet.tables.rows("SELECT state, asked FROM refunds")[0]
    return state, asked


def due(fleet: Fleet) -> None:
    """The lease is over."""
    fleet.tables.change("UPDATE refunds SET ask_at = 1")


def test_a_refusal_that_is_written_late(fleet: Fleet, simulator: Simulator) -> None:
    server = fleet.start(ROLES="api,notify", MERCHANT_API_KEY=KEY, **V3.environ)
    sale = Sale.begun(server, fleet.tables)
    sale.buyer.pay(sale.order_no)
    sale.buyer.becomes(sale.order_no, "paid")
    wire, answer = Wire(simulator.port, Http), Hold()
    with runner(fleet, "first", wire.url) as first, runner(fleet, "second", simulator.url) as second:
        second.stopped()
        wire.watch = answer
        simulator.put("faults", ANSWERS)
        asked = {"amount_fen": PRICE, "reason": "late", "refund_no": "late-1"}
        reply = server.http.post(f"/merchant/orders/{sale.order_no}/refunds", json=asked, headers=MERCHANT)
        assert (reply.status_code, refund_of(fleet)) == (201, ("UNKNOWN", 1))
        due(fleet)
        assert answer.reached.wait(PATIENCE)  # refused, and the first runner does not know it yet
        first.stopped()
        answer.let_go.set()
        due(fleet)
        second.goes_on()
        eventually(lambda: refund_of(fleet) == ("UNKNOWN", 3) and spent(simulator))
        first.goes_on()
        eventually(lambda: "too late" in first.text())
        assert refund_of(fleet) == ("UNKNOWN", 3)
        come_to_rest(fleet)
        assert refund_of(fleet)[0] == "SUCCESS"
    wire.close()
    check_money(fleet.tables, ledger_of(fleet))


def spent(simulator: Simulator) -> bool:
    """Every answer of the plan has been given."""
    return [rule["struck"] for rule in simulator.get("faults")["rules"]] == [1] * len(ANSWERS)
