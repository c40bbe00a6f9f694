"""Each kind of difference, of trade and fund flow: none on a good day, the planted ones on another, again the same.

Without a server: the day is the simulator's own, and so is our side of it. Each database and each generation once:
a bill is fetched by the one and compared in the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.generated import LEADS_TO, expected, found, migrated, reconcile, stock, yesterday
from tests.harness import V2_HMAC, V3, Api, Simulator
from tests.processes import ROOT

PAYMENTS, REFUNDS, EACH = 1_000, 300, 3


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One of these tests' own: a bill is about every order of the merchant."""
    simulator = Simulator(tmp_path_factory.mktemp("planted"))
    yield simulator
    simulator.close()


def test_every_kind_of_difference_has_its_planted_error() -> None:
    """What the services can name is what is planted below."""
    named = set()
    for module in ("differences", "fund_differences"):
        named |= set(re.findall(r'"((?:BILL|FUND)_[A-Z_]+)"', (ROOT / "services" / f"{module}.py").read_text()))
    assert named == {kind for leads in LEADS_TO.values() for kind, _ in leads}


@pytest.mark.parametrize(("database_url", "api"), [("sqlite", V2_HMAC), ("mariadb", V3)], indirect=["database_url"])
def test_every_planted_difference_is_found_none_invented_and_again_the_same(
    simulator: Simulator, api: Api, database_url: str
) -> None:
    tables, midnight = migrated(database_url), yesterday(simulator)
    day = midnight.date().isoformat()
    stock(tables, midnight, PAYMENTS, REFUNDS)
    good = {"day": day, "extra_lines": PAYMENTS, "extra_refunds": REFUNDS}
    simulator.put("bill", good)
    assert reconcile(database_url, simulator, api, day)[0] == 0
    assert found(tables) == []
    simulator.put("bill", {**good, "errors": [{"kind": kind, "n": EACH} for kind in LEADS_TO]})
    planted = expected(simulator, day)
    assert {kind for kind, _ in planted} == {kind for leads in LEADS_TO.values() for kind, _ in leads}
    code, said, _ = reconcile(database_url, simulator, api, day)
    assert found(tables) == planted
    assert (code, said.split(", ")[-1]) == (3, f"{len(planted)} differences")
    rows = tables.rows("SELECT * FROM discrepancies ORDER BY id")
    assert reconcile(database_url, simulator, api, day)[0] == 3
    assert tables.rows("SELECT * FROM discrepancies ORDER BY id") == rows
