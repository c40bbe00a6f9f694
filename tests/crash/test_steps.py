"""``kill -9`` at every step of an order's life: before each row, before and after each COMMIT, each call to the
gateway, each answer. Then the process is started again, the client goes on, the jobs have their turn, and every fen is
compared."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.crash.lives import cancelled, paid_and_given_back
from tests.crash.rounds import ROUNDS, SEED
from tests.crash.shop import DAYS, Life, Shop
from tests.crash.steps import HELD_AT_MOST, Step
from tests.databases import MariaDb
from tests.faults.crowd import SLOW, come_to_rest, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import V3, Simulator
from tests.processes import PATIENCE

TOGETHER = 4  # lives that one kill ends, each held at a step of its own
Group = list[tuple[Life, Step]]


@pytest.fixture
def fleet(tmp_path: Path, simulator: Simulator, mariadb: MariaDb) -> Iterator[Fleet]:
    with Fleet(tmp_path, simulator, mariadb.create()) as fleet:
        yield fleet


@dataclass
class Plan:
    """The steps of each life. While a notification is held the others wait, so there is one in a group, and last."""

    steps: dict[Life, list[Step]] = field(default_factory=dict)

    def record(self, shop: Shop, life: Life) -> None:
        shop.trap.set(None)
        shop.play(life)
        seen = list(shop.trap.seen)
        begun = max((_alike(seen, before) for before in self.steps.values()), default=0)
        self.steps[life] = seen[begun:]

    def groups(self, dice: random.Random) -> list[Group]:
        free, waited_for = [], []
        for life, steps in self.steps.items():
            notified = False
            for step in steps:
                notified = step.is_notification or (notified and step.wire == "database")
                (waited_for if notified else free).extend((life, moment) for moment in step.moments)
        dice.shuffle(free)
        dice.shuffle(waited_for)
        size = max(TOGETHER - 1, -(-len(free) // len(waited_for)))
        dealt = [free[at : at + size] for at in range(0, len(free), size)]
        last = [[one] for one in waited_for]
        return [[*first, *second] for first, second in zip_longest(dealt, last, fillvalue=[])]


def killed_at(shop: Shop, crowd: ThreadPoolExecutor, group: Group) -> Group:
    """Play each as far as its step, kill once, play them to their end. What is to be played again, alone: it came too
    late, and one held before it went on without an answer, or kept it waiting."""
    under_way: list[Future[None]] = []
    for life, step in group:
        shop.trap.set(step)
        under_way.append(crowd.submit(shop.play, life))
        patience = PATIENCE if group == [(life, step)] else HELD_AT_MOST
        if not shop.trap.reached.wait(patience):
            assert len(group) > 1, f"{step} of {life.__name__} was not reached"
            break
    shop.trap.set(None)
    met = shop.kill()
    shop.server.start()
    shop.fleet.simulator.post("clock", advance_seconds=16)  # a notification comes again after fifteen
    for one in under_way:
        one.result(PATIENCE)
    return [(life, step) for life, step in group if not _taken(met, step)]


def _alike(one: list[Step], other: list[Step]) -> int:
    """How many steps at the beginning are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _taken(steps: list[Step], step: Step) -> bool:
    """Two lives of a group can have a step of the same name."""
    if step not in steps:
        return False
    steps.remove(step)
    return True


def test_each_step_of_the_server(fleet: Fleet, mariadb: MariaDb) -> None:
    shop, plan, dice = Shop(fleet, mariadb.port, ROLES="api,notify", **V3.environ), Plan(), random.Random(SEED)
    jobs = fleet.start(ROLES="jobs", **DAYS, **V3.environ)
    jobs.expect_log(*SLOW)
    fleet.settle()
    assert jobs.process.stop() == 0
    for life in (paid_and_given_back, cancelled):
        plan.record(shop, life)
    kills = points = 0
    with ThreadPoolExecutor(TOGETHER + 1) as crowd:
        for _ in range(ROUNDS):
            groups = plan.groups(dice)
            while groups:
                group = groups.pop()
                late = killed_at(shop, crowd, group)
                groups += [[one] for one in late]
                kills, points = kills + 1, points + len(group) - len(late)
            shop.trap.set(None)
            jobs.start()
            come_to_rest(fleet)
            check_money(fleet.tables, ledger_of(fleet))
            assert jobs.process.stop() == 0
    shop.close()
    steps = sum(len(steps) for steps in plan.steps.values())
    print(f"seed {SEED}: {steps} messages, {points} points in {ROUNDS} rounds, {kills} kills of the server")
