"""Orders as they stand in the tables after some weeks of trade, planted by hand: no server is near them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from models import Order, OrderItem, Payment, Refund, Shipment, Transaction, User
from models.database import Database

NOW = 1_800_000_000
STATES = ("CREATED", "PAYING", "CLOSING", "CLOSED", "PAID", "PAID_LATE")
AMOUNTS = (1, 1800, 2800)


@dataclass(frozen=True)
class Numbers:
    """Every number that one paid, refunded, shipped order goes by."""

    order_no: str
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    provider_refund_id: str
    refund_no: str
    shipment_no: str
    openid: str


def user(openid: str) -> User:
    return User.get_or_none(User.openid == openid) or User.create(openid=openid, created_at=NOW)


def order(
    number: int, *, state: str, amount_fen: int, created_at: int, refunded_fen: int = 0, openid: str = "o"
) -> Order:
    paid = state.startswith("PAID")
    made: Order = Order.create(
        order_no=f"MP{number:08}",
        user=user(openid),
        amount_fen=amount_fen,
        currency="CNY",
        state=state,
        version=1,
        paid_fen=amount_fen if paid else 0,
        refunded_fen=refunded_fen if paid else 0,
        request_hash="",
        created_at=created_at,
        expires_at=NOW + 10**6,
        paid_at=created_at + 20 if paid else None,
    )
    OrderItem.create(order=made, product_id="p", title="拿铁咖啡", price_fen=amount_fen, quantity=1)
    return made


def crowd(database: Database, count: int, seed: int) -> None:
    """Orders of every state, amount and buyer; many of them made in the same second."""
    dice = random.Random(seed)

    def plant() -> None:
        for number in range(count):
            fen = dice.choice(AMOUNTS)
            order(
                number,
                state=dice.choice(STATES),
                amount_fen=fen,
                refunded_fen=dice.choice((0, 0, 1, fen)),
                created_at=NOW - dice.randrange(14) * 86_400 + dice.randrange(3),
                openid=dice.choice(("oA", "oB")),
            )

    database.run_here(plant)


def whole_story(number: int) -> Numbers:
    """One order that was paid, half refunded and shipped. Inside a unit of work."""
    made = order(number, state="PAID", amount_fen=2800, created_at=NOW, refunded_fen=100, openid="oWhole")
    told = {
        "appid": "wx",
        "mchid": "1",
        "openid": "oWhole",
        "amount_fen": 2800,
        "currency": "CNY",
        "adapter": "wechat_v3",
    }
    Transaction.create(
        out_trade_no="WX1", order=made, scheme="RSA", request="{}", fingerprint="", state="PAID", version=1,
        created_at=NOW, expires_at=NOW, asked=0, **told,
    )  # fmt: skip
    paid = Payment.create(
        provider_transaction_id="4200001", out_trade_no="WX1", order=made, disposition="APPLIED", applied_slot=1,
        held_fen=100, external_fen=0, refunded_fen=100, source="notification", paid_at=NOW + 20, created_at=NOW + 21,
        **told,
    )  # fmt: skip
    Refund.create(
        out_refund_no="RF1", payment=paid, order=made, refund_no="SHOP-7", adapter="wechat_v3", source="LOCAL",
        requester="merchant", amount_fen=100, reason="", request="{}", fingerprint="", state="SUCCESS", version=1,
        provider_refund_id="5030001", refusal="", created_at=NOW, refunded_at=NOW, asked=0,
    )  # fmt: skip
    Shipment.create(
        shipment_no="SH1", order=made, payment=paid, revision=1, logistics_type="virtual", parcels="[]",
        all_delivered=1, fingerprint="", state="UPLOADED", version=1, refusal="", created_at=NOW, asked=0,
    )  # fmt: skip
    return Numbers(made.order_no, "WX1", "4200001", "RF1", "5030001", "SHOP-7", "SH1", "oWhole")
