"""What WeChat's trade bill and our tables do not agree on: set by set, in parts that each take a moment.

Every join is an outer one from the part of the lines outwards, so that no database begins at another table's end:
SQLite took minutes for what takes a tenth of a second. What an inner join would leave out is left out here.

Each function runs inside its caller's transaction and only looks. Nothing is decided here: a difference that evidence
cannot repair is put before a person. A difference is a discrepancy row without state and time, the same on every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import JOIN, fn

from models import BillLine, Discrepancy, Order, Payment, Refund, Transaction
from models.statements import insert_new
from services.bills import Day

MIDNIGHT = 600  # seconds: what was asked for around midnight may stand in either day's bill
MOST = 10_000  # differences that one comparison of a day names; beyond that something else is wrong
PART = 20_000  # rows that one statement looks at
ACCEPTED = ("PROCESSING", "ABNORMAL", "SUCCESS")  # states of a refund that WeChat took

Part = tuple[Any, Any]  # refs, or times: after the first, up to the second
Difference = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A question to the tables, and how a day is cut up for it."""

    parts: Callable[[Day], list[Part]]
    find: Callable[[Day, Part], Iterable[Difference]]


def lines(model: Any, kind: str, day: Day) -> list[Part]:
    """The day's lines of one kind, by ref: equal refs are in one part."""
    return _parts(model.ref, (model.day == day.name) & (model.kind == kind), "")


def times(moment: Any, day: Day) -> list[Part]:
    """What is of that day, by its time."""
    return _parts(moment, moment < day.ends, day.begins - 1)


def _parts(column: Any, whole: Any, after: Any) -> list[Part]:
    parts = []
    while (upto := _upto(column, whole & (column > after))) is not None:
        parts.append((after, upto))
        after = upto
    return parts


def _upto(column: Any, left: Any) -> Any:
    rows = column.model.select(column).where(left)
    full = rows.order_by(column).offset(PART - 1).limit(1).scalar()
    return column.model.select(fn.MAX(column)).where(left).scalar() if full is None else full


def within(model: Any, kind: str, day: Day, part: Part) -> Any:
    """The lines of that part, as a condition."""
    return (model.day == day.name) & (model.kind == kind) & _in(part, model.ref)


def _in(part: Part, column: Any) -> Any:
    return (column > part[0]) & (column <= part[1])


def forget(model: Any, kind: str, day: Day, part: Part) -> None:
    """A part of a day's lines, to be read anew."""
    model.delete().where(within(model, kind, day, part)).execute()


def unheard(day: Day, part: Part) -> list[Transaction]:
    """Our attempts whose payment stands in the bill and never reached us."""
    rows: Any = BillLine.select(Transaction.id)
    rows = rows.join(Payment, JOIN.LEFT_OUTER, on=(Payment.provider_transaction_id == BillLine.ref)).switch(BillLine)
    rows = rows.join(Transaction, JOIN.LEFT_OUTER, on=(Transaction.out_trade_no == BillLine.out_trade_no))
    unknown = rows.where(within(BillLine, "payment", day, part), Payment.id.is_null()).tuples()
    ours = {row for (row,) in unknown if row is not None}
    return list(Transaction.select().where(Transaction.id.in_(ours)).order_by(Transaction.id)) if ours else []


def unheard_refunds(day: Day, part: Part) -> list[str]:
    """Refund numbers of the bill that we never heard of: not ours, or lost."""
    rows: Any = BillLine.select(BillLine.ref).join(Refund, JOIN.LEFT_OUTER, on=(Refund.out_refund_no == BillLine.ref))
    unknown = rows.where(within(BillLine, "refund", day, part), Refund.id.is_null())
    return [ref for (ref,) in unknown.distinct().tuples()]


def record(found: list[Difference], day: str, now: int) -> None:
    """Put what was found in that day's bill before a person; what is known already stays as it is."""
    rows = [{**row, "day": day, "state": "OPEN", "created_at": now} for row in found]
    for start in range(0, len(rows), 500):
        insert_new(Discrepancy, rows[start : start + 500], "ref")


def difference(kind: str, ref: str, order_no: str | None, detail: str) -> Difference:
    return {"kind": kind, "ref": ref[:64], "order_no": order_no, "detail": detail[:500]}


