"""WeChat's truth: every entity by its number, and its storage; no rule of trade.

With a directory every change is appended to ``ledger.jsonl`` before it is answered, and read back at start; without
one it lives in memory. It must not know HTTP, signatures or what is allowed when.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from simulator.entities import Certificate, Delivery, Entity, Order, Paying, Payment, Refund, Shipment, Try, User
from simulator.files import write_private

Published = tuple[list[Order], list[Refund], list[Shipment], list[Delivery]]


class LedgerRefused(Exception):
    """``ledger.jsonl`` is not what this program wrote; the text says where."""


class Ledger:
    """Look things up in the dictionaries; after changing one, ``keep`` it."""

    def __init__(self, path: Path | None = None) -> None:
        self.users: dict[str, User] = {}
        self.orders: dict[str, Order] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.deliveries_of: dict[str, list[str]] = {}
        self.waiting: dict[str, Delivery] = {}
        self.shipments: dict[str, Shipment] = {}
        self.certificates: dict[str, Certificate] = {}
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
            case Shipment():
                self.shipments[entity.out_trade_no] = entity
            case Certificate():
                self.certificates[entity.serial_no] = entity
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

    def published(self, numbers: Collection[str] = ()) -> dict[str, object]:
        """What ``GET /_sim/ledger`` gives, about some out_trade_no or, without any, about all."""
        orders, refunds, shipments, deliveries = self._about(numbers) if numbers else self._everything()
        payments = [
            {"out_trade_no": order.out_trade_no, "amount_fen": order.amount_fen, **asdict(order.payment)}
            for order in orders
            if order.payment
        ]
        return {
            "orders": [asdict(order) for order in orders],
            "payments": payments,
            "refunds": [asdict(refund) for refund in refunds],
            "shipments": [asdict(shipment) for shipment in shipments],
            "deliveries": [asdict(delivery) for delivery in deliveries],
            "users": list(self.users),
        }

    def _everything(self) -> Published:
        refunds, shipments = list(self.refunds.values()), list(self.shipments.values())
        return list(self.orders.values()), refunds, shipments, list(self.deliveries.values())

    def _about(self, numbers: Collection[str]) -> Published:
        return (
            [self.orders[number] for number in numbers if number in self.orders],
            [refund for number in numbers for refund in self.refunds_for(number)],
            [self.shipments[number] for number in numbers if number in self.shipments],
            [self.deliveries[one] for number in numbers for one in self.deliveries_of.get(number, ())],
        )

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
        if delivery.id not in self.deliveries:
            self.deliveries_of.setdefault(delivery.out_trade_no, []).append(delivery.id)
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
            *self.shipments.values(),
            *self.certificates.values(),
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
            case {"Certificate": values}:
                self.certificates[values["serial_no"]] = Certificate(**values)
            case {"Shipment": values}:
                self.shipments[values["out_trade_no"]] = Shipment(**values)
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
    paying = Paying(**values["paying"]) if values.get("paying") else None
    return dataclasses.replace(
        order, payment=payment, paying=paying, prepay_ids=[(p, at) for p, at in values["prepay_ids"]]
    )
