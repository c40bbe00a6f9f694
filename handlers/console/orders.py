"""Orders: found, looked at one by one, and taken away as a table."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import Any
from urllib.parse import urlencode

import tornado.iostream

from handlers.console import sheet
from handlers.console.actions import fen_of
from handlers.console.base import Page, moment, money
from services.bills import day_of
from services.console.search import STATES, Key, Search
from services.errors import DatabaseUnavailable, Invalid, Refused

logger = logging.getLogger("pay.console")

ASKED = ("q", "status", "amount", "from", "to")  # what a search is made of, as the address has it
MOST = 128  # characters of a number or an openid
THINGS = {  # what an event of an order is about -> words, to be translated
    "order": "Order",
    "transaction": "Attempt",
    "payment": "Payment",
    "refund": "Refund",
    "shipment": "Shipment",
    "message": "Notification",
    "discrepancy": "Discrepancy",
    "outbox": "The shop was told",
    "operator": "Operator",
}
KEY = re.compile(r"([0-9]{1,12})-([0-9]{1,18})", re.ASCII)


class Searching(Page):
    def asked(self) -> dict[str, str]:
        """What was given, in one line each."""
        given = {name: " ".join(self.get_query_argument(name, "").split()) for name in ASKED}
        return {name: value for name, value in given.items() if value}

    def search(self) -> Search:
        """Raises Invalid, naming what cannot be."""
        asked = self.asked()
        status, words, amount = asked.get("status", ""), asked.get("q", ""), asked.get("amount")
        if status not in STATES:
            raise Invalid("invalid_field", field="status", reason="unknown")
        if len(words) > MOST:
            raise Invalid("invalid_field", field="q", reason="string_too_long", max_length=str(MOST))
        return Search(
            words=words,
            status=status,
            amount_fen=None if amount is None else fen_of(amount),
            begins=day_of(asked["from"], "from").begins if "from" in asked else None,
            ends=day_of(asked["to"], "to").ends if "to" in asked else None,
        )


class OrdersPage(Searching):
    @property
    def back(self) -> str:
        return "/ops/orders"

    async def show(self, *_: str) -> None:
        asked = self.asked()
        hits = await self.services.reading.orders(self.search(), _key(self.get_query_argument("before", "")))
        after = hits.page.after
        further = urlencode({**asked, "before": f"{after[0]}-{after[1]}"}) if after else ""
        told = {"query": urlencode(asked), "further": further, "states": STATES, "kind_of": kind_of}
        self.show_page("orders.html", asked=asked, hits=hits, **told)


class OrderPage(Page):
    async def show(self, *path: str) -> None:
        order = await self.services.reading.order(path[0])
        told = {"things": THINGS, "shown": shown, "kind_of": kind_of}
        self.show_page("order.html", order=order, order_no=order.order_no, **told)


class _Cut(Refused):
    """The rest of the file was not sent."""


class ExportPage(Searching):
    """The whole search as a CSV file, sent as it is read."""

    needs = "operator"
    does = "export"

    async def show(self, *_: str) -> None:
        search = self.search()
        words = " ".join(f"{name}={value}" for name, value in self.asked().items())
        with contextlib.suppress(_Cut):
            await self.witnessed(self.doing("orders", words), lambda: self._send(search))

    async def _send(self, search: Search) -> None:
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="orders.csv"')
        self.write(sheet.BOM + sheet.line(sheet.COLUMNS))
        try:
            async for found in self.services.reading.all_orders(search):
                self.write("".join(sheet.line(sheet.cells(order)) for order in found))
                await self.flush()
        except (tornado.iostream.StreamClosedError, DatabaseUnavailable) as error:
            # Half a file must not look like a whole one: the connection ends before the file does.
            logger.info("export cut off request_id=%s: %s", self.request_id, type(error).__name__)
            connection: Any = self.request.connection
            connection.stream.close()
            raise _Cut("export_cut_off") from error


def _key(text: str) -> Key | None:
    if not text:
        return None
    if not (found := KEY.fullmatch(text)):
        raise Invalid("invalid_field", field="before", reason="string_pattern_mismatch", pattern=KEY.pattern)
    return int(found[1]), int(found[2])


def kind_of(status: str) -> str:
    """How a status is coloured."""
    return {"paid": "good", "pending": "wait", "paid_late": "bad"}.get(status, "")


def shown(name: str, value: Any) -> str:
    """A piece of evidence as text: money as money, times as times, JSON so that it can be read."""
    if name.endswith("_fen"):
        return money(value)
    if name.endswith("_at"):
        return moment(value)
    with contextlib.suppress(ValueError, TypeError):
        if name in ("request", "report", "parcels"):
            return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    return str(value)
