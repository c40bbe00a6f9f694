"""What a shop asks of its tables, unit of work by unit of work, in the order in which one buyer's order lives.

The same functions that the program hands to ``Database.run`` and ``Database.read``, called as they are; only the wire
is left out. What a unit costs must not depend on how much is in the tables already: every round asks for equal work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from adapters.base import Attempt, PrepayRequest, Refund, RefundReport, RefundStatus, TradeReport, TradeStatus
from adapters.base import Notification as Message
from adapters.delivery import Parcel
from benchmarks import million
from models import Order, Product, StateLog, invariants
from models.database import Database, rows
from services import asking, attempts, bundle, closing, heartbeat, login, orders, overdue, reconciliation, shipments
from services.attempts import Prepaid, Sold, Tap
from services.bills import day_of
from services.console import audit, days, flags, glance, machinery, search
from services.console.search import Search
from services.explain import explain
from services.login import Person
from services.notifications import Received, store_and_apply, waiting_hints, waiting_messages
from services.payments import apply_reports
from services.placing import Line, Wish, place
from services.ports import number, system_token
from services.refund_reports import apply_refund_reports
from services.refund_rules import to_give_back
from services.refund_turns import claim_due, claim_one
from services.refunds import Refunds, Wanted
from services.watch import _last_id

BATCH = 30  # notifications of one commit
MONEY_PART = 20  # rows
BUYERS = 200  # as many as a thousand orders have
EXPIRES = 1800
PRICE = 1800
WITHIN = 48 * 3600  # until an order that was not shipped is put before a person
LATE = "refund"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of work. ``looks``: it changes nothing."""

    name: str
    fn: Callable[[], Any]
    looks: bool = False


class Wire:
    """What the services ask of an adapter while they are inside a unit of work."""

    name, appid, mchid = "wechat_v3", "wx", "1"

    def compose(self, attempt: Attempt) -> PrepayRequest:
        return PrepayRequest(json.dumps({"out_trade_no": attempt.out_trade_no}), "RSA")

    def compose_refund(self, refund: Refund) -> str:
        return json.dumps({"out_refund_no": refund.out_refund_no})


