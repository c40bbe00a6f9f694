"""When the file of a day's bill is written: a small one when it is asked for, a large one beside everything else.

WeChat makes bills before they are asked for; until then they are being created. It must not know who asks, or what a
line says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import date

from simulator import billfile
from simulator.billfile import BillFile
from simulator.bills import BillRefused, Bills, NoBill

LARGE = 200_000  # generated payments: from here on a caller would give up before the file is written
_MOST = 4  # large bills, the oldest go first: each holds a file on disk


class _Writing(threading.Thread):
    """One large bill; ``file`` is None as long as it is written."""

    def __init__(self, write: Callable[[], BillFile]) -> None:
        super().__init__(name="bill", daemon=True)
        self.file: BillFile | None = None
        self._write = write
        self.start()

    def run(self) -> None:
        self.file = self._write()


class Making:
    """The files of bills. A large one, once made, stays as it is. Every method raises ``BillRefused``."""

    def __init__(self, bills: Bills) -> None:
        self._bills = bills
        self._large: dict[Hashable, _Writing] = {}

    def trade(self, day: date, form: str) -> BillFile:
        """A day's trade bill of a form."""
        bills = self._bills
        bills.check_day(day)
        lines, columns = bills.lines(day), bills.plan.columns
        return self._file(day, form, lambda: billfile.trade(lines, form, columns, bills.appid, bills.mchid))

    def fund_flow(self, day: date, account: str) -> BillFile:
        """A day's fund-flow bill; only the basic account ever moves here."""
        self._bills.check_day(day)
        if account.upper() != "BASIC":
            raise BillRefused(NoBill.EMPTY)
        before, flows = self._bills.flows(day)
        return self._file(day, "fund flow", lambda: billfile.fund_flow(before, flows))

    def _file(self, day: date, form: str, write: Callable[[], BillFile]) -> BillFile:
        plan = self._bills.plan
        file = write() if plan.extra_lines < LARGE else self._made((day, form, plan), write)
        if file is None:
            raise BillRefused(NoBill.CREATING)
        if not file.rows:
            raise BillRefused(NoBill.EMPTY)
        return file

    def _made(self, of: Hashable, write: Callable[[], BillFile]) -> BillFile | None:
        if of not in self._large:
            while len(self._large) >= _MOST:
                del self._large[next(iter(self._large))]
            self._large[of] = _Writing(write)
        return self._large[of].file
