"""What must hold when a history has come to rest: our tables, WeChat's ledger, and the two together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.databases import Tables, broken_invariants

if TYPE_CHECKING:
    from tests.faults.play import Play

OPEN = {
    "orders": ("CREATED", "PAYING", "CLOSING"),
    "transactions": ("PREPARED", "UNKNOWN", "PREPAID", "CLOSING"),
    "refunds": ("REQUESTED", "SUBMITTING", "UNKNOWN", "PROCESSING"),
}
Rows = list[dict[str, Any]]


class Known:
    """The simulator's ledger of this history alone, in the words of ``broken_invariants``."""

    def __init__(self, ledger: dict[str, Rows], prepays: list[str]) -> None:
        self.ledger = ledger
        self._sent = [{"op": "v3.prepay", "direction": "in", "request": {"body": body}} for body in prepays]

    def get(self, control: str) -> Any:
        return {"ledger": self.ledger, "exchanges": {"exchanges": self._sent}}[control.partition("?")[0]]


def attempts(tables: Tables, order_no: str = "") -> list[str]:
    """The numbers at WeChat of one order, or of all, oldest first."""
    named = f"WHERE o.order_no = '{order_no}'" if order_no else ""
    joined = f"transactions t JOIN orders o ON o.id = t.order_id {named}"
    return [row[0] for row in tables.rows(f"SELECT t.out_trade_no FROM {joined} ORDER BY t.id")]


def unsettled(tables: Tables) -> list[tuple[Any, ...]]:
    """Rows that still wait for something."""
    parts = [
        f"SELECT '{table}', id, state FROM {table} WHERE state IN ({', '.join(repr(state) for state in states)})"
        for table, states in OPEN.items()
    ]
    inbox = "SELECT 'notifications', id, kind FROM notifications WHERE processed_at IS NULL"
    return tables.rows(" UNION ALL ".join([*parts, inbox]))


def owed(tables: Tables, late: str) -> list[tuple[Any, ...]]:
    """Payments that must go back by themselves, whole, and do not: nobody else has begun to refund them either."""
    wrong = "p.disposition = 'DUPLICATE'" + (" OR o.state = 'PAID_LATE'" if late == "refund" else "")
    begun = "r.payment_id = p.id AND (r.requester <> 'auto' OR r.amount_fen = p.amount_fen)"
    return tables.rows(
        "SELECT 'payments', p.id, p.disposition FROM payments p JOIN orders o ON o.id = p.order_id"
        f" WHERE ({wrong}) AND NOT EXISTS (SELECT 1 FROM refunds r WHERE {begun})"
    )


def next_due(tables: Tables) -> int | None:
    """When the next refund, attempt or order has its turn, in epoch seconds."""
    refunds = f"SELECT MIN(ask_at) AS at FROM refunds WHERE state IN {OPEN['refunds']}"
    closing = "SELECT MIN(ask_at) FROM transactions WHERE state = 'CLOSING'"
    orders = "SELECT MIN(expires_at) FROM orders WHERE state IN ('CREATED', 'PAYING')"
    due: int | None = tables.one(f"SELECT MIN(at) FROM ({refunds} UNION ALL {closing} UNION ALL {orders}) waiting")
    return due


async def check(play: Play) -> None:
    """Every assertion, in the order of what they say about money."""
    ledger = await play.gateway(attempts(play.tables))
    known = Known(ledger, [*play.prepays, *play.program.transport.prepays])
    check_money(play.tables, known.ledger)
    await _shown(play)
    await _nothing_forged(play)
    broken = broken_invariants(Tables(play.tables.url), known)
    assert not broken, broken


def check_money(tables: Tables, ledger: dict[str, Rows]) -> None:
    """Our tables against the part of WeChat's ledger that is about our numbers."""
    _same_payments(tables, ledger)
    _same_refunds(tables, ledger)
    _paid_once(tables, ledger)
    _one_number_at_a_time(tables, ledger)
    _acknowledged_is_kept(tables, ledger)


def _same_payments(tables: Tables, ledger: dict[str, Rows]) -> None:
    ours = sorted(tables.rows("SELECT provider_transaction_id, out_trade_no, amount_fen FROM payments"))
    theirs = sorted((p["transaction_id"], p["out_trade_no"], p["amount_fen"]) for p in ledger["payments"])
    assert ours == theirs, f"payments: ours {ours}, WeChat's {theirs}"


def _same_refunds(tables: Tables, ledger: dict[str, Rows]) -> None:
    """Number, amount and state of each; and the sum that went back."""
    ours = sorted(tables.rows("SELECT out_refund_no, amount_fen, state FROM refunds WHERE state <> 'REJECTED'"))
    theirs = sorted((r["out_refund_no"], r["amount_fen"], r["state"]) for r in ledger["refunds"])
    assert ours == theirs, f"refunds: ours {ours}, WeChat's {theirs}"
    returned = tables.one("SELECT COALESCE(SUM(refunded_fen), 0) FROM payments") + tables.one(
        "SELECT COALESCE(SUM(amount_fen), 0) FROM refunds WHERE source = 'EXTERNAL' AND state = 'SUCCESS'"
    )
    assert returned == sum(r["amount_fen"] for r in ledger["refunds"] if r["state"] == "SUCCESS")


