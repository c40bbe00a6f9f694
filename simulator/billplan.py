"""What a bill may be asked to say beside the truth: generated payments and refunds, and errors at places drawn by lot.

The lines and flows of a bill are defined here, with what is planted in them; whose they are is ``bills``' business. It
must not know the ledger.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

WRONG = ("missing", "amount", "duplicate", "number")
OF_PAYMENTS = (*WRONG, *(f"flow_{kind}" for kind in WRONG))
OF_REFUNDS = tuple(f"refund_{kind}" for kind in OF_PAYMENTS)
KINDS = (*OF_PAYMENTS, *OF_REFUNDS, "extra")
PAYMENT, REFUND = "交易", "退款"  # flows that errors are planted in; those of fees are always true


class Line(NamedTuple):
    """One line of a trade bill, in fen and epoch seconds: a payment, or a refund if it has a ``refund_id``."""

    at: float
    transaction_id: str
    out_trade_no: str
    openid: str
    bank: str
    amount: int
    coupon: int
    name: str
    attach: str
    device: str = ""
    refund_id: str = ""
    out_refund_no: str = ""
    refunded: int = 0
    refunded_coupon: int = 0
    refund_state: str = ""
    channel: str = ""
    succeeded_at: float | None = None
    recharged: bool = False


class Flow(NamedTuple):
    """One movement of the merchant's basic account: ``fen`` is positive for what came in. ``number``: the voucher."""

    at: float
    transaction_id: str
    name: str
    fen: int
    number: str


@dataclass(frozen=True)
class BillPlan:
    """What ``/_sim/bill`` sets: kinds of errors and how many of each, what is beside the ledger's, and the old form."""

    errors: tuple[tuple[str, int], ...] = ()
    extra_lines: int = 0
    extra_refunds: int = 0
    columns: int = 27
    seed: int = 0
    day: date | None = None  # None: every day


def fee_fen(amount: int) -> int:
    """0.60 % of so many fen, rounded half up to the fen."""
    return (amount * 6 + 500) // 1000


def generated(day: date, start: float, index: int) -> Line:
    """Line ``index`` (from 0) of ``extra_lines``. A test makes the same rows by the same rule:

    out_trade_no ``SIMX`` + yyyymmdd + 8 digits of the index, transaction_id ``4200999999`` + yyyymmdd + 10 digits of
    the index, amount 1 + 37 x index mod 100000 fen, paid 600 + index mod 85200 seconds after midnight.
    """
    name = f"{day:%Y%m%d}"
    paid_at, amount = start + 600 + index % 85_200, 1 + 37 * index % 100_000
    return Line(
        paid_at, f"4200999999{name}{index:010d}", f"SIMX{name}{index:08d}", "oSIMgenerated000000000000000",
        "OTHERS", amount, 0, "生成的账单, 第一类", "",
    )  # fmt: skip


def generated_refund(day: date, start: float, index: int) -> Line:
    """Refund ``index`` (from 0) of ``extra_refunds``, of the generated payment of that index, and done at once:

    out_refund_no ``SIMR`` + yyyymmdd + 8 digits of the index, refund_id ``5000999999`` + yyyymmdd + 10 digits of the
    index, amount 1 + half of the payment's, rounded down, 43200 + index mod 36000 seconds after midnight.
    """
    name, at, paid = f"{day:%Y%m%d}", start + 43_200 + index % 36_000, generated(day, start, index)
    return paid._replace(
        at=at,
        refund_id=f"5000999999{name}{index:010d}",
        out_refund_no=f"SIMR{name}{index:08d}",
        refunded=1 + paid.amount // 2,
        refund_state="SUCCESS",
        channel="ORIGINAL",
        succeeded_at=at,
    )


def invented(day: date, start: float, index: int) -> Line:
    """A payment that nobody made."""
    line, name = generated(day, start, index), f"{day:%Y%m%d}"
    return line._replace(out_trade_no=f"SIMEXTRA{name}{index:08d}", transaction_id=f"4200888888{name}{index:010d}")


def paid_flows(line: Line) -> Iterator[Flow]:
    """What a payment moves, and its fee."""
    yield Flow(line.at, line.transaction_id, PAYMENT, line.amount, line.transaction_id)
    if fee := fee_fen(line.amount):
        yield Flow(line.at, line.transaction_id, "扣除交易手续费", -fee, line.transaction_id)


def refunded_flows(at: float, refund_id: str, fen: int, out_refund_no: str) -> Iterator[Flow]:
    """What a refund moves, and the part of the fee that comes back."""
    yield Flow(at, refund_id, REFUND, -fen, out_refund_no)
    if fee := fee_fen(fen):
        yield Flow(at, refund_id, "退还交易手续费", fee, out_refund_no)


def spread(
    chance: random.Random, lines: int, errors: tuple[tuple[str, int], ...], kinds: tuple[str, ...]
) -> dict[int, str]:
    """Which line gets which error: as many as there are lines, no line two."""
    wished = [kind for kind, n in errors if kind in kinds for _ in range(n)][:lines]
    return dict(zip(chance.sample(range(lines), len(wished)), wished, strict=True))


def spoiled(line: Line, error: str | None) -> tuple[Line, ...]:
    """What stands in the trade bill in place of that line. An error of its flow leaves it as it is."""
    match error and error.removeprefix("refund_"):
        case "missing":
            return ()
        case "duplicate":
            return (line, line)
        case "amount" if line.refund_id:
            return (line._replace(refunded=line.refunded + 1),)
        case "amount":
            return (line._replace(amount=line.amount + 1),)
        case "number" if line.refund_id:
            return (line._replace(out_refund_no=f"SIMOTHER{line.refund_id}"),)
        case "number":
            return (line._replace(transaction_id=_another(line.transaction_id)),)
        case _:
            return (line,)


def spoiled_flow(flow: Flow, error: str | None) -> tuple[Flow, ...]:
    """What stands in the fund-flow bill in place of that movement; only errors of flows matter here."""
    match error and error.removeprefix("refund_"):
        case "flow_missing":
            return ()
        case "flow_duplicate":
            return (flow, flow)
        case "flow_amount":
            return (flow._replace(fen=flow.fen + (1 if flow.fen > 0 else -1)),)
        case "flow_number":
            return (flow._replace(transaction_id=_another(flow.transaction_id)),)
        case _:
            return (flow,)


def _another(number: str) -> str:
    """One that no payment, no refund and no generated line has."""
    return f"{number[:4]}777777{number[10:]}"


def answer(kind: str, line: Line) -> dict[str, object]:
    """An error, and the line as it is in truth."""
    known: dict[str, object] = {
        "kind": kind,
        "out_trade_no": line.out_trade_no,
        "transaction_id": line.transaction_id,
        "amount_fen": line.refunded if line.refund_id else line.amount,
    }
    refund = {"out_refund_no": line.out_refund_no, "refund_id": line.refund_id}
    return known | (refund if line.refund_id else {})
