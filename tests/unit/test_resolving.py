"""A payment that did not fit is booked later only on an operator's word and WeChat's: all that is compared agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from adapters.base import TradeReport
from models import Discrepancy, Order, Payment, StateLog
from models.database import Database
from services.errors import Conflicting, NotFound
from services.payments import apply_reports
from services.resolving import _close, _question
from tests.unit.test_funnel import CLOSED, NOW, OPEN, PAID, PAID_AGAIN, an_order, in_a_trial, truth

WRONG = replace(PAID, amount_fen=1)
TODAY = replace(PAID, source="query", scheme="")
LATER = NOW + 60


def resolved(*answers: TradeReport | None, before: Callable[[], Any] = lambda: None, state: str = "PAYING") -> Any:
    """What each resolution says, and the truth at the end."""
    an_order(state, attempts=(("A", "PREPAID" if state == "PAYING" else "CLOSED"), ("B", "CLOSED")))
    apply_reports([WRONG], "notification", NOW)
    before()
    words = []
    for answer in answers:
        row = Discrepancy.get(Discrepancy.kind == "MISMATCH")
        words.append(_close(row.id, answer, "asked the platform", "operator", LATER))
    return words, truth()


def test_what_fits_today_is_booked(database: Database) -> None:
    def look() -> Any:
        said = resolved(TODAY)
        payment = Payment.get()
        lines = [(row.from_state, row.to_state, row.actor, row.note) for row in StateLog.select() if row.at == LATER]
        states = [row.state for row in Discrepancy.select()]
        return said, (payment.amount_fen, payment.applied_slot, payment.source, payment.created_at), lines, states

    said, payment, lines, states = in_a_trial(database, look)
    assert said == (["APPLIED"], ("PAID", 100, ["APPLIED"], 1, ["MISMATCH"]))
    assert payment == (100, 1, "notification", NOW)
    assert sorted(lines) == [
        ("MISMATCH", "APPLIED", "operator", "asked the platform"),
        ("OPEN", "RESOLVED", "operator", "asked the platform"),
        ("PAYING", "PAID", "operator", "SUCCESS by query of wechat_v3"),
        ("PREPAID", "PAID", "operator", "SUCCESS by query of wechat_v3"),
    ]
    assert states == ["RESOLVED"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        OPEN,
        CLOSED,
        replace(TODAY, amount_fen=99),
        replace(TODAY, currency="USD"),
        replace(TODAY, appid="wxother"),
        replace(TODAY, mchid="1"),
        replace(TODAY, out_trade_no="B" * 24),
        replace(TODAY, provider_transaction_id="4200000009"),
    ],
    ids=["unknown there", "open", "closed", "amount", "currency", "appid", "mchid", "number", "transaction id"],
)
def test_what_does_not_fit_stays_out(database: Database, answer: TradeReport | None) -> None:
    said = in_a_trial(database, resolved, answer)
    assert said == (["MISMATCH"], ("PAYING", 0, ["MISMATCH"], 0, ["MISMATCH"]))


def test_of_a_paid_order_it_is_the_second_payment(database: Database) -> None:
    said = in_a_trial(database, lambda: resolved(TODAY, before=lambda: apply_reports([PAID_AGAIN], "query", NOW)))
    assert said == (["DUPLICATE"], ("PAID", 100, ["APPLIED", "DUPLICATE"], 1, ["DUPLICATE", "MISMATCH"]))


def test_of_a_closed_order_it_is_late(database: Database) -> None:
    said = in_a_trial(database, lambda: resolved(TODAY, state="CLOSED"))
    assert said == (["APPLIED"], ("PAID_LATE", 100, ["APPLIED"], 0, ["MISMATCH", "PAID_LATE"]))


def test_money_that_was_sent_back_on_the_platform_is_not_booked(database: Database) -> None:
    def look() -> Any:
        an_order()
        apply_reports([WRONG], "notification", NOW)
        Payment.update(external_fen=1).execute()
        word = _close(Discrepancy.get().id, TODAY, "refunded there", "operator", LATER)
        return word, Order.get().state

    assert in_a_trial(database, look) == ("MISMATCH", "PAYING")


def test_a_discrepancy_is_closed_once(database: Database) -> None:
    def look() -> Any:
        resolved(None)
        with pytest.raises(Conflicting, match="discrepancy_resolved"):
            _close(Discrepancy.get().id, TODAY, "again", "operator", LATER)
        with pytest.raises(NotFound, match="discrepancy_not_found"):
            _question(Discrepancy.get().id + 1)
        return truth()

    assert in_a_trial(database, look) == ("PAYING", 0, ["MISMATCH"], 0, ["MISMATCH"])
