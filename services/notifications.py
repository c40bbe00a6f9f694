"""Notifications: verified, stored, then acknowledged. Storing and applying share one commit, so an answer costs one.

If applying fails, the message is stored alone and acknowledged all the same: what follows from it is redone by the
inbox job. If storing fails, nothing is acknowledged and the provider comes again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.base import Adapters, RefundReport, TradeReport
from adapters.base import Notification as Message
from models import Notification
from models.batcher import Batcher, Told
from models.database import ALONE_FOR, Database
from models.engine import DatabaseUnavailable
from models.statements import Prepared, insert_new
from services import evidence
from services.payments import apply_reports
from services.ports import Clock
from services.refund_reports import apply_refund_reports

logger = logging.getLogger("pay.notifications")

PROCESSED = Prepared[Notification](
    lambda now, keys: Notification.update(processed_at=now).where(
        Notification.dedupe_key.in_(keys), Notification.processed_at.is_null()
    )
)
ANSWER_WITHIN = 4.0  # seconds: WeChat waits five, and a refusal in time is better than an answer too late
HINT = "hint"  # the kind of an unsigned notice (v2 refunds): a reason to ask, never evidence


@dataclass(frozen=True, slots=True)
class Received:
    """An authentic message, as it goes into the inbox."""

    adapter: str
    message: Message
    body_digest: str


class Notifications:
    def __init__(self, database: Database, adapters: Adapters, now: Clock) -> None:
        self._database = database
        self._adapters = adapters
        self._now = now
        self._batcher: Batcher[Received, None] = Batcher(
            self._store, patience=ANSWER_WITHIN, to_the_end=True, alone_for=ALONE_FOR
        )

    def verified(self, adapter: str, headers: Mapping[str, str], body: bytes) -> Received:
        """One message, of which nothing is kept yet. Raises BadSignature or Malformed."""
        message = self._adapters[adapter].parse_notification(headers, body, int(self._now()))
        return Received(adapter, message, hashlib.sha256(body).hexdigest())

    def keep(self, received: Received, told: Told) -> None:
        """Store and apply it; ``told`` without an error, it may be acknowledged.

        Else what went wrong: DatabaseUnavailable (nothing is promised; raised, if it is known at once), TimeoutError if
        it was not stored within ``ANSWER_WITHIN`` (it may be, later).
        """
        self._batcher.hand_in(received, told)

    async def drain(self) -> None:
        await self._batcher.drain()

    async def _store(self, batch: list[Received]) -> list[None]:
        now = int(self._now())
        try:
            await self._database.settle(store_and_apply, batch, now)
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(batch) > 1:
                raise  # one by one, to find the one that cannot be applied
            logger.exception("notification stored but not applied adapter=%s", batch[0].adapter)
            await self._database.settle(store, batch, now)
        return [None] * len(batch)


def store_and_apply(batch: Sequence[Received], now: int) -> None:
    """What could be applied is stored as processed."""
    messages = _distinct(batch)
    waiting = apply_messages([received.message.report for received in messages], now)
    _insert([_row(received, now, None if received.message.report in waiting else now) for received in messages])


def store(batch: Sequence[Received], now: int) -> None:
    """To be applied later."""
    _insert([_row(received, now, None) for received in _distinct(batch)])


def _distinct(batch: Sequence[Received]) -> list[Received]:
    return list({received.message.dedupe_key: received for received in batch}.values())


def _insert(rows: list[dict[str, object]]) -> None:
    """A message that came before is one row; it counts as processed once any copy of it was."""
    insert_new(Notification, rows, "dedupe_key", "processed_at")


def mark_processed(keys: list[str], now: int) -> None:
    PROCESSED.run(now, keys)


def apply_messages(reports: Sequence[TradeReport | RefundReport | None], now: int) -> list[RefundReport]:
    """Signed ones are evidence. Returns what has to wait in the inbox: a hint until somebody has asked, and a refund
    that came before its payment."""
    refunds = [report for report in reports if isinstance(report, RefundReport)]
    apply_reports([report for report in reports if isinstance(report, TradeReport)], "notification", now)
    early = apply_refund_reports([report for report in refunds if report.signed], "notification", now)
    return [*early, *(report for report in refunds if not report.signed)]


def _row(received: Received, now: int, processed_at: int | None) -> dict[str, object]:
    message = received.message
    report = message.report
    hint = isinstance(report, RefundReport) and not report.signed
    return {
        "dedupe_key": message.dedupe_key,
        "adapter": received.adapter,
        "kind": HINT if hint else message.kind,
        "report": evidence.dump(report),
        "out_trade_no": report.out_trade_no[:64] if report else None,
        "happened_at": report.happened_at if report else None,
        "body_digest": received.body_digest,
        "received_at": now,
        "processed_at": processed_at,
    }


def waiting_messages(limit: int) -> list[str]:
    """What was stored and acknowledged but not applied, by its key. Not the hints: those wait for an answer."""
    unprocessed = Notification.processed_at.is_null() & (Notification.kind != HINT)
    rows = Notification.select(Notification.dedupe_key).where(unprocessed).order_by(Notification.id).limit(limit)
    return [row.dedupe_key for row in rows]


def apply_waiting(key: str, now: int) -> int:
    """Apply one of them; 1 if it is done with, 0 if it has to wait for its payment."""
    row = Notification.get(Notification.dedupe_key == key)
    if apply_messages([evidence.load(row.kind, row.report)], now):
        return 0
    mark_processed([key], now)
    return 1


def waiting_hints(limit: int) -> list[tuple[str, RefundReport]]:
    """Unsigned notices that nobody has asked WeChat about yet, by their key in the inbox."""
    waiting = Notification.select().where(Notification.processed_at.is_null(), Notification.kind == HINT)
    found = [
        (row.dedupe_key, evidence.load("refund", row.report)) for row in waiting.order_by(Notification.id).limit(limit)
    ]
    return [(key, report) for key, report in found if isinstance(report, RefundReport)]
