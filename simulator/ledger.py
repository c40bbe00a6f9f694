"""WeChat's truth: users, orders, payments, refunds, deliveries. Values and their storage, no rule of trade.

With a directory every change is appended to ``ledger.jsonl`` before it is answered, and read back at start; without
one it lives in memory. It must not know HTTP, signatures or what is allowed when.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from simulator.files import write_private

NOTPAY, SUCCESS, CLOSED, PAYERROR, REFUND = "NOTPAY", "SUCCESS", "CLOSED", "PAYERROR", "REFUND"
PROCESSING, ABNORMAL = "PROCESSING", "ABNORMAL"
PREPAY_LIFE = 2 * 3600


@dataclass
class Payment:
    """Money that moved. ``payer_total`` is what the user paid after coupons; times are virtual epoch seconds."""

    transaction_id: str
    paid_at: float
    payer_total: int
    bank_type: str


@dataclass
class Order:
    """One ``out_trade_no``, whichever API made it. ``scheme`` is MD5, HMAC-SHA256 or RSA, for life."""

    out_trade_no: str
    api: str
    scheme: str
    appid: str
    mchid: str
    openid: str
    amount_fen: int
    description: str
    attach: str
    notify_url: str
    content: str
    created_at: float
    expires_at: float
    key_kind: str = "public_key"
    device_info: str = ""
    state: str = NOTPAY
    closed_at: float | None = None
    prepay_ids: list[tuple[str, float]] = field(default_factory=list)
    payment: Payment | None = None

    def prepay_age(self, prepay_id: str, now: float) -> float | None:
        """Seconds since this prepay_id was issued; None if it is not this order's."""
        return next((now - issued for known, issued in self.prepay_ids if known == prepay_id), None)


@dataclass
class Refund:
    """One ``out_refund_no``. ``outcome`` is what it will be at ``due_at``; ``source`` api or console.

    ``payer_fen`` is what the user gets back of what they paid themselves, the rest is a coupon's.
    """

    out_refund_no: str
    refund_id: str
    out_trade_no: str
    transaction_id: str
    amount_fen: int
    payer_fen: int
    api: str
    source: str
    reason: str
    notify_url: str
    content: str
    created_at: float
    outcome: str
    due_at: float | None
    account: str = "UNSETTLED"
    channel: str = "ORIGINAL"
    key_kind: str = "public_key"
    state: str = PROCESSING
    success_at: float | None = None


@dataclass
class Try:
    """One sending of a notification: ``result`` is ``acknowledged`` or why not; ``status`` 0 without an answer."""

    at: float
    status: int
    result: str


@dataclass
class Delivery:
    """One notification and its repeats. ``state``: waiting, acknowledged or given_up.

    Of a refund if ``out_refund_no`` is set: ``event`` is the refund's state that it tells of, also when repeated later.
    """

    id: str
    out_trade_no: str
    api: str
    url: str
    first_at: float
    state: str = "waiting"
    tries: list[Try] = field(default_factory=list)
    out_refund_no: str = ""
    event: str = SUCCESS

    @property
    def op(self) -> str:
        """What the fault plan calls it."""
        return "notify.refund" if self.out_refund_no else f"notify.{self.api}"


@dataclass
class User:
    """A WeChat user of this mini program; only the newest session_key is valid."""

    openid: str
    session_key: str = ""


Entity = User | Order | Refund | Delivery


class LedgerRefused(Exception):
    """``ledger.jsonl`` is not what this program wrote; the text says where."""


