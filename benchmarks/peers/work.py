"""Units of work: each takes a Session, in one transaction, and what it returns is answered after the commit."""

import hashlib
import json
import secrets
import time
from datetime import datetime
from typing import Any

from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from benchmarks.peers.tables import Attempt, Item, Login, Notification, Order, Payment, Product, User

LOGIN_LASTS = 7 * 86_400
ORDER_LASTS = 30 * 60
PREPAY_LASTS = 2 * 3600


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def user_of(session: Session, token: str) -> User:
    found = session.scalar(
        select(User)
        .join(Login, Login.user_id == User.id)
        .where(Login.token_hash == hashed(token), Login.expires_at > int(time.time()))
    )
    if found is None:
        raise HTTPException(401, "Log in first")
    return found


def log_in(session: Session, openid: str) -> str:
    """A token for who has this openid, which is kept as its hash."""
    user = session.scalar(select(User).where(User.openid == openid))
    if user is None:
        user = User(openid=openid)
        session.add(user)
        session.flush()
    token = secrets.token_urlsafe(32)
    session.add(Login(token_hash=hashed(token), user_id=user.id, expires_at=int(time.time()) + LOGIN_LASTS))
    return token


def list_products(session: Session) -> list[Product]:
    return list(session.scalars(select(Product)))


def create_order(session: Session, token: str, quantities: list[tuple[str, int]]) -> Order:
    """At the catalogue's prices."""
    user = user_of(session, token)
    wanted = {product_id for product_id, _ in quantities}
    products = {product.id: product for product in session.scalars(select(Product).where(Product.id.in_(wanted)))}
    if len(products) < len(wanted):
        raise HTTPException(422, "No such product")
    items = [
        Item(product_id=name, title=products[name].title, price_fen=products[name].price_fen, quantity=quantity)
        for name, quantity in quantities
    ]
    now = int(time.time())
    order = Order(
        order_no=secrets.token_hex(12).upper(),
        user_id=user.id,
        state="CREATED",
        currency="CNY",
        amount_fen=sum(item.price_fen * item.quantity for item in items),
        created_at=now,
        expires_at=now + ORDER_LASTS,
        items=items,
    )
    session.add(order)
    return order


def read_order(session: Session, token: str, order_no: str) -> Order:
    """The user's own, with its items."""
    user = user_of(session, token)
    wanted = select(Order).where(Order.order_no == order_no, Order.user_id == user.id)
    found = session.scalars(wanted.options(joinedload(Order.items))).unique().one_or_none()
    if found is None:
        raise HTTPException(404, "No such order")
    return found


def begin_payment(session: Session, token: str, order_no: str) -> Attempt:
    """The attempt to pay this order: its last one while its prepay_id is good, or else a new one."""
    user = user_of(session, token)
    order = session.scalar(select(Order).where(Order.order_no == order_no, Order.user_id == user.id).with_for_update())
    now = int(time.time())
    if order is None:
        raise HTTPException(404, "No such order")
    if order.state not in ("CREATED", "PAYING") or order.expires_at <= now:
        raise HTTPException(409, "This order cannot be paid")
    if order.state == "PAYING":
        good = select(Attempt).where(Attempt.order_id == order.id, Attempt.prepaid_at > now - PREPAY_LASTS)
        if found := session.scalar(good.order_by(Attempt.id.desc()).limit(1)):
            return found
    order.state = "PAYING"
    attempt = Attempt(
        out_trade_no=secrets.token_hex(16),
        order_id=order.id,
        openid=user.openid,
        amount_fen=order.amount_fen,
        currency=order.currency,
        state="PREPARED",
        created_at=now,
    )
    session.add(attempt)
    return attempt


def keep_prepay(session: Session, attempt_id: int, prepay_id: str) -> None:
    attempt = session.get(Attempt, attempt_id, with_for_update=True)
    if attempt is not None and attempt.state == "PREPARED":
        attempt.state, attempt.prepay_id, attempt.prepaid_at = "PREPAID", prepay_id, int(time.time())


def book(session: Session, message: dict[str, Any], appid: str, mchid: str) -> None:
    """A verified notification, kept and booked once; nothing if it was here before."""
    paid = message["resource"]
    number, now = paid["out_trade_no"], int(time.time())
    session.add(Notification(id=message["id"], out_trade_no=number, report=json.dumps(paid), received_at=now))
    try:
        session.flush()
    except IntegrityError:  # its id is there
        session.rollback()
        return
    if paid["trade_state"] != "SUCCESS":
        return
    found = select(Attempt).where(Attempt.out_trade_no == number).options(joinedload(Attempt.order, innerjoin=True))
    attempt = session.scalar(found.with_for_update())
    disposition = judged(attempt, paid, appid, mchid)
    known = select(Payment.id).where(Payment.transaction_id == paid["transaction_id"])
    if disposition != "APPLIED" and session.scalar(known):
        return  # WeChat said so before, in another message
    paid_at = int(datetime.fromisoformat(paid["success_time"]).timestamp())
    session.add(
        Payment(
            transaction_id=paid["transaction_id"],
            out_trade_no=number,
            order_id=attempt and attempt.order_id,
            disposition=disposition,
            amount_fen=paid["amount"]["total"],
            currency=paid["amount"]["currency"],
            paid_at=paid_at,
        )
    )
    if attempt is not None and disposition == "APPLIED":
        attempt.state = attempt.order.state = "PAID"
        attempt.order.paid_at = paid_at


def judged(attempt: Attempt | None, paid: dict[str, Any], appid: str, mchid: str) -> str:
    """What becomes of this money."""
    if attempt is None:
        return "UNKNOWN_ORDER"
    expected = (attempt.amount_fen, attempt.currency, appid, mchid)
    if (paid["amount"]["total"], paid["amount"]["currency"], paid["appid"], paid["mchid"]) != expected:
        return "MISMATCH"
    return "DUPLICATE" if attempt.order.state == "PAID" else "APPLIED"
