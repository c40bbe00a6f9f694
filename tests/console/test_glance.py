"""What the pages add up, against rows planted by hand, on both databases: exact, at the edges of a day, of no day."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from models import TABLES, Bill, BillLine, Discrepancy, JobRun, Notification, Payment, Refund, Refusal, Transaction
from models.database import Database
from services.bills import Day
from services.console import days, glance, machinery
from services.heartbeat import Heartbeat
from services.totals import totals
from tests.console import seeds
from tests.databases import MariaDb, Tables

DAY = Day("2026-11-20", 1_795_104_000)
NOON = DAY.begins + 12 * 3600


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    if request.param == "sqlite":
        return Tables(f"sqlite:///{tmp_path_factory.mktemp('glance') / 'pay.db'}")
    mariadb: MariaDb = request.getfixturevalue("mariadb")
    return Tables(mariadb.create())


@pytest.fixture(scope="module")
def filled(tables: Tables) -> Iterator[Database]:
    database = Database(tables.url, threads=1)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def database(filled: Database) -> Iterator[Database]:
    yield filled
    filled.run_here(lambda: [model.delete().execute() for model in reversed(TABLES)])


def pay(number: int, at: int, fen: int) -> Payment:
    made: Payment = Payment.create(
        provider_transaction_id=str(number), out_trade_no=f"WX{number}", appid="wx", mchid="1", openid="o",
        amount_fen=fen, currency="CNY", disposition="UNKNOWN_ORDER", held_fen=0, external_fen=0, refunded_fen=0,
        source="query", adapter="wechat_v3", paid_at=at, created_at=at,
    )  # fmt: skip
    return made


def refund(number: int, payment: Payment, at: int, fen: int, state: str = "SUCCESS") -> None:
    Refund.create(
        out_refund_no=f"RF{number}", payment=payment, adapter="wechat_v3", source="LOCAL", requester="merchant",
        amount_fen=fen, reason="", request="", fingerprint="", state=state, version=1, refusal="", created_at=at,
        refunded_at=at, asked=0,
    )  # fmt: skip


def notify(number: int, paid_at: int, delay: int, kind: str = "payment") -> None:
    Notification.create(
        dedupe_key=str(number), adapter="wechat_v3", kind=kind, report="{}", body_digest="", out_trade_no="WX",
        happened_at=paid_at, received_at=paid_at + delay, processed_at=paid_at,
    )  # fmt: skip


def a_day() -> None:
    """Something at both edges of the day and just beyond them."""
    first = pay(1, DAY.begins, 9_007_199_254_740_993)  # more than a float can hold
    pay(2, DAY.ends - 1, 5)
    pay(3, DAY.ends, 1000)
    pay(4, DAY.begins - 1, 1000)
    pay(5, NOON, 7)
    pay(6, NOON + 1800, 4)
    refund(1, first, NOON + 3599, 3)
    refund(2, first, DAY.ends, 1000)
    refund(3, first, NOON, 1000, "PROCESSING")
    for number, (state, at) in enumerate(
        [("PAID", NOON), ("PAID", NOON), ("PAYING", NOON), ("CLOSED", NOON), ("CLOSED", NOON), ("PAID", DAY.ends)]
    ):
        made = seeds.order(number, state=state, amount_fen=100, created_at=at)
        if number == 3:  # closed after somebody had begun to pay it
            Transaction.create(
                out_trade_no="WX-3", order=made, adapter="wechat_v3", scheme="RSA", appid="wx", mchid="1", openid="o",
                amount_fen=100, currency="CNY", request="{}", fingerprint="", state="CLOSED", version=1,
                created_at=at, expires_at=at, asked=0,
            )  # fmt: skip
    for number in range(95):
        notify(number, NOON, 0 if number < 50 else 4)
    for number in range(95, 100):
        notify(number, NOON, 400)
    notify(100, NOON, 9000, "refund")
    Discrepancy.create(kind="MISMATCH", ref="1", detail="", state="OPEN", created_at=NOON)
    Discrepancy.create(kind="MISMATCH", ref="2", detail="", state="RESOLVED", created_at=NOON)


def test_a_day_adds_up_to_the_fen(database: Database) -> None:
    database.run_here(a_day)
    seen = database.read_here(glance.glance, DAY)
    assert {hour: fen for hour, fen in enumerate(seen.paid) if fen} == {0: 9_007_199_254_740_993, 12: 11, 23: 5}
    assert {hour: fen for hour, fen in enumerate(seen.refunded) if fen} == {12: 3}
    assert (seen.payments, seen.refunds) == (4, 1)
    assert seen.orders == {"CREATED": 0, "PAYING": 1, "CLOSING": 0, "CLOSED": 2, "PAID": 2, "PAID_LATE": 0}
    assert (seen.tried, seen.succeeded) == (4, 2), "an order that nobody began to pay is no failure"
    assert seen.delays == glance.Delays(100, 0, 4, [50, 45, 0, 0, 5])
    assert seen.open_discrepancies == 1


def test_a_day_without_anything(database: Database) -> None:
    seen = database.read_here(glance.glance, DAY)
    assert (sum(seen.paid), sum(seen.refunded), seen.tried, seen.delays.count, seen.refused) == (0, 0, 0, 0, [])


def test_what_is_refused_is_counted_by_hour_and_reason_and_survives_a_beat_that_failed(
    database: Database, tables: Tables
) -> None:
    now = NOON + 5
    heart = Heartbeat(database, lambda: now)
    for _ in range(3):
        heart.refused("wechat_v3", "signature does not match")
    asyncio.run(heart.beat())
    heart.refused("wechat_v3", "signature does not match")
    heart.refused("wechat_v2", "no sign")
    heart.ran("ask", 2, well=True)
    heart.ran("bill", 600, well=False)

    tables.change("ALTER TABLE refusals RENAME TO elsewhere")
    with pytest.raises(Exception, match="refusals"):
        asyncio.run(heart.beat())
    tables.change("ALTER TABLE elsewhere RENAME TO refusals")
    asyncio.run(heart.beat())
    asyncio.run(heart.beat())
    seen = database.read_here(glance.glance, DAY)
    assert seen.refused == [("wechat_v3", "signature does not match", 4), ("wechat_v2", "no sign", 1)]
    hours = database.read_here(lambda: [row.hour for row in Refusal.select()])
    assert hours == [NOON, NOON]
    assert database.read_here(lambda: [(r.name, r.every, r.ran_at, r.well_at) for r in JobRun.select()]) == [
        ("ask", 2, now, now),
        ("bill", 600, now, None),
    ]
    ask, bill = database.read_here(machinery.jobs, now)
    assert (ask.well, ask.late, bill.well, bill.late) == (True, False, False, False)
    ask, bill = database.read_here(machinery.jobs, now + 120)
    assert (ask.late, bill.late) == (True, False)


def test_a_jobs_backlog_is_as_old_as_its_oldest_work(database: Database) -> None:
    def plant() -> None:
        JobRun.insert_many([{"name": name, "every": 2, "ran_at": NOON} for name in machinery.BACKLOG]).execute()
        made = seeds.order(1, state="PAYING", amount_fen=100, created_at=NOON - 500)
        type(made).update(expires_at=NOON - 40).execute()
        for number, (state, ask_at) in enumerate(
            [("PREPAID", NOON - 30), ("PREPAID", NOON + 9), ("CLOSING", NOON - 99)]
        ):
            Transaction.create(
                out_trade_no=f"WX{number}", order=made, adapter="wechat_v3", scheme="RSA", appid="wx", mchid="1",
                openid="o", amount_fen=100, currency="CNY", request="{}", fingerprint="", state=state, version=1,
                created_at=NOON, expires_at=NOON, asked=0, ask_at=ask_at,
            )  # fmt: skip
        notify(1, NOON - 20, 0, "payment")
        Notification.update(processed_at=None).execute()

    database.run_here(plant)
    waiting = {job.name: job.waiting for job in database.read_here(machinery.jobs, NOON)}
    assert waiting == {"ask": 30, "close": 40, "hint": None, "inbox": 20, "refund": None, "ship": None}


def test_a_day_of_the_bill_is_shown_with_both_sides_and_its_differences(database: Database) -> None:
    def plant() -> None:
        paid = pay(1, NOON, 500)
        refund(1, paid, NOON, 200, "PROCESSING")
        refund(2, paid, NOON, 100, "REJECTED")
        for kind, ref, fen in (("payment", "1", 501), ("refund", "RF1", 200)):
            BillLine.create(
                day=DAY.name, kind=kind, ref=ref, out_trade_no="", provider_transaction_id="", amount_fen=fen, at=NOON
            )
        Bill.create(day=DAY.name, state="DONE", claimed_until=0, lines=2, differences=3, finished_at=NOON)
        Bill.create(day="2026-11-19", state="DONE", claimed_until=0, lines=0, differences=0, finished_at=NOON)
        for number in range(3):
            Discrepancy.create(
                kind="BILL_AMOUNT", ref=str(number), detail="", day=DAY.name, state="OPEN", created_at=NOON
            )
        Discrepancy.create(kind="BILL_AMOUNT", ref="x", detail="", day="2026-11-19", state="OPEN", created_at=NOON)

    database.run_here(plant)
    sums = {"paid_fen": 501, "refunded_fen": 200, "our_paid_fen": 500, "our_refunded_fen": 200}
    assert database.read_here(totals, DAY) == sums
    one = database.read_here(days.one_day, DAY.name, None, 2)
    assert (one.sums, [flag.ref for flag in one.flags]) == (sums, ["2", "1"])
    rest = database.read_here(days.one_day, DAY.name, one.after, 2)
    assert ([flag.ref for flag in rest.flags], rest.after) == (["0"], None)
    listed, further = database.read_here(days.days, None, 1)
    assert ([line.day for line in listed], further) == ([DAY.name], DAY.name)
    assert [line.day for line in database.read_here(days.days, further, 1)[0]] == ["2026-11-19"]


def test_messages_of_before_the_migration_are_found_by_their_number(database: Database, tables: Tables) -> None:
    reports = {
        "1": '{"out_trade_no": "WX1", "paid_at": 77, "refunded": false}',
        "2": '{"out_trade_no": "WX2", "refunded_at": null}',
        "3": "{}",
        "4": "no JSON",
    }

    def as_before() -> None:
        for key, report in reports.items():
            Notification.create(
                dedupe_key=key, adapter="wechat_v3", kind="payment", report=report, body_digest="", received_at=1
            )

    database.run_here(as_before)
    tables.change("DELETE FROM schema_migration WHERE name = '0007_console_reads'")
    assert database.migrate() == ["0007_console_reads"]
    found = database.read_here(
        lambda: [(r.out_trade_no, r.happened_at) for r in Notification.select().order_by(Notification.id)]
    )
    assert found == [("WX1", 77), ("WX2", None), (None, None), (None, None)]
