"""The funnel by itself: any evidence, in any order, any number of times, leaves the same truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.base import TradeReport, TradeStatus
from models import Discrepancy, Order, Outbox, Payment, Transaction, User, invariants
from models.database import Database
from services.moves import begin, step, write
from services.payments import apply_reports

NOW = 1_800_000_000
PAID = TradeReport(
    source="notification",
    adapter="wechat_v3",
    out_trade_no="A" * 24,
    status=TradeStatus.PAID,
    trade_state="SUCCESS",
    appid="wxapp",
    mchid="1900000001",
    provider_transaction_id="4200000001",
    amount_fen=100,
    currency="CNY",
    openid="oPayer",
    paid_at=NOW,
    scheme="RSA",
)
PAID_AGAIN = replace(PAID, provider_transaction_id="4200000002", out_trade_no="B" * 24)
QUERIED = replace(PAID, source="query", scheme="")
OPEN = replace(QUERIED, status=TradeStatus.OPEN, trade_state="NOTPAY", provider_transaction_id=None, paid_at=None)
CLOSED = replace(OPEN, status=TradeStatus.CLOSED, trade_state="CLOSED")


class Undo(Exception):
    """Carries what was found out of a transaction that is to leave no trace."""


def in_a_trial(database: Database, fn: Any, *args: Any) -> Any:
    def trial() -> None:
        raise Undo(fn(*args))

    with pytest.raises(Undo) as found:
        database.run_here(trial)
    return found.value.args[0]


def an_order(state: str = "PAYING", *, attempts: Sequence[tuple[str, str]] = (("A", "PREPAID"),)) -> Order:
    user = User.create(openid="oPayer", created_at=NOW)
    order = Order.create(
        order_no="MP1", user=user, amount_fen=100, currency="CNY", state="CREATED", version=1, paid_fen=0,
        refunded_fen=0, request_hash="", created_at=NOW, expires_at=NOW + 1800,
    )  # fmt: skip
    begin(order, "user", NOW)
    for letter, to in attempts:
        row = Transaction.create(
            out_trade_no=letter * 24, order=order, adapter="wechat_v3", scheme="RSA", appid="wxapp", mchid="1900000001",
            openid="oPayer", amount_fen=100, currency="CNY", request="{}", fingerprint="f", state="PREPARED", version=1,
            created_at=NOW, expires_at=NOW + 1800, asked=0,
        )  # fmt: skip
        begin(row, "user", NOW)
        if to != "PREPARED":
            write([step(row, to)], "user", NOW)
    for target in {"PAYING": ["PAYING"], "CLOSING": ["PAYING", "CLOSING"], "CLOSED": ["PAYING", "CLOSING", "CLOSED"]}[
        state
    ]:
        write([step(order, target)], "user", NOW)
    return order


def truth() -> tuple[Any, ...]:
    """What matters after all evidence is in. Which of two real payments came first does not."""
    broken = [name for name, sql in invariants.LOCAL.items() if list(Order._meta.database.execute_sql(sql))]
    assert broken == []
    order = Order.get(Order.order_no == "MP1")
    return (
        order.state,
        order.paid_fen,
        sorted(row.disposition for row in Payment.select()),
        Outbox.select().count(),
        sorted({row.kind for row in Discrepancy.select()}),
    )


def after(evidence: Sequence[Sequence[TradeReport]], *order: Any, **more: Any) -> tuple[Any, ...]:
    an_order(*order, **more)
    for batch in evidence:
        apply_reports(batch, "test", NOW + 5)
    return truth()


def test_a_payment_is_booked_once(database: Database) -> None:
    expected = ("PAID", 100, ["APPLIED"], 1, [])
    assert in_a_trial(database, after, [[PAID]]) == expected
    assert in_a_trial(database, after, [[PAID, PAID, QUERIED]]) == expected
    assert in_a_trial(database, after, [[PAID], [QUERIED], [PAID], [OPEN]]) == expected


@pytest.mark.parametrize("state", ["PAYING", "CLOSING"])
def test_two_payments_of_one_order_book_one_and_flag_the_other(database: Database, state: str) -> None:
    attempts = (("A", "CLOSED"), ("B", "PREPAID")) if state == "PAYING" else (("A", "CLOSED"), ("B", "CLOSING"))
    both = [PAID, PAID_AGAIN, replace(PAID_AGAIN, source="query", scheme="")]
    histories = [[[report] for report in sequence] for sequence in itertools.permutations(both)]
    for history in [*histories, [[PAID_AGAIN, PAID]]]:
        end = in_a_trial(database, lambda h=history: after(h, state, attempts=attempts))
        assert end == ("PAID", 100, ["APPLIED", "DUPLICATE"], 1, ["DUPLICATE"])


def test_the_other_numbers_of_a_paid_order_are_handed_out_no_more(database: Database) -> None:
    def trial() -> Any:
        after([[PAID]], attempts=(("A", "CLOSED"), ("B", "PREPAID")))
        other = Transaction.get(Transaction.out_trade_no == PAID_AGAIN.out_trade_no)
        return other.state, other.open_slot, other.ask_at

    assert in_a_trial(database, trial) == ("CLOSING", None, NOW + 5)


def test_money_after_closing_is_flagged_and_never_fulfilled(database: Database) -> None:
    closed = {"attempts": (("A", "CLOSED"),)}
    end = in_a_trial(database, lambda: after([[PAID], [PAID], [CLOSED]], "CLOSED", **closed))
    assert end == ("PAID_LATE", 100, ["APPLIED"], 0, ["CONTRADICTION", "PAID_LATE"])


def test_closing_ends_with_proof_for_every_attempt(database: Database) -> None:
    both = {"attempts": (("A", "CLOSING"), ("B", "CLOSING"))}
    half = in_a_trial(database, lambda: after([[CLOSED]], "CLOSING", **both))
    assert half[0] == "CLOSING"
    whole = in_a_trial(database, lambda: after([[CLOSED], [replace(CLOSED, out_trade_no="B" * 24)]], "CLOSING", **both))
    assert whole == ("CLOSED", 0, [], 0, [])
    at_once = in_a_trial(database, lambda: after([[CLOSED, replace(CLOSED, out_trade_no="B" * 24)]], "CLOSING", **both))
    assert at_once == whole


def test_not_paid_closes_nothing(database: Database) -> None:
    assert in_a_trial(database, lambda: after([[OPEN]] * 3, "CLOSING", attempts=(("A", "CLOSING"),)))[0] == "CLOSING"


def test_closed_for_a_paid_attempt_is_a_contradiction(database: Database) -> None:
    assert in_a_trial(database, after, [[PAID], [CLOSED]]) == ("PAID", 100, ["APPLIED"], 1, ["CONTRADICTION"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount_fen", 99), ("amount_fen", 101), ("currency", "USD"), ("appid", "wxother"), ("mchid", "1")],
)
def test_what_does_not_fit_is_recorded_and_not_booked(database: Database, field: str, value: Any) -> None:
    end = in_a_trial(database, after, [[replace(PAID, **{field: value})]] * 2)
    assert end == ("PAYING", 0, ["MISMATCH"], 0, ["MISMATCH"])


def test_another_payer_is_booked_and_flagged(database: Database) -> None:
    end = in_a_trial(database, after, [[replace(PAID, openid="oFriend")]])
    assert end == ("PAID", 100, ["APPLIED"], 1, ["OTHER_PAYER"])


def test_an_unknown_number_is_recorded(database: Database) -> None:
    end = in_a_trial(database, after, [[replace(PAID, out_trade_no="Z" * 24)]])
    assert end == ("PAYING", 0, ["UNKNOWN_ORDER"], 0, ["UNKNOWN_ORDER"])


def test_an_unseen_state_changes_nothing(database: Database) -> None:
    unseen = replace(OPEN, status=TradeStatus.UNSEEN, trade_state="TELEPORTED")
    assert in_a_trial(database, after, [[unseen]]) == ("PAYING", 0, [], 0, ["UNSEEN_STATE"])


def test_a_notification_in_a_weaker_signature_is_only_a_hint(database: Database) -> None:
    def trial() -> Any:
        end = after([[replace(PAID, scheme="MD5")]])
        return end, Transaction.get(Transaction.out_trade_no == PAID.out_trade_no).ask_at

    end, ask_at = in_a_trial(database, trial)
    assert end == ("PAYING", 0, [], 0, [])
    assert ask_at == NOW + 5


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_evidence_is_confluent(database: Database, size: int) -> None:
    """Every order and repetition of what WeChat may say about one attempt that is paid ends alike."""
    possible = [PAID, QUERIED, OPEN, replace(PAID, provider_transaction_id=PAID.provider_transaction_id)]
    for chosen in itertools.product(possible, repeat=size):
        if any(report.status is TradeStatus.PAID for report in chosen):
            assert in_a_trial(database, after, [[report] for report in chosen]) == ("PAID", 100, ["APPLIED"], 1, [])
            assert in_a_trial(database, after, [list(chosen)]) == ("PAID", 100, ["APPLIED"], 1, [])


EVIDENCE = st.lists(
    st.lists(
        st.sampled_from(
            [PAID, QUERIED, OPEN, CLOSED, PAID_AGAIN, replace(PAID, amount_fen=99, provider_transaction_id="43")]
        ),
        max_size=4,
    ),
    max_size=6,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(EVIDENCE)
def test_no_history_breaks_an_invariant(database: Database, evidence: list[list[TradeReport]]) -> None:
    """``truth`` checks them all; a history that books twice, or loses the chain of the log, fails there."""
    end = in_a_trial(database, lambda: after(evidence, attempts=(("A", "PREPAID"), ("B", "PREPAID"))))
    said_paid = any(
        report.status is TradeStatus.PAID and report.amount_fen == 100 for batch in evidence for report in batch
    )
    assert (end[0] in ("PAID", "PAID_LATE")) == said_paid
