"""What must hold when a crowd of buyers has been through crashes: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

from tests.faults.crowd import SLOW, Crowd, come_to_rest, ledger_of
from tests.faults.verdict import check_money
from tests.fleet import Fleet

# What a server says when its database goes away in the midst of things. Never a traceback.
DATABASE_AWAY = (
    *SLOW,
    "database unavailable",
    "put off: ",
    "not acknowledged",
    "a commit is still unknown",
    "waiting for the database",
    r"service=\S+ .*(DatabaseUnavailable|CommitUnknown)",
)


def nothing_lost_nothing_doubled(fleet: Fleet, crowd: Crowd) -> None:
    """The jobs have their turn; then every order and refund that a buyer or the merchant was told of is here, in the
    state they were told, and our money is that of WeChat's ledger. One order for each wish: none was made twice."""
    come_to_rest(fleet)
    states = dict(fleet.tables.rows("SELECT order_no, state FROM orders"))
    assert states == {**dict.fromkeys(crowd.paid, "PAID"), **dict.fromkeys(crowd.given_up, "CLOSED")}
    asked_for = [row[0] for row in fleet.tables.rows("SELECT refund_no FROM refunds")]
    assert sorted(asked_for) == sorted(crowd.given_back)
    check_money(fleet.tables, ledger_of(fleet))
    assert fleet.tables.rows("SELECT kind, detail FROM discrepancies") == []


def told(crowd: Crowd) -> str:
    """What was acknowledged, in numbers."""
    return f"{len(crowd.paid)} paid, {len(crowd.given_up)} given up, {len(crowd.given_back)} refunds"
