"""A shop without doors: its units of work, called as the program calls them."""

from __future__ import annotations

from typing import Any

from adapters.base import Attempt, PrepayRequest
from models import Order, Product, StateLog, User
from models.database import Database
from services.attempts import OpenAttempt, Sold, Tap, open_attempts
from services.errors import Refused
from services.login import Person
from services.placing import Line, Placed, Wish, place
from services.ports import number, system_token

NOW = 1_800_000_000
LATTE = Line("latte", 2)
SOLD = Sold("Shop", "https://shop.example")


class Wire:
    """What opening an attempt asks of an adapter."""

    name, appid, mchid = "wechat_v3", "wxapp", "1900000001"

    def compose(self, attempt: Attempt) -> PrepayRequest:
        return PrepayRequest(f"{attempt.out_trade_no} {attempt.amount_fen} {attempt.description}", "RSA")


WIRE: Any = Wire()


class Shop:
    """Ann and Bob are known; there are lattes at 18 yuan, tea at 12, and a palace."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, threads=2)
        self.database.migrate()
        self.database.run_here(_stock)
        self.ann, self.bob = self.buyer("together-ann"), self.buyer("together-bob")

    def buyer(self, openid: str) -> Person:
        return Person(self.database.run_here(lambda: User.create(openid=openid, created_at=NOW).id), openid)

    def place(self, *wishes: Wish, most_open: int = 0) -> list[Placed | Refused]:
        return self.database.run_here(place, wishes, NOW, 1800, most_open)

    def placed(self, *wishes: Wish) -> list[Placed]:
        return [each for each in self.place(*wishes) if isinstance(each, Placed)]

    def open(self, *taps: Tap, now: int = NOW) -> list[OpenAttempt | Refused]:
        return self.database.run_here(open_attempts, taps, SOLD, now)

    def opened(self, *taps: Tap) -> list[OpenAttempt]:
        return [each for each in self.open(*taps) if isinstance(each, OpenAttempt)]

    def log_of(self, entity_id: str) -> list[str]:
        rows = StateLog.select().where(StateLog.entity_id == entity_id).order_by(StateLog.seq)
        return self.database.read_here(lambda: [row.to_state for row in rows])


def _stock() -> None:
    texts = dict.fromkeys(("title_en", "description", "description_en", "picture"), "")
    for position, (name, price) in enumerate((("latte", 1800), ("tea", 1200), ("palace", 90_000_00))):
        Product.create(product_id=name, title=name, price_fen=price, position=position, active=1, **texts)


def wish(person: Person, *lines: Line, key: str | None = None) -> Wish:
    return Wish(person.user_id, lines or (LATTE,), key, number("MP", NOW, system_token))


def tap(person: Person, order: Order) -> Tap:
    return Tap(person, order.order_no, "127.0.0.1", WIRE)
