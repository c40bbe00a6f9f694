"""``kill -9`` at every step of what the jobs do by themselves: a payment nobody told of, an order past its time, a
refund that was not answered. Another runner goes on where the dead one was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.lives import Client, begun
from tests.crash.rounds import FULL, KINDS, ROUNDS, fresh
from tests.crash.shop import DAYS, Shop
from tests.crash.steps import Step
from tests.faults.crowd import KEY, PRICE, SLOW, come_to_rest, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import Api, Server, Simulator
from tests.processes import PATIENCE, eventually
from tests.sale import SILENCE

NEVER = 4_000_000_000  # epoch seconds
UNANSWERED = [*SILENCE, {"op": "v[23].refund", "fault": "drop_before", "count": 1}]


def paid_in_silence(client: Client) -> None:
    begun(client)
    client.pay()


def left(client: Client) -> None:
    begun(client)
    client.prepay()


def refund_unanswered(client: Client) -> None:
    paid_in_silence(client)
    client.sync()
    client.simulator.put("faults", UNANSWERED)
    assert client.give_back(PRICE) == "pending"
    client.simulator.put("faults", SILENCE)


@dataclass(frozen=True)
class Work:
    """What is left undone, the changes of rows that make it due, and how to see that it is done."""

    leave: Callable[[Client], None]
    due: tuple[str, ...]
    done: str


OF_THE_ORDER = "order_id = (SELECT id FROM orders WHERE order_no = '{}')"
WORKS = (
    Work(
        paid_in_silence,
        (f"UPDATE transactions SET ask_at = 1 WHERE {OF_THE_ORDER}",),
        "SELECT COUNT(*) FROM orders WHERE order_no = '{}' AND state = 'PAID'",
    ),
    Work(
        left,
        (
            f"UPDATE transactions SET created_at = created_at - 301 WHERE {OF_THE_ORDER}",  # v2: five minutes
            "UPDATE orders SET expires_at = 1 WHERE order_no = '{}'",
        ),
        "SELECT COUNT(*) FROM orders WHERE order_no = '{}' AND state = 'CLOSED'",
    ),
    Work(
        refund_unanswered,
        (f"UPDATE refunds SET ask_at = 1 WHERE {OF_THE_ORDER}",),
        f"SELECT COUNT(*) FROM refunds WHERE {OF_THE_ORDER} AND state = 'PROCESSING'",
    ),
)


@dataclass
class Scene:
    """A server that takes orders, and the runner that is killed."""

    fleet: Fleet
    front: Server
    jobs: Shop

    def leave(self, work: Work) -> str:
        """The order's number, its work due."""
        with closing(Client(self.front.url, self.fleet.simulator)) as client:
            work.leave(client)
        for change in work.due:
            self.fleet.tables.change(change.format(client.order_no))
        return client.order_no

    def steps(self, work: Work, idle: set[str]) -> list[Step]:
        """What a runner sends to do this work, without what each sends at its start."""
        order_no = self.leave(work)
        seen = self.run(lambda: bool(self.fleet.tables.one(work.done.format(order_no))))
        return [moment for step in seen if step.name not in idle for moment in step.moments]

    def run(self, done: Callable[[], bool]) -> list[Step]:
        """One runner, until that is done; what it sent."""
        self.jobs.trap.set(None)
        self.jobs.server.start()
        eventually(done)
        assert self.jobs.server.process.stop() == 0
        return list(self.jobs.trap.seen)

    def kill_at(self, work: Work, step: Step) -> None:
        """And nobody goes on with it for now."""
        self.leave(work)
        self.jobs.trap.set(step)
        self.jobs.server.start()
        assert self.jobs.trap.reached.wait(PATIENCE), f"{step} of {work.leave.__name__} was not reached"
        self.jobs.kill()
        for table in ("transactions", "refunds"):
            self.fleet.tables.change(f"UPDATE {table} SET ask_at = {NEVER} WHERE ask_at IS NOT NULL")
        self.fleet.tables.change(f"UPDATE orders SET expires_at = {NEVER} WHERE state IN ('CREATED', 'PAYING')")

    def rest(self) -> None:
        """One cycle of jobs, for all that was left."""
        self.fleet.simulator.clear_faults()
        self.fleet.tables.change("UPDATE orders SET expires_at = 1 WHERE state IN ('CREATED', 'PAYING')")
        self.jobs.trap.set(None)
        self.jobs.server.start()
        come_to_rest(self.fleet)
        assert self.jobs.server.process.stop() == 0
        self.fleet.simulator.put("faults", SILENCE)


@pytest.mark.parametrize(("kind", "api"), KINDS, ids=lambda each: str(getattr(each, "name", each)))
def test_each_step_of_the_jobs(
    kind: str, api: Api, request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator
) -> None:
    with Fleet(tmp_path, simulator, fresh(kind, request, tmp_path)) as fleet:
        front = fleet.start(ROLES="api,notify", MERCHANT_API_KEY=KEY, **DAYS, **api.environ)
        front.expect_log(*SLOW)
        jobs = Shop(fleet, ROLES="jobs", **api.environ)
        fleet.settle()
        assert jobs.server.process.stop() == 0
        idle = {step.name for step in jobs.trap.seen}
        simulator.put("faults", SILENCE)
        scene, points = Scene(fleet, front, jobs), 0
        plan = [(work, step) for work in WORKS for step in scene.steps(work, idle)]
        wanted = plan if FULL else [(work, step) for work, step in plan if not step.is_row][::6]
        for _ in range(ROUNDS):
            for work, step in wanted:
                scene.kill_at(work, step)
                points += 1
            scene.rest()
            check_money(fleet.tables, ledger_of(fleet))
        jobs.close()
    print(f"{kind}, {api.name}: {points} kills of the jobs in {ROUNDS} rounds, at {len(wanted)} of {len(plan)} steps")
