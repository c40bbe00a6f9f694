"""One access token for all processes, kept centrally: fetched once, replaced when WeChat says that it is dead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.databases import MariaDb
from tests.fleet import Fleet
from tests.harness import V3, Simulator
from tests.processes import eventually
from tests.shipper import KEY, Shipper


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Of its own: it remembers 500 exchanges, and its clock is moved. It knows every paid order at once."""
    with closing(Simulator(tmp_path_factory.mktemp("gateway"))) as gateway:
        gateway.put("shipping", {"delay_seconds": 0})
        yield gateway


@pytest.fixture(scope="module")
def shared(gateway: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipper]:
    folder = tmp_path_factory.mktemp("tokens")
    with Fleet(folder, gateway, f"sqlite:///{folder / 'pay.db'}") as fleet:
        yield Shipper(fleet.start(MERCHANT_API_KEY=KEY, **V3.environ), fleet.tables)


@pytest.fixture
def shipper(shared: Shipper) -> Iterator[Shipper]:
    """With a token at hand: one order was reported."""
    order_no = shared.paid()
    assert shared.report(order_no)["status"] == "uploaded"
    yield shared
    shared.simulator.clear_faults()


def fetched(shipper: Shipper, *, before: int = 0) -> list[bool]:
    """The calls of stable_token since ``before``: whether each forced a new one."""
    return ['"force_refresh":true' in call["request"]["body"] for call in shipper.exchanges("token")[before:]]


def stable_token(simulator: Simulator, *, force: bool) -> dict[str, Any]:
    """Another system of the same merchant, which asks for the token itself."""
    merchant = simulator.merchant
    asked = {"grant_type": "client_credential", "appid": merchant["appid"], "secret": merchant["app_secret"]}
    reply = simulator.http.post("/cgi-bin/stable_token", json={**asked, "force_refresh": force})
    told: dict[str, Any] = reply.json()
    assert "access_token" in told, told
    return told


def sealed(shipper: Shipper) -> str:
    return str(shipper.tables.one("SELECT sealed FROM access_tokens"))


def test_two_processes_share_one_token(tmp_path: Path, gateway: Simulator, mariadb: MariaDb) -> None:
    """Two servers, eight orders reported to both at once, no token at hand: one process fetches one, once."""
    with Fleet(tmp_path, gateway, mariadb.create()) as fleet:
        shippers = [Shipper(fleet.start(MERCHANT_API_KEY=KEY, **V3.environ), fleet.tables) for _ in range(2)]
        orders = [shippers[number % 2].paid() for number in range(8)]
        before = len(shippers[0].exchanges("token"))
        with ThreadPoolExecutor(8) as racers:
            made = list(racers.map(lambda number: shippers[number % 2].report(orders[number]), range(8)))
        assert {shipment["status"] for shipment in made} <= {"pending", "uploaded"}
        for order_no in orders:
            shippers[0].becomes(order_no, "uploaded")
        assert fetched(shippers[0], before=before) == [False]
        assert fleet.tables.one("SELECT COUNT(*) FROM access_tokens") == 1


def test_a_token_that_another_system_forced_is_taken_up(shipper: Shipper) -> None:
    """And not fought over: forcing in turn would kill the other system's."""
    shipper.simulator.post("clock", advance_seconds=31)  # WeChat wants forced refreshes half a minute apart
    stable_token(shipper.simulator, force=True)
    old, before = sealed(shipper), len(shipper.exchanges("token"))
    assert shipper.report(shipper.paid())["status"] == "uploaded"
    assert sealed(shipper) != old
    assert fetched(shipper, before=before) == [False]


def test_a_token_that_expired_there_is_replaced(shipper: Shipper) -> None:
    """42001, from a clock that is ahead of ours."""
    before = len(shipper.exchanges("token"))
    shipper.simulator.post("clock", advance_seconds=7300)
    assert shipper.report(shipper.paid())["status"] == "uploaded"
    assert fetched(shipper, before=before) == [False]


def test_a_token_that_wechat_gives_out_and_refuses_is_forced_once(shipper: Shipper) -> None:
    shipper.server.expect_log("access token refused while WeChat gives it out")
    shipper.simulator.post("clock", advance_seconds=31)
    shipper.tables.change("UPDATE access_tokens SET forced_at = 0")
    dead = {"op": "ship", "fault": "error", "code": "40001"}
    before = len(shipper.exchanges("token"))
    shipper.simulator.put("faults", [{**dead, "count": 1}])
    assert shipper.report(shipper.paid())["status"] == "uploaded"
    assert fetched(shipper, before=before) == [False, True]
    shipper.simulator.put("faults", [{**dead, "count": 1}])  # again: twenty may be forced in a day, not one a call
    order_no = shipper.paid()
    assert shipper.report(order_no)["status"] == "pending"
    assert fetched(shipper, before=before) == [False, True, False]
    shipper.tables.change("UPDATE access_tokens SET leased_until = 0")
    shipper.due_now()
    shipper.becomes(order_no, "uploaded")


def test_a_token_is_renewed_before_it_ends(shipper: Shipper) -> None:
    shipper.tables.change("UPDATE access_tokens SET expires_at = expires_at - 7000")
    before = len(shipper.exchanges("token"))
    assert shipper.report(shipper.paid())["status"] == "uploaded"
    assert fetched(shipper, before=before) == [False]


def test_a_token_in_its_last_minutes_is_used_while_another_cannot_be_had(shipper: Shipper) -> None:
    shipper.tables.change("UPDATE access_tokens SET expires_at = expires_at - 7000")
    shipper.simulator.put("faults", [{"op": "token", "fault": "system_error"}])
    assert shipper.report(shipper.paid())["status"] == "uploaded"
    shipper.tables.change("UPDATE access_tokens SET leased_until = 0")


def test_without_a_token_nothing_is_lost_and_wechat_is_left_in_peace(shipper: Shipper) -> None:
    shipper.server.expect_log("nothing shipped without an access token: gateway_refused")
    shipper.tables.change("UPDATE access_tokens SET expires_at = 0")
    shipper.simulator.put("faults", [{"op": "token", "fault": "error", "code": "40164"}])
    before = len(shipper.exchanges("token"))
    order_no = shipper.paid()
    assert shipper.report(order_no)["status"] == "pending"
    held_back = "nothing shipped without an access token: token_being_fetched"
    eventually(lambda: shipper.server.process.text().count(held_back) >= 2)  # two passes of the job asked nobody
    assert fetched(shipper, before=before) == [False]
    assert shipper.tables.one("SELECT asked FROM shipments ORDER BY id DESC") == 0
    shipper.simulator.clear_faults()
    shipper.tables.change("UPDATE access_tokens SET leased_until = 0")
    shipper.becomes(order_no, "uploaded")


def test_a_token_sealed_under_another_app_secret_is_replaced(shipper: Shipper) -> None:
    shipper.tables.change("UPDATE access_tokens SET sealed = 'bm90IG91cnM='")
    assert shipper.report(shipper.paid())["status"] == "uploaded"


def test_the_token_itself_is_nowhere(shipper: Shipper) -> None:
    """WeChat's stand-in gives the same one to whoever has AppSecret."""
    token = stable_token(shipper.simulator, force=False)["access_token"]
    assert shipper.report(shipper.paid())["status"] == "uploaded"
    shipper.server.tokens.append(token)  # at the end every row and every log line is searched for it
    assert len(sealed(shipper)) > len(token)
    assert token not in str(shipper.tables.snapshot())