def _paid_once(tables: Tables, ledger: dict[str, Rows]) -> None:
    """One payment is booked on its order; every other one that WeChat took for it is a DUPLICATE, and flagged."""
    owner = dict(
        tables.rows("SELECT t.out_trade_no, o.order_no FROM transactions t JOIN orders o ON o.id = t.order_id")
    )
    times = Counter(owner[p["out_trade_no"]] for p in ledger["payments"])
    booked: dict[str, list[str]] = {}
    for order_no, *booking in tables.rows(
        "SELECT o.order_no, p.disposition, COALESCE(d.kind, '') FROM payments p JOIN orders o ON o.id = p.order_id"
        " LEFT JOIN discrepancies d ON d.ref = p.provider_transaction_id AND d.kind = 'DUPLICATE'"
    ):
        booked.setdefault(order_no, []).append(" ".join(booking))
    expected = {number: ["APPLIED ", *["DUPLICATE DUPLICATE"] * (count - 1)] for number, count in times.items()}
    assert {number: sorted(each) for number, each in booked.items()} == expected
    states = dict(tables.rows("SELECT order_no, state FROM orders"))
    assert {number for number, state in states.items() if state in ("PAID", "PAID_LATE")} == set(times), (states, times)


def _one_number_at_a_time(tables: Tables, ledger: dict[str, Rows]) -> None:
    """A second out_trade_no of an order was opened only when the first was proven closed, here and there."""
    there = {order["out_trade_no"]: order for order in ledger["orders"]}
    rows = tables.rows(
        "SELECT a.out_trade_no, a.close_proof, b.out_trade_no, x.id, y.id FROM transactions a"
        " JOIN transactions b ON b.order_id = a.order_id AND b.id > a.id"
        " LEFT JOIN state_log x ON x.entity_id = a.out_trade_no AND x.to_state = 'CLOSED'"
        " JOIN state_log y ON y.entity_id = b.out_trade_no AND y.seq = 1"
    )
    for first, proof, second, closed, opened in rows:
        assert proof, first
        assert closed is not None, first
        assert closed < opened, (first, second)
        if first in there and second in there and there[first]["state"] == "CLOSED":  # and not paid all the same
            assert there[first]["closed_at"] <= there[second]["created_at"], (first, second)


def _acknowledged_is_kept(tables: Tables, ledger: dict[str, Rows]) -> None:
    """What WeChat saw acknowledged is in the inbox (v3: under the notification's id)."""
    kept = {row[0] for row in tables.rows("SELECT dedupe_key FROM notifications")}
    told = {f"v3:{d['id']}" for d in ledger["deliveries"] if d["api"] == "v3" and d["state"] == "acknowledged"}
    assert told <= kept, told - kept


async def _shown(play: Play) -> None:
    """What the buyer is shown is what the tables say."""
    status = {"PAID": "paid", "CLOSED": "closed", "PAID_LATE": "closed"}
    for order_no, state, paid, refunded in play.tables.rows(
        "SELECT order_no, state, paid_fen, refunded_fen FROM orders"
    ):
        expected = status[state]
        if refunded:
            expected = "refunded" if refunded == paid else "partially_refunded"
        _, order = await play.user("GET", f"orders/{order_no}")
        assert (order["status"], order["refunded_fen"]) == (expected, refunded), order


async def _nothing_forged(play: Play) -> None:
    """No forged notification was acknowledged. (v2 does not sign those of refunds: they are a reason to ask.)"""
    complaints = (await play.stage.control("GET", "complaints"))["complaints"]
    taken = [c for c in complaints if c["code"] == "SIGNATURE_NOT_VERIFIED" and c["op"] != "notify.refund"]
    if any("skew" in step for step in play.steps):  # what is 301 s old by a clock that is ahead is fresh by ours
        taken = [c for c in taken if "made with stale" not in c["message"]]
    assert not taken, taken


def counts(play: Play) -> dict[str, int]:
    """What happened in this history, for the sums of many."""
    entered = play.tables.rows("SELECT entity, to_state, COUNT(*) FROM state_log GROUP BY entity, to_state")
    found: dict[str, int] = {f"{entity} {state}": count for entity, state, count in entered}
    for kind, count in play.tables.rows("SELECT kind, COUNT(*) FROM discrepancies GROUP BY kind"):
        found[f"discrepancy {kind}"] = count
    found["refund external"] = play.tables.one("SELECT COUNT(*) FROM refunds WHERE source = 'EXTERNAL'")
    found[f"at rest after {play.turns} turns"] = 1
    return found
