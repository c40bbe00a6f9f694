"""The rows of shipments: what a merchant may ask for, whose turn it is, what became of it.

Runs inside the caller's transaction; knows no token and asks nobody.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from adapters import delivery
from adapters.delivery import Parcel, Shipped
from models import Discrepancy, Order, Payment, Shipment, Transaction
from models.database import locked
from services.discrepancies import flag
from services.errors import Conflicting, Invalid, NotFound
from services.moves import begin, move, note_resolution
from services.orders import paid_order, rfc3339
from services.overdue import KIND as OVERDUE

logger = logging.getLogger("pay.shipping")

FIRST_TURN = 10  # seconds after the payment became known: the order reaches WeChat's shipping later than its payment
BACK_OFF = (60, 120, 300, 600, 1800)  # seconds between two tries of one shipment, then hourly
HOURLY = 3600
PATIENCE = 86_400  # seconds until what WeChat does not take is put before a person
CORRECTIONS = 1  # WeChat's rule
WITH_CONTACT = ("SF",)  # express companies for which WeChat wants a masked telephone number
STUCK, REFUSED = "SHIPMENT_STUCK", "SHIPMENT_REFUSED"  # kinds of discrepancies

STATUS = {"REQUESTED": "pending", "SENDING": "pending", "UPLOADED": "uploaded", "REFUSED": "refused"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a merchant reports of an order."""

    order_no: str
    logistics_type: str  # express, same_city, virtual, pickup
    parcels: tuple[Parcel, ...]
    all_delivered: bool


@dataclass(frozen=True, slots=True)
class Task:
    """One shipment to be carried on, detached from the tables."""

    shipment_no: str
    state: str  # before this turn: REQUESTED was never sent
    shipment: delivery.Shipment


def check(wanted: Wanted) -> None:
    """What the fields must be together. Raises Invalid, naming the field."""
    for index, parcel in enumerate(wanted.parcels):
        field = f"parcels[{index}]"
        if wanted.logistics_type == "express":
            for name in ("tracking_no", "express_company"):
                if not getattr(parcel, name):
                    raise Invalid("express_incomplete", field=f"{field}.{name}")
            if parcel.express_company in WITH_CONTACT and not parcel.receiver_contact:
                raise Invalid("express_incomplete", field=f"{field}.receiver_contact")
        elif parcel != Parcel(parcel.item_desc):
            raise Invalid("express_only", field=field)


def request(wanted: Wanted, now: int) -> tuple[str, bool]:
    """The shipment's number, and whether it is new. Raises NotFound, Conflicting."""
    order, payment = paid_order(wanted.order_no)
    before = list(Shipment.select().where(Shipment.order == order.id).order_by(Shipment.revision))
    if before and before[-1].fingerprint == _fingerprint(wanted) and before[-1].state != "REFUSED":
        return before[-1].shipment_no, False
    _may_ship(order, before)
    return _insert(wanted, order, payment, before, now), True


def due(shipment_no: str | None, now: int, limit: int) -> list[int]:
    return [row.id for row in _due(shipment_no, now, limit)]


def claim(shipment_no: str | None, now: int, limit: int) -> list[Task]:
    """Take what is due, or that one if it is, by setting its next turn: two processes never carry on the same."""
    return [task for row in _due(shipment_no, now, limit) if (task := _claim(row, now))]


def record(shipment_no: str, outcome: str, words: str, now: int) -> None:
    """``outcome``: UPLOADED or REFUSED, with WeChat's words."""
    row = _locked(shipment_no)
    if row.state != "SENDING":
        return
    if outcome == "UPLOADED":
        move(row, outcome, "shipping", now, words, uploaded_at=now, ask_at=None)
        if row.all_delivered:
            _settle(row.order.order_no, now)
    else:
        _refuse(row, words, now)


def record_again(shipment_no: str, absent: bool, words: str, now: int) -> str:
    """No good answer: AGAIN, or REFUSED if WeChat has had no such order for a day. A person is told by then."""
    row = _locked(shipment_no)
    if row.state == "SENDING" and now - row.created_at >= PATIENCE:
        if absent:
            _refuse(row, words, now)
            return "REFUSED"
        flag(logger, STUCK, shipment_no, row.order.order_no, f"no good answer for a day: {words}", now)
    return "AGAIN"


def same(there: Shipped, ours: delivery.Shipment) -> bool:
    """Whether WeChat has what we sent. A text that it does not repeat is no difference.

    Of an order in one parcel it has that one alone; of a split one also the parcels that were reported before.
    """
    if (there.logistics_type, there.all_delivered) != (ours.logistics_type, ours.all_delivered):
        return False
    alone = ours.all_delivered and len(ours.parcels) == 1
    if alone and len(there.parcels) != 1:
        return False
    return all(any(_alike(theirs, parcel) for theirs in there.parcels) for parcel in ours.parcels)


def read(order_no: str) -> dict[str, Any]:
    """The last one of the order. Raises NotFound."""
    if Order.get_or_none(Order.order_no == order_no) is None:
        raise NotFound("order_not_found")
    rows = Shipment.select().join(Order).where(Order.order_no == order_no)
    row = rows.order_by(Shipment.revision.desc()).first()
    if row is None:
        raise NotFound("shipment_not_found")
    return _view(row, order_no)


