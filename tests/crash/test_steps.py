"""``kill -9`` at every step of an order's life: before each row, before and after each COMMIT, each call to the
gateway, each answer. Then the process is started again, the client goes on, the jobs have their turn, and every fen is
compared."""

from __future__ import annotations

import random
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.crash.lives import cancelled, paid_and_given_back, paid_and_refund_asked
from tests.crash.rounds import KINDS, ROUNDS, SEED, fresh
from tests.crash.shop import DAYS, Life, Shop
from tests.crash.steps import HELD_AT_MOST, Step
from tests.faults.crowd import SLOW, come_to_rest, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V3, Api, Simulator
from tests.processes import PATIENCE

TOGETHER = 4  # lives that one kill ends, each held at a step of its own
Group = list[tuple[Life, Step]]


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
        dealt = [free[at : at + TOGETHER - 1] for at in range(0, len(free), TOGETHER - 1)]
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


LIVES: dict[Api, tuple[Life, ...]] = {V3: (paid_and_given_back, cancelled), V2_HMAC: (paid_and_refund_asked, cancelled)}


@pytest.mark.parametrize(("kind", "api"), KINDS, ids=lambda each: str(getattr(each, "name", each)))
def test_each_step_of_the_server(
    kind: str, api: Api, request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator
) -> None:
    with Fleet(tmp_path, simulator, fresh(kind, request, tmp_path)) as fleet:
        told = killed_at_each_step(fleet, api)
    print(f"seed {SEED}, {kind}, {api.name}: {told}")


def killed_at_each_step(fleet: Fleet, api: Api) -> str:
    """In so many rounds; what was done."""
    shop, plan, dice = Shop(fleet, ROLES="api,notify", **api.environ), Plan(), random.Random(SEED)
    jobs = fleet.start(ROLES="jobs", **DAYS, **api.environ)
    jobs.expect_log(*SLOW)
    fleet.settle()
    assert jobs.process.stop() == 0
    for life in LIVES[api]:
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
    return f"{steps} messages, {points} points in {ROUNDS} rounds, {kills} kills of the server"