class Shop:
    """One database, and the moment that its clock shows. Numbers are drawn as in life."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, threads=1)
        self.now = million.END
        self.rounds = 0
        wire: Any = Wire()
        sold = Sold("shop", "https://shop.example")
        self.wire = wire
        self.sold = sold
        self.refunds = Refunds(self.database, {wire.name: wire}, sold.notify_base, LATE, lambda: self.now, system_token)

    def settle(self) -> None:
        """What a filled database needs before its first round: a product, and no order that has waited for months."""
        self.database.run_here(_settle)

    # --- a round ---

    def round(self) -> Iterator[Unit]:
        """One order's life, with a batch of others, the jobs and the console. Some work in between is no unit."""
        self.rounds += 1
        self.now = million.END + self.rounds * 7200
        buyer = self._buyer(0)
        token = hashlib.sha256(system_token(32)).hexdigest()
        yield Unit("login", lambda: login._open_session(buyer.openid, None, token, self.now))
        yield Unit("who holds a token", lambda: login.find_sessions([token]), looks=True)
        mine = number("MP", self.now, system_token)
        yield Unit("order", lambda: self._order(buyer, mine))
        yield Unit("pay: the attempt", lambda: self._open(buyer, mine))
        attempt = self._attempt_of(mine)
        yield Unit("pay: the prepay_id", lambda: attempts.record_prepays([Prepaid(attempt, "wx1")], self.now))
        yield Unit("an order is read", lambda: orders.view(orders.own_order(buyer.user_id, mine)), looks=True)
        yield Unit("a buyer's orders", lambda: orders._latest(buyer.user_id), looks=True)
        yield Unit("what to ask about an order", lambda: asking._questions_of(buyer.user_id, mine), looks=True)
        one, many = [self._paid(attempt)], [self._paid(self._pending(n)) for n in range(BATCH)]
        yield Unit("notification", lambda: store_and_apply(one, self.now))
        yield Unit("the same again", lambda: store_and_apply(one, self.now))
        yield Unit(f"{BATCH} notifications", lambda: store_and_apply(many, self.now))
        yield Unit(f"the same {BATCH} again", lambda: store_and_apply(many, self.now))
        yield Unit("a query's answer", lambda: apply_reports([_queried(one[0])], "query", self.now))
        yield from self._given_back(mine, one[0])
        yield from self._shipped(mine)
        yield from self._jobs()
        yield from self._console(buyer, mine, attempt)

    def _given_back(self, order_no: str, paid: Received) -> Iterator[Unit]:
        wanted = Wanted(order_no, 1, "", "R1", "merchant")
        drawn: list[str] = []
        yield Unit("refund", lambda: drawn.append(self.refunds._request(wanted, "", None)[0]))
        yield Unit("refund: its turn", lambda: claim_one(drawn[0], self.now, system_token))
        trade: Any = paid.message.report
        report = RefundReport(
            "refund", "wechat_v3", trade.out_trade_no, trade.provider_transaction_id, drawn[0], "5" + drawn[0], 1,
            RefundStatus.SUCCESS, True, self.now,
        )  # fmt: skip
        yield Unit("refund: it went back", lambda: apply_refund_reports([report], "refund", self.now))

    def _shipped(self, order_no: str) -> Iterator[Unit]:
        wanted = shipments.Wanted(order_no, "pickup", (Parcel("coffee"),), True)
        made: list[str] = []
        yield Unit("shipment", lambda: made.append(shipments.request(wanted, self.now)[0]))
        self.now += 60
        yield Unit("shipment: its turn", lambda: shipments.claim(made[0], self.now, 1))
        yield Unit("shipment: taken", lambda: shipments.record(made[0], "UPLOADED", "", self.now))

    def _jobs(self) -> Iterator[Unit]:
        waiting, forgotten = self._pending(0), self._pending(1)
        self.now += asking.FIRST_QUESTION
        yield Unit("job ask: two are due", lambda: asking._claim_due(self.now, 50, system_token))
        yield Unit("job ask: nothing is due", lambda: asking._claim_due(self.now, 50, system_token))
        yield Unit("job close: none has expired", lambda: closing._expired(self.now, 50), looks=True)
        self.now += EXPIRES
        expired: list[int] = []
        yield Unit("job close: two have expired", lambda: expired.extend(closing._expired(self.now, 50)), looks=True)
        yield Unit("job close: the first", lambda: closing._begin(expired[0], "expiry", self.now))
        self.database.run_here(closing._begin, expired[1], "expiry", self.now)
        yield Unit("job close: claimed", lambda: closing._claim_closing(self.now, 50, system_token))
        proofs = [_closed(number_) for number_ in (waiting, forgotten)]
        yield Unit("job close: proven", lambda: apply_reports(proofs, "close", self.now))
        yield Unit("job refund: what must go back", lambda: to_give_back(LATE, 50), looks=True)
        yield Unit("job refund: nothing is due", lambda: claim_due(self.now, 50, system_token))
        yield Unit("job ship: nothing is due", lambda: shipments.due(None, self.now, 50), looks=True)
        yield Unit("job inbox: nothing waits", lambda: waiting_messages(100), looks=True)
        yield Unit("job hint: nothing waits", lambda: waiting_hints(20), looks=True)
        yield from self._overdue()
        yield Unit("job bill: read already?", lambda: reconciliation._is_done(million.days()[3][0]), looks=True)
        ran = {"ask": heartbeat.Ran(self.now, 2, True)}
        yield Unit("job heartbeat", lambda: heartbeat._write(ran, _refusals(self.now)))
        for name, parts in invariants.PARTS.items():
            yield Unit(f"job money: a part of {name.split()[0]}", partial(_add_up, parts), looks=True)
        yield Unit("start: attempts of nobody", lambda: bundle._orphans(["wechat_v3"]), looks=True)

    def _overdue(self) -> Iterator[Unit]:
        until = self.now + 60  # this very round's orders, and some that are shipped
        for part in overdue.parts(until - 60, until):
            yield Unit("job overdue: a minute", lambda part=part: overdue.find(part, 500), looks=True)

    def _console(self, buyer: Person, order_no: str, attempt: str) -> Iterator[Unit]:
        def look(name: str, **wish: Any) -> Unit:
            return Unit(f"console: {name}", lambda: search.page(Search(**wish), None, 50), looks=True)

        yield look("the newest orders")
        yield Unit("console: a page far behind", lambda: search.page(Search(), (million.BEGIN + 6000, 1), 50), True)
        yield look("by order_no", words=order_no)
        yield look("by out_trade_no", words=attempt)
        yield look("by openid", words=buyer.openid)
        yield look("by a number that nobody has", words="nobody")
        yield look("closed orders", status="closed")
        yield look("paid orders", status="paid")
        yield look("partially refunded (one)", status="partially_refunded", begins=self.now - 7000)
        yield look("by an amount that a third has", amount_fen=1800)
        yield look("by an amount that nobody paid", amount_fen=99_999)
        yield Unit("console: an order's page", lambda: explain(order_no), looks=True)
        today = day_of(orders.rfc3339(self.now)[:10])
        fresh = replace(today, begins=self.now - 86_400)  # the same few orders, however much the fill made that day
        yield Unit("console: a day at a glance", lambda: glance.glance(fresh), looks=True)
        yield Unit("console: the jobs", lambda: machinery.jobs(self.now), looks=True)
        yield Unit("console: the days", lambda: days.days(None, 31), looks=True)
        yield Unit("console: open discrepancies", lambda: flags._page("OPEN", None), looks=True)
        yield Unit("console: the audit log", lambda: audit._page(None), looks=True)

    # --- what is no unit of its own ---

    def _buyer(self, turn: int) -> Person:
        """Another one each time, of those that both databases have."""
        user_id = (self.rounds * (BATCH + 4) + turn) % BUYERS + 1
        return self.database.read_here(lambda: Person(user_id, Order.get(Order.user == user_id).user.openid))

    def _order(self, buyer: Person, order_no: str) -> None:
        place([Wish(buyer.user_id, (Line("latte", 1),), None, order_no)], self.now, EXPIRES, 20)

    def _open(self, buyer: Person, order_no: str) -> None:
        attempts.open_attempts([Tap(buyer, order_no, "127.0.0.1", self.wire)], self.sold, self.now)

    def _pending(self, turn: int) -> str:
        """An order that somebody began to pay; the attempt's number."""
        buyer, order_no = self._buyer(turn + 1), number("MP", self.now, system_token)
        self.database.run_here(self._order, buyer, order_no)
        self.database.run_here(self._open, buyer, order_no)
        return self._attempt_of(order_no)

    def _attempt_of(self, order_no: str) -> str:
        return self.database.read_here(lambda: str(Order.get(Order.order_no == order_no).transactions.get().number))

    def _paid(self, out_trade_no: str) -> Received:
        transaction_id = "42" + number("", self.now, system_token)
        report = TradeReport(
            "notification", "wechat_v3", out_trade_no, TradeStatus.PAID, "SUCCESS", "wx", "1", transaction_id, PRICE,
            "CNY", "", self.now, "RSA",
        )  # fmt: skip
        return Received("wechat_v3", Message("EV-" + transaction_id, "payment", report), "")


def _queried(received: Received) -> TradeReport:
    report: Any = received.message.report
    return replace(report, source="query", scheme="")


def _closed(out_trade_no: str) -> TradeReport:
    return TradeReport("close", "wechat_v3", out_trade_no, TradeStatus.CLOSED, "CLOSED", "wx", "1")


def _refusals(now: int) -> Any:
    return heartbeat.Counter({(now - now % 3600, "wechat_v3", "forged"): 1})


def _settle() -> None:
    if Product.get_or_none() is None:
        texts = dict.fromkeys(("title", "title_en", "description", "description_en", "picture"), "latte")
        Product.create(product_id="latte", price_fen=PRICE, position=1, active=1, **texts)
    waiting = ("CREATED", "PAYING")
    StateLog.update(to_state="CLOSED").where(StateLog.entity == "order", StateLog.to_state.in_(waiting)).execute()
    Order.update(state="CLOSED").where(Order.state.in_(waiting)).execute()


def _add_up(parts: list[str]) -> None:
    """The newest rows, of every statement that looks at the same thing."""
    for sql in parts:
        last = _last_id(invariants.table_of(sql))
        rows(*invariants.within(sql, last - MONEY_PART, last))
