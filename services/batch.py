"""The rows that a set of reports touches, read at once, and what is to be written about them, written at once.

Decides nothing: ``services.payments`` does. Lives inside one database transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.base import TradeReport
from models import Discrepancy, Order, Outbox, Payment, Transaction
from models.database import Raced, locked
from models.statements import Prepared, columns, insert, insert_new, row_of
from services.moves import Row, Step, step, write

logger = logging.getLogger("pay.payments")

# Of each row what is compared and moved: the request that an attempt was made by is long.
ORDER_LOOKED_AT = columns(Order, "id order_no state version")
ATTEMPT_LOOKED_AT = columns(
    Transaction, "id order out_trade_no scheme appid mchid openid amount_fen currency state version"
)
NAMED = Prepared[Transaction](
    lambda numbers: Transaction.select(Transaction.order).where(Transaction.out_trade_no.in_(numbers))
)
ORDERS = Prepared[Order](lambda ids: locked(Order.select(*ORDER_LOOKED_AT).where(Order.id.in_(ids)).order_by(Order.id)))
SIBLINGS = Prepared[Transaction](
    lambda ids: Transaction.select(*ATTEMPT_LOOKED_AT).where(Transaction.order.in_(ids)).order_by(Transaction.id)
)
KNOWN = Prepared[Payment](
    lambda names, orders: (
        Payment.select().where(Payment.provider_transaction_id.in_(names))
        + Payment.select().where(Payment.order.in_(orders))
    )
)


@dataclass
class Batch:
    reports: list[TradeReport]
    now: int
    orders: dict[int, Order]
    siblings: dict[int, list[Transaction]]  # all attempts, by order
    transactions: dict[str, Transaction]  # the same, by out_trade_no
    payments: dict[str, Payment]  # by provider_transaction_id
    paid: set[int]  # orders that have a payment applied
    steps: list[Step] = field(default_factory=list)
    new_payments: list[dict[str, Any]] = field(default_factory=list)
    judged_anew: list[dict[str, Any]] = field(default_factory=list)
    discrepancies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    fulfilments: list[dict[str, Any]] = field(default_factory=list)
    soon: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)

    @classmethod
    def load(cls, reports: Sequence[TradeReport], now: int) -> Batch:
        """Identical reports count once. Orders are locked in order of id, so that two batches cannot deadlock."""
        distinct = list(dict.fromkeys(reports))
        ids = sorted({row.order_id for row in NAMED.all([report.out_trade_no for report in distinct])})
        orders = {row.id: row for row in ORDERS.all(ids)}
        siblings: dict[int, list[Transaction]] = {order_id: [] for order_id in ids}
        for row in SIBLINGS.all(ids):
            siblings[row.order_id].append(row)
        transactions = {row.out_trade_no: row for rows in siblings.values() for row in rows}
        payments = _known_payments(distinct, ids)
        paid = {row.order_id for row in payments.values() if row.order_id and row.applied_slot}
        return cls(distinct, now, orders, siblings, transactions, payments, paid)

    def step(self, row: Row, target: str, report: TradeReport, **columns: Any) -> None:
        note = f"{report.trade_state} by {report.source} of {report.adapter}"
        self.steps.append(step(row, target, note, **columns))

    def pay(self, report: TradeReport, order: Order | None, disposition: str) -> Payment:
        """The payment row: money that an authentic source named, whether it fits or not.

        One that is known already is judged anew: it did not fit, and a person had WeChat asked again.
        """
        values = {
            "provider_transaction_id": report.provider_transaction_id,
            "out_trade_no": report.out_trade_no,
            "order": order.id if order else None,
            "appid": (report.appid or "")[:32],
            "mchid": (report.mchid or "")[:32],
            "openid": (report.openid or "")[:128],
            "amount_fen": report.amount_fen,
            "currency": (report.currency or "")[:8],
            "disposition": disposition,
            "applied_slot": 1 if disposition == "APPLIED" else None,
            "held_fen": 0,
            "external_fen": 0,
            "refunded_fen": 0,
            "source": report.source,
            "adapter": report.adapter,
            "paid_at": report.paid_at,
            "created_at": self.now,
        }
        payment = row_of(Payment, values)
        known = payment.provider_transaction_id in self.payments
        (self.judged_anew if known else self.new_payments).append(values)
        self.payments[payment.provider_transaction_id] = payment
        if order and disposition == "APPLIED":
            self.paid.add(order.id)
        return payment

    def flag(self, kind: str, ref: str, report: TradeReport, detail: str) -> None:
        """A person must look at this. The same kind about the same thing is one row, however often it is reported."""
        transaction = self.transactions.get(report.out_trade_no)
        order_no = self.orders[transaction.order_id].order_no if transaction else None
        row = {"kind": kind, "ref": ref, "order_no": order_no, "detail": detail[:500], "state": "OPEN"}
        self.discrepancies[kind, ref] = {**row, "created_at": self.now}
        logger.warning("discrepancy kind=%s ref=%s order=%s source=%s", kind, ref, order_no or "-", report.source)

    def fulfil(self, order: Order) -> None:
        self.fulfilments.append({"order": order.id, "kind": "FULFIL", "created_at": self.now})

    def ask_soon(self, transaction: Transaction) -> None:
        self.soon.append(transaction.id)

    def release(self, transaction: Transaction) -> None:
        """A finished order has no open attempt, also while one is still being closed at the provider."""
        self.released.append(transaction.id)

    def write(self, actor: str) -> None:
        write(self.steps, actor, self.now)
        insert(Payment, self.new_payments)
        for values in self.judged_anew:
            _judge_anew(values)
        insert(Outbox, self.fulfilments)
        insert_new(Discrepancy, list(self.discrepancies.values()), "ref")
        if self.soon:
            Transaction.update(ask_at=self.now).where(Transaction.id.in_(self.soon)).execute()
        if self.released:
            Transaction.update(open_slot=None).where(Transaction.id.in_(self.released)).execute()


def _judge_anew(values: dict[str, Any]) -> None:
    """Raises Raced if it is not a MISMATCH any more, or if money of it has gone back meanwhile."""
    untouched = (Payment.disposition == "MISMATCH") & (Payment.held_fen + Payment.external_fen == 0)
    this = Payment.provider_transaction_id == values["provider_transaction_id"]
    told = {name: value for name, value in values.items() if name not in ("source", "created_at")}
    if not Payment.update(**told).where(this, untouched).execute():
        raise Raced("a payment that was judged anew")


def _known_payments(reports: list[TradeReport], order_ids: list[int]) -> dict[str, Payment]:
    """Those the reports name, and those of the same orders: a second payment of one order must see the first."""
    names = [report.provider_transaction_id for report in reports if report.provider_transaction_id]
    return {row.provider_transaction_id: row for row in KNOWN.all(names, order_ids)}
