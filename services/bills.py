"""WeChat's bills of a day: downloaded, checked, and given whole or not at all. What is in them is not its business."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from adapters.base import Adapters, Bill, BillKind, PaymentAdapter
from adapters.errors import NotReady, PaymentError
from services.asking import adapter_of
from services.errors import Invalid, NotFound, TryLater
from services.gateway import refusal
from services.orders import BEIJING
from services.ports import Clock

Progress = Callable[[int, int], None]  # lines done, lines in all

READY_AT = timedelta(hours=10, minutes=30)  # WeChat has the bill of a day by 10:00 of the next


@dataclass(frozen=True, slots=True)
class Day:
    """One day in Beijing. ``begins`` and ``ends`` are epoch seconds."""

    name: str  # YYYY-MM-DD
    begins: int

    @property
    def ends(self) -> int:
        return self.begins + 86_400


@dataclass(frozen=True, slots=True)
class Kept:
    """What a kept bill has in it. ``sums`` in fen, by the names that ``adapters.base.Bill`` gives them."""

    lines: int
    sums: Mapping[str, Decimal]


def day_of(text: str, field: str = "day") -> Day:
    """Raises Invalid("day_invalid"), naming the field."""
    try:
        midnight = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=BEIJING)
    except ValueError:
        raise Invalid("day_invalid", field=field) from None
    return Day(midnight.date().isoformat(), int(midnight.timestamp()))


class Bills:
    def __init__(self, adapters: Adapters, default: str, now: Clock) -> None:
        """``default``: the adapter that is asked first. A bill is about the merchant, whatever generation took the
        money."""
        self._adapters = adapters
        self._default = default
        self._now = now

    @property
    def adapter(self) -> str:
        """The name of the one that is asked first."""
        return self._default

    def offers(self, kind: BillKind) -> bool:
        """Whether the keys that are configured can fetch this kind: v2's fund flow needs the client certificate."""
        return self._for(kind) is not None

    def _for(self, kind: BillKind) -> PaymentAdapter | None:
        """The first that gives this kind."""
        adapters = (adapter_of(self._adapters, self._default), *self._adapters.values())
        return next((adapter for adapter in adapters if kind in adapter.bill_kinds), None)

    async def download(self, day: Day, kind: BillKind, folder: Path) -> Bill:
        """Into ``folder``. A day without trade has an empty bill.

        Raises TryLater("bill_not_ready"), TryLater, ProviderRefused, Invalid("bill_kind_not_configured").
        """
        adapter = self._for(kind)
        if adapter is None:
            raise Invalid("bill_kind_not_configured")
        try:
            bill = await adapter.download_bill(day.name, kind, folder)
        except NotReady as error:
            raise TryLater("bill_not_ready") from error
        except PaymentError as error:
            raise refusal("bill", f"{day.name} {kind}", error) from error
        if bill.count == 0 and self._now() < day.ends + READY_AT.total_seconds():
            raise TryLater("bill_not_ready")  # v2 says "no bill" of a day that is not over as of one without trade
        return bill

    async def keep(self, text: str, kind: BillKind, out: Path, progress: Progress) -> Kept:
        """The bill as WeChat made it, unpacked and checked, as the file ``out``, which only its owner may read.

        ``out`` is replaced at once when all is written, or left as it was. Raises as ``download``, and
        Invalid("day_invalid"), NotFound("bill_empty"), Invalid("file_unwritable").
        """
        day = day_of(text)
        with tempfile.TemporaryDirectory(prefix="bill-") as folder:
            bill = await self.download(day, kind, Path(folder))
            if bill.count == 0:
                raise NotFound("bill_empty", day=day.name)
            try:
                await asyncio.to_thread(_write, bill, out, progress)
            except OSError as error:
                raise Invalid("file_unwritable", file=str(out)) from error
        return Kept(bill.count, bill.sums)


def _write(bill: Bill, out: Path, progress: Progress) -> None:
    done = -1  # the header is no line
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")  # mode 0600, beside where it shall be
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in bill.raw:
                file.write(piece)
                done += piece.count(b"\n")
                progress(min(done, bill.count), bill.count)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
