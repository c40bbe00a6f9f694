"""A day that the simulator generates, on our side: the rows that match it, and what its planted errors must lead to.

The rows follow the rule of ``simulator.billplan``. ``cli.py reconcile`` reads the day in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from models.database import Database
from tests.databases import Tables
from tests.harness import Api, Simulator
from tests.processes import ROOT

BEIJING = timezone(timedelta(hours=8))
# What each planted error must lead to: the difference's kind, and whether its ref is the true number or the other one
# that stands in the bill. A number that was changed is one too many there, and one missing.
TRUE, OTHER = "true", "other"
LEADS_TO = {
    "missing": [("BILL_MISSING", TRUE)],
    "amount": [("BILL_AMOUNT", TRUE)],
    "duplicate": [("BILL_TWICE", TRUE)],
    "number": [("BILL_MISSING", TRUE), ("BILL_UNKNOWN", OTHER)],
    "extra": [("BILL_UNKNOWN", TRUE)],
    "refund_missing": [("BILL_REFUND_MISSING", TRUE)],
    "refund_amount": [("BILL_REFUND_AMOUNT", TRUE)],
    "refund_duplicate": [("BILL_TWICE", TRUE)],
    "refund_number": [("BILL_REFUND_MISSING", TRUE), ("BILL_REFUND_UNKNOWN", OTHER)],
    "flow_missing": [("FUND_MISSING", TRUE)],
    "flow_amount": [("FUND_AMOUNT", TRUE)],
    "flow_duplicate": [("FUND_TWICE", TRUE)],
    "flow_number": [("FUND_MISSING", TRUE), ("FUND_UNKNOWN", OTHER)],
    "refund_flow_missing": [("FUND_REFUND_MISSING", TRUE)],
    "refund_flow_amount": [("FUND_REFUND_AMOUNT", TRUE)],
    "refund_flow_duplicate": [("FUND_TWICE", TRUE)],
    "refund_flow_number": [("FUND_REFUND_MISSING", TRUE), ("FUND_REFUND_UNKNOWN", OTHER)],
}

# cli.py as it is, and at its end the most memory that it ever had. Not ru_maxrss: Linux hands that of the process that
# started it down to it, so it told how large pytest had become.
MEASURED = """
import re, sys, cli
code = cli.main()
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
sys.exit(code)
"""


def migrated(url: str) -> Tables:
    database = Database(url, threads=1)
    database.migrate()
    database.close()
    return Tables(url)


def yesterday(simulator: Simulator) -> datetime:
    """Midnight of the day that is over by WeChat's clock, whose bill is ready."""
    now = datetime.fromtimestamp(simulator.get("clock")["now"], BEIJING)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    morning = today + timedelta(days=1, hours=10, minutes=31)
    simulator.post("clock", advance_seconds=int((morning - now).total_seconds()) + 1)
    return today


def stock(tables: Tables, midnight: datetime, payments: int, refunds: int) -> None:
    """Our side of so many generated payments, of which so many were refunded."""
    for table in ("refunds", "payments", "discrepancies"):
        tables.change(f"DELETE FROM {table}")
    name, begins = f"{midnight:%Y%m%d}", int(midnight.timestamp())
    _insert(
        tables,
        "payments",
        {"appid": "wx", "mchid": "1", "openid": "o", "currency": "CNY", "disposition": "UNKNOWN_ORDER", "held_fen": 0,
         "refunded_fen": 0, "external_fen": 0, "source": "query", "adapter": "wechat_v2", "created_at": 0},
        ("id", "provider_transaction_id", "out_trade_no", "amount_fen", "paid_at"),
        ((i + 1, f"4200999999{name}{i:010d}", f"SIMX{name}{i:08d}", _paid(i), begins + 600 + i % 85_200)
         for i in range(payments)),
    )  # fmt: skip
    _insert(
        tables,
        "refunds",
        {"adapter": "wechat_v2", "source": "LOCAL", "requester": "merchant", "reason": "", "request": "",
         "fingerprint": "", "state": "SUCCESS", "version": 0, "refusal": "", "asked": 0},
        ("payment_id", "out_refund_no", "provider_refund_id", "amount_fen", "created_at", "refunded_at"),
        ((i + 1, f"SIMR{name}{i:08d}", f"5000999999{name}{i:010d}", 1 + _paid(i) // 2,
          *[begins + 43_200 + i % 36_000] * 2) for i in range(refunds)),
    )  # fmt: skip


def _paid(index: int) -> int:
    return 1 + 37 * index % 100_000


def _insert(tables: Tables, table: str, alike: dict[str, Any], columns: tuple[str, ...], rows: Iterable[Any]) -> None:
    mark = "?" if tables.is_sqlite else "%s"
    marks = ", ".join([mark] * (len(alike) + len(columns)))
    sql = f"INSERT INTO {table} ({', '.join((*alike, *columns))}) VALUES ({marks})"
    with tables.connect() as connection:
        connection.cursor().executemany(sql, [(*alike.values(), *row) for row in rows])


def reconcile(url: str, simulator: Simulator, api: Api, day: str) -> tuple[int, str, int]:
    """Exit code, what was said, and the most memory that it had, in kB."""
    environ = {**os.environ, **api.environ, "DATABASE_URL": url, "SIMULATOR_URL": simulator.url}
    command = [sys.executable, "-c", MEASURED, "reconcile", day]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300)
    *said, peak = done.stdout.strip().splitlines()
    return done.returncode, (said or done.stderr.strip().splitlines())[-1], int(peak)


def found(tables: Tables) -> list[tuple[Any, ...]]:
    return sorted(tables.rows("SELECT kind, ref FROM discrepancies"))


def expected(simulator: Simulator, day: str) -> list[tuple[str, str]]:
    """The rows that the planted errors of the day must lead to."""
    planted = simulator.get(f"bill?day={day}")["planted"]
    return sorted(
        (kind, _refs(error)[which]) for error in planted for kind, which in LEADS_TO[error["kind"]]
    )  # fmt: skip


def _refs(error: dict[str, str]) -> dict[str, str]:
    """By which number the error is known, and what it is changed to. A refund has two: ours in the trade bill, WeChat's
    in the fund flow."""
    if error["kind"].startswith("refund_flow_"):
        true = error["refund_id"]
    elif error["kind"].startswith("refund_"):
        return {TRUE: error["out_refund_no"], OTHER: f"SIMOTHER{error['refund_id']}"}
    else:
        true = error["transaction_id"]
    return {TRUE: true, OTHER: f"{true[:4]}777777{true[10:]}"}
