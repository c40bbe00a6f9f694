"""One day at a glance."""

from __future__ import annotations

from datetime import date, timedelta

from handlers.console import charts
from handlers.console.base import Page
from services.console.glance import LATE
from services.console.search import STATES

NAMES = [f"within {seconds} s" for seconds in LATE] + ["later"]
STATUSES = ("paid", "pending", "closed", "paid_late")
SOON = 30 * 86_400  # seconds: a key that ends within these is to be looked at


class TodayPage(Page):
    async def show(self, *_: str) -> None:
        today = await self.services.reading.today(self.get_query_argument("day", ""))
        seen = today.glance
        orders = {status: sum(seen.orders[state] for state in STATES[status]) for status in STATUSES}
        day = date.fromisoformat(today.day.name)
        self.show_page(
            "today.html",
            today=today,
            seen=seen,
            hours=charts.hours(seen.paid, seen.refunded),
            peak=max(*seen.paid, *seen.refunded),
            orders=charts.parts(orders),
            delays=charts.rows(dict(zip(NAMES, seen.delays.bars, strict=True))),
            refused=sum(times for *_, times in seen.refused),
            rate=charts.percent(seen.succeeded, seen.tried),
            yesterday=(day - timedelta(days=1)).isoformat(),
            tomorrow=(day + timedelta(days=1)).isoformat() if today.day.ends <= today.now else "",
            soon=today.now + SOON,
        )