def _alike(theirs: Parcel, ours: Parcel) -> bool:
    sent = (ours.express_company, ours.tracking_no)
    return (theirs.express_company, theirs.tracking_no) == sent and theirs.item_desc in ("", ours.item_desc)


def _fingerprint(wanted: Wanted) -> str:
    text = json.dumps([wanted.logistics_type, _kept(wanted.parcels), wanted.all_delivered])
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(parcels: tuple[Parcel, ...]) -> list[dict[str, str]]:
    return [{name: value for name, value in asdict(parcel).items() if value} for parcel in parcels]


def _may_ship(order: Order, before: list[Shipment]) -> None:
    if order.state != "PAID":
        raise Conflicting("order_closed")  # paid too late
    if order.refunded_fen >= order.paid_fen:
        raise Conflicting("order_refunded")
    if before and before[-1].state in ("REQUESTED", "SENDING"):
        raise Conflicting("shipment_under_way")
    whole = [bool(row.all_delivered) for row in before if row.state == "UPLOADED"]
    if True in whole and len(whole[whole.index(True) :]) > CORRECTIONS:
        raise Conflicting("shipment_corrected")


def _insert(wanted: Wanted, order: Order, payment: Payment, before: list[Shipment], now: int) -> str:
    revision = len(before) + 1
    row = Shipment.create(
        shipment_no=f"{order.order_no}-{revision}",
        order=order.id,
        payment=payment.id,
        revision=revision,
        logistics_type=wanted.logistics_type,
        parcels=json.dumps(_kept(wanted.parcels), ensure_ascii=False),
        all_delivered=int(wanted.all_delivered),
        fingerprint=_fingerprint(wanted),
        state="REQUESTED",
        version=1,
        refusal="",
        # It is also the upload's time, in seconds, and WeChat takes the newer of two.
        created_at=max([now, *(other.created_at + 1 for other in before)]),
        asked=0,
        ask_at=max(now, payment.created_at + FIRST_TURN),
    )
    begin(row, "merchant", now)
    return str(row.shipment_no)


def _due(shipment_no: str | None, now: int, limit: int) -> list[Shipment]:
    rows = Shipment.select().where(Shipment.ask_at <= now)
    if shipment_no:
        rows = rows.where(Shipment.shipment_no == shipment_no)
    return list(rows.order_by(Shipment.ask_at).limit(limit))


def _claim(row: Shipment, now: int) -> Task | None:
    later = now + (BACK_OFF[row.asked] if row.asked < len(BACK_OFF) else HOURLY)
    mine = Shipment.update(ask_at=later, asked=row.asked + 1)
    if not mine.where(Shipment.id == row.id, Shipment.ask_at == row.ask_at).execute():
        return None
    task = Task(row.shipment_no, row.state, _composed(row))
    if row.state == "REQUESTED":
        move(row, "SENDING", "shipping", now)  # committed before it is sent: from now on it may be there
    return task


def _composed(row: Shipment) -> delivery.Shipment:
    payment = row.payment
    return delivery.Shipment(
        provider_transaction_id=payment.provider_transaction_id,
        openid=payment.openid or Transaction.get(Transaction.out_trade_no == payment.out_trade_no).openid,
        logistics_type=row.logistics_type,
        parcels=tuple(Parcel(**parcel) for parcel in json.loads(row.parcels)),
        all_delivered=bool(row.all_delivered),
        at=row.created_at,
    )


def _locked(shipment_no: str) -> Shipment:
    return locked(Shipment.select().where(Shipment.shipment_no == shipment_no)).get()


def _settle(order_no: str, now: int) -> None:
    """What a person was told about this order's shipping is over."""
    told = (Discrepancy.order_no == order_no) & Discrepancy.kind.in_((OVERDUE, STUCK, REFUSED))
    for row in Discrepancy.select().where(told, Discrepancy.state == "OPEN"):
        still = (Discrepancy.id == row.id) & (Discrepancy.state == "OPEN")
        if Discrepancy.update(state="RESOLVED").where(still).execute():
            note_resolution("discrepancy", str(row.id), "OPEN", "RESOLVED", "shipping", "uploaded", now)


def _refuse(row: Shipment, words: str, now: int) -> None:
    move(row, "REFUSED", "shipping", now, words, refusal=words[:200], ask_at=None)
    order = row.order
    if order.refunded_fen < order.paid_fen:  # what was given back need not be shipped
        flag(logger, REFUSED, row.shipment_no, order.order_no, words, now)


def _view(row: Shipment, order_no: str) -> dict[str, Any]:
    return {
        "order_no": order_no,
        "shipment_no": row.shipment_no,
        "status": STATUS[row.state],
        "logistics_type": row.logistics_type,
        "parcels": json.loads(row.parcels),
        "all_delivered": bool(row.all_delivered),
        "message": row.refusal,
        "created_at": rfc3339(row.created_at),
        "uploaded_at": rfc3339(row.uploaded_at) if row.uploaded_at else None,
    }