def twice(model: Any, kind: str, name: str, day: Day, part: Part) -> Iterable[Difference]:
    """Lines that stand there more than once, as differences called ``name``."""
    times = fn.COUNT(model.id)
    rows = model.select(model.ref, times).where(within(model, kind, day, part)).group_by(model.ref).having(times > 1)
    for ref, count in rows.tuples():
        yield difference(name, ref, None, f"{count} times in the bill of {day.name}")


# --- trade ---


def _payments(day: Day, part: Part) -> Iterable[Difference]:
    for ref, billed, ours, out_trade_no, order_no in _unlike("payment", Payment, "provider_transaction_id", day, part):
        if ours is None:
            detail = f"in the bill of {day.name} for {out_trade_no}, and not here"
            yield difference("BILL_UNKNOWN", ref, None, detail)
        else:
            yield difference("BILL_AMOUNT", ref, order_no, f"{billed} fen in the bill, {ours} here")


def _refunds(day: Day, part: Part) -> Iterable[Difference]:
    for ref, billed, ours, paid, order_no in _unlike("refund", Refund, "out_refund_no", day, part):
        if ours is None:
            detail = f"in the bill of {day.name}, of {paid}, and not here"
            yield difference("BILL_REFUND_UNKNOWN", ref, None, detail)
        else:
            yield difference("BILL_REFUND_AMOUNT", ref, order_no, f"{billed} fen in the bill, {ours} here")


def _unlike(kind: str, model: Any, key: str, day: Day, part: Part) -> Iterable[tuple[Any, ...]]:
    """Ref, the bill's amount, ours or None, what it was for and whose order, of lines that have not their like here."""
    about = BillLine.out_trade_no if kind == "payment" else BillLine.provider_transaction_id
    rows: Any = BillLine.select(BillLine.ref, BillLine.amount_fen, model.amount_fen, about, Order.order_no)
    rows = rows.join(model, JOIN.LEFT_OUTER, on=(getattr(model, key) == BillLine.ref))
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == model.order))
    other = model.id.is_null() | (model.amount_fen != BillLine.amount_fen)
    found: Iterable[tuple[Any, ...]] = rows.where(within(BillLine, kind, day, part), other).distinct().tuples()
    return found


def _missing_payments(day: Day, part: Part) -> Iterable[Difference]:
    billed = (
        (BillLine.ref == Payment.provider_transaction_id) & (BillLine.day == day.name) & (BillLine.kind == "payment")
    )
    for ref, amount, order_no in _absent(Payment.provider_transaction_id, billed, _in(part, Payment.paid_at)):
        detail = f"{amount} fen paid that day, and not in the bill of {day.name}"
        yield difference("BILL_MISSING", ref, order_no, detail)


def _missing_refunds(day: Day, part: Part) -> Iterable[Difference]:
    """In no day's bill; but for those around midnight."""
    billed = (BillLine.ref == Refund.out_refund_no) & (BillLine.kind == "refund")
    then = _in(part, Refund.created_at) & safely(Refund.created_at, day) & Refund.state.in_(ACCEPTED)
    for ref, amount, order_no in _absent(Refund.out_refund_no, billed, then):
        detail = f"{amount} fen refunded that day, and not in the bill of {day.name}"
        yield difference("BILL_REFUND_MISSING", ref, order_no, detail)


def safely(moment: Any, day: Day) -> Any:
    """Not around midnight, as a condition."""
    return (moment >= day.begins + MIDNIGHT) & (moment < day.ends - MIDNIGHT)


def _absent(number: Any, billed: Any, then: Any) -> Iterable[tuple[Any, ...]]:
    """Number, amount and order of what is ``then`` and has no line that is ``billed``."""
    model = number.model
    rows: Any = model.select(number, model.amount_fen, Order.order_no)
    rows = rows.join(Order, JOIN.LEFT_OUTER, on=(Order.id == model.order)).switch(model)
    rows = rows.join(BillLine, JOIN.LEFT_OUTER, on=billed).where(then, BillLine.id.is_null())
    found: Iterable[tuple[Any, ...]] = rows.order_by(model.id).tuples()
    return found


TRADE = (
    Comparison(partial(lines, BillLine, "payment"), partial(twice, BillLine, "payment", "BILL_TWICE")),
    Comparison(partial(lines, BillLine, "refund"), partial(twice, BillLine, "refund", "BILL_TWICE")),
    Comparison(partial(lines, BillLine, "payment"), _payments),
    Comparison(partial(lines, BillLine, "refund"), _refunds),
    Comparison(partial(times, Payment.paid_at), _missing_payments),
    Comparison(partial(times, Refund.created_at), _missing_refunds),
)