class Ledger:
    """Look things up in the dictionaries; after changing one, ``keep`` it."""

    def __init__(self, path: Path | None = None) -> None:
        self.users: dict[str, User] = {}
        self.orders: dict[str, Order] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.waiting: dict[str, Delivery] = {}
        self.refunds: dict[str, Refund] = {}
        self.refunds_of: dict[str, list[str]] = {}
        self.by_refund_id: dict[str, str] = {}
        self.by_prepay_id: dict[str, str] = {}
        self.by_transaction_id: dict[str, str] = {}
        self.clock_offset = 0.0
        self._file: IO[str] | None = None
        if path is not None:
            self._open(path)

    def keep(self, entity: Entity) -> None:
        """Index the entity and write it down."""
        match entity:
            case User():
                self.users[entity.openid] = entity
            case Delivery():
                self._file_delivery(entity)
            case Refund():
                self._file_refund(entity)
            case Order():
                self._index(entity)
        self._append({type(entity).__name__: asdict(entity)})

    def keep_clock(self, offset: float) -> None:
        self.clock_offset = offset
        self._append({"clock_offset": offset})

    def close(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def published(self, out_trade_no: str = "") -> dict[str, object]:
        """What ``GET /_sim/ledger`` gives, of one number or of all."""
        orders = [order for order in self.orders.values() if out_trade_no in ("", order.out_trade_no)]
        payments = [
            {"out_trade_no": order.out_trade_no, "amount_fen": order.amount_fen, **asdict(order.payment)}
            for order in orders
            if order.payment
        ]
        deliveries = [asdict(d) for d in self.deliveries.values() if out_trade_no in ("", d.out_trade_no)]
        return {
            "orders": [asdict(order) for order in orders],
            "payments": payments,
            "refunds": [asdict(r) for r in self.refunds.values() if out_trade_no in ("", r.out_trade_no)],
            "deliveries": deliveries,
            "users": list(self.users),
        }

    def _index(self, order: Order) -> None:
        self.orders[order.out_trade_no] = order
        for prepay_id, _ in order.prepay_ids:
            self.by_prepay_id[prepay_id] = order.out_trade_no
        if order.payment:
            self.by_transaction_id[order.payment.transaction_id] = order.out_trade_no

    def refunds_for(self, out_trade_no: str) -> list[Refund]:
        """An order's refunds, oldest first."""
        return [self.refunds[number] for number in self.refunds_of.get(out_trade_no, ())]

    def _file_refund(self, refund: Refund) -> None:
        if refund.out_refund_no not in self.refunds:
            self.refunds_of.setdefault(refund.out_trade_no, []).append(refund.out_refund_no)
        self.refunds[refund.out_refund_no] = refund
        self.by_refund_id[refund.refund_id] = refund.out_refund_no

    def _file_delivery(self, delivery: Delivery) -> None:
        self.deliveries[delivery.id] = delivery
        if delivery.state == "waiting":
            self.waiting[delivery.id] = delivery
        else:
            self.waiting.pop(delivery.id, None)

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()

    def _open(self, path: Path) -> None:
        """Replay what was written, then write it again compactly and go on appending."""
        if path.exists():
            for number, line in enumerate(_whole_lines(path), 1):
                self._replay_line(number, line)
        entities: list[Entity] = [
            *self.users.values(),
            *self.orders.values(),
            *self.refunds.values(),
            *self.deliveries.values(),
        ]
        lines = [json.dumps({type(e).__name__: asdict(e)}, ensure_ascii=False) for e in entities]
        lines.append(json.dumps({"clock_offset": self.clock_offset}))
        write_private(path, "\n".join(lines) + "\n")
        self._file = path.open("a", encoding="utf-8")

    def _replay_line(self, number: int, line: str) -> None:
        try:
            self._replay(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise LedgerRefused(f"line {number} of ledger.jsonl cannot be understood; move the file away") from error

    def _replay(self, line: dict[str, Any]) -> None:
        match line:
            case {"User": values}:
                self.users[values["openid"]] = User(**values)
            case {"Order": values}:
                self._index(_order(values))
            case {"Refund": values}:
                self._file_refund(Refund(**values))
            case {"Delivery": values}:
                self._file_delivery(Delivery(**(values | {"tries": [Try(**t) for t in values["tries"]]})))
            case {"clock_offset": float(offset) | int(offset)}:
                self.clock_offset = offset
            case _:
                raise ValueError("no such entry")


def _whole_lines(path: Path) -> Iterator[str]:
    """A process that was killed may have left its last line half written: it was never answered for."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if line.endswith("\n"))


def _order(values: dict[str, Any]) -> Order:
    order = Order(**values)
    payment = Payment(**values["payment"]) if values["payment"] else None
    return dataclasses.replace(order, payment=payment, prepay_ids=[(p, at) for p, at in values["prepay_ids"]])
