"""The API of new payments is changed while a crowd buys, closes, thinks again and is given its money back: two servers
on one database are restarted with the other API, one after the other. Nothing is lost, and nothing is done twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.crowd import KEY, SLOW, Crowd, come_to_rest, ledger_of
from tests.faults.verdict import check_money, unsettled
from tests.fleet import Fleet
from tests.harness import V2_HMAC, V2_MD5, V3, Api, Simulator
from tests.processes import eventually

SWITCHES = [("sqlite", V2_MD5, V3), ("mariadb", V3, V2_HMAC), ("mariadb", V2_MD5, V2_HMAC)]
SIZE = 6
KEPT = 10  # parameters that are handed out before the switch and paid with after it
# Most closes do not get through, so that the buyer may still pay; some answers are lost after the work was done.
TROUBLE = [
    {"op": "v[23].close", "fault": "http_500_before", "probability": 0.7},
    {"op": "v[23].refund", "fault": "drop_reply_after_commit", "probability": 0.3},
    {"op": "v[23].prepay", "fault": "drop_reply_after_commit", "probability": 0.1},
    {"op": "notify*", "fault": "drop", "probability": 0.2},
]


@pytest.fixture(params=SWITCHES, ids=lambda case: f"{case[0]}-{case[1].name}-to-{case[2].name}")
def switch(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[tuple[Fleet, Api, Api]]:
    kind, before, after = request.param
    url = request.getfixturevalue("mariadb").create() if kind == "mariadb" else f"sqlite:///{tmp_path / 'pay.db'}"
    with Fleet(tmp_path, simulator, url) as fleet:
        for _ in range(2):
            fleet.start(MERCHANT_API_KEY=KEY, **before.environ)
        fleet.expect_log(*SLOW)
        yield fleet, before, after


def in_flight(fleet: Fleet) -> set[tuple[str, str]]:
    return {(table, state) for table, _, state in unsettled(fleet.tables)}


def made_through(fleet: Fleet, api: Api) -> int:
    scheme = "RSA" if api is V3 else api.sign_type
    named = f"adapter = '{api.adapter}' AND scheme = '{scheme}'"
    return int(fleet.tables.one(f"SELECT COUNT(*) FROM transactions WHERE {named}"))


def test_nothing_is_lost_and_nothing_doubled(switch: tuple[Fleet, Api, Api]) -> None:
    fleet, before, after = switch
    crowd = Crowd(fleet.servers)
    kept = [crowd.in_hand(random.Random(number)) for number in range(KEPT)]
    fleet.simulator.put("faults", {"seed": 3, "rules": TROUBLE})
    with crowd.going_on(SIZE):
        crowd.until_each(5)
        for server in fleet.servers:
            eventually(lambda: in_flight(fleet) >= {("transactions", "CLOSING"), ("refunds", "PROCESSING")})
            server.restart(**after.environ)
            crowd.until_each(3)
    for held in kept:
        crowd.pay(held)
    fleet.simulator.clear_faults()
    come_to_rest(fleet)

    states = dict(fleet.tables.rows("SELECT order_no, state FROM orders"))
    assert states == {**dict.fromkeys(crowd.paid, "PAID"), **dict.fromkeys(crowd.given_up, "CLOSED")}
    assert made_through(fleet, before) > KEPT
    assert made_through(fleet, after) > 0
    assert made_through(fleet, before) + made_through(fleet, after) == len(states)  # one number for each order
    check_money(fleet.tables, ledger_of(fleet))
    assert fleet.tables.rows("SELECT kind FROM discrepancies") == []
