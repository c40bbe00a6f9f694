"""Requests of every kind over every route, from two users, the merchant and strangers: never a 5xx, never another
user's data, and the money adds up afterwards.

``make test`` sends a few thousand, ``make fuzz`` EXAMPLES: a fifth from openapi.json by schemathesis, the rest by dice.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.faults.crowd import SLOW
from tests.fleet import Fleet
from tests.fuzz.dice import Dice
from tests.fuzz.people import People
from tests.harness import Simulator
from tests.processes import PATIENCE
from tests.wire import send_all

EXAMPLES = int(os.environ.get("EXAMPLES", "5000"))
SEED = int(os.environ.get("SEED", "1"))
DOCUMENTED, DICED = EXAMPLES // 10, EXAMPLES * 4 // 10  # on SQLite, and again on MariaDB
AT_A_TIME = 500
MOST_HEADERS = 16 * 1024  # a request with more is cut off before our code sees it
CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
WHATEVER = settings(
    database=None, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), print_blob=False
)
KNOWN = ("authentic but not understood", "discrepancy kind=")  # what a fuzzer may bring about


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def people(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_simulator: Simulator
) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("fuzz")
    mariadb = request.param == "mariadb"
    url = request.getfixturevalue("mariadb").create() if mariadb else f"sqlite:///{folder / 'pay.db'}"
    shared_simulator.clear_faults()
    with Fleet(folder, shared_simulator, url) as fleet:
        people = People.of(fleet)
        fleet.expect_log(*KNOWN, *SLOW)
        yield people
        people.nothing_foreign()
    print(f"seed {SEED}, {request.param}: {people.seen.total()} requests, {_statuses(people)}")


def _statuses(people: People) -> dict[int, int]:
    found = Counter[int]()
    for (_, status), count in people.seen.items():
        found[status] += count
    return dict(sorted(found.items()))


def test_what_the_document_allows_and_what_it_forbids(people: People) -> None:
    """Each case is asked by everybody in turn, about an order of either user or one that nobody has."""
    servers = people.fleet.servers
    document = servers[0].http.get("/openapi.json").json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    orders: list[str | None] = [*people.orders, None]
    turns = [(operation, mode) for operation in operations for mode in GenerationMode]
    session = requests.Session()
    session.trust_env = False  # no proxy lies between two processes of this machine

    def ask(case: Any, number: str | None) -> None:
        if number and "order_no" in case.path_parameters:
            case.path_parameters["order_no"] = number
        for turn, who in enumerate(people.bearers):
            url = servers[turn % len(servers)].url
            reply = case.call(base_url=url, session=session, headers=people.headers(who), timeout=PATIENCE)
            head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
            people.heard(who, case.operation.label, reply.status_code, head.encode(), reply.content)
            case.validate_response(reply, checks=CHECKS)

    for operation, mode in turns:
        cases = given(operation.as_strategy(generation_mode=mode), st.sampled_from(orders))(ask)
        count = max(1, DOCUMENTED // len(people.bearers) // len(turns))
        with suppress(Unsatisfiable):  # nothing in this operation can be wrong
            seed(SEED)(settings(WHATEVER, max_examples=count)(cases))()
    session.close()
    assert {route for route, _ in people.seen} >= {operation.label for operation in operations}


def test_what_the_dice_say(people: People) -> None:
    servers = people.fleet.servers
    document = servers[0].http.get("/openapi.json").json()
    dice = Dice(SEED, document, people)
    for first in range(0, DICED, AT_A_TIME):
        asks = list(dice.asks(min(AT_A_TIME, DICED - first)))
        answers = send_all([server.port for server in servers], [ask.raw for ask in asks])
        for ask, answer in zip(asks, answers, strict=True):
            assert answer.status or len(ask.raw) - len(ask.body) > MOST_HEADERS, ask
            people.heard(ask.who, ask.route, answer.status, answer.head, answer.body)
    assert {route for route, _ in people.seen} >= set(dice.routes)
