"""An operator closes a discrepancy, with a note that stays in the log. No state is set by hand: money that did not fit
is booked only if WeChat, asked again, now says what fits."""

from __future__ import annotations

from adapters.base import Adapters, TradeReport
from adapters.errors import NotFound as UnknownThere
from adapters.errors import PaymentError
from models import Discrepancy, Payment, Transaction
from models.database import Database
from services.asking import Question, adapter_of
from services.errors import Conflicting, NotFound
from services.gateway import refusal
from services.moves import note_resolution
from services.payments import reconsider
from services.ports import Clock


class Resolving:
    def __init__(self, database: Database, adapters: Adapters, now: Clock) -> None:
        self._database = database
        self._adapters = adapters
        self._now = now

    async def resolve(self, discrepancy_id: int, note: str, actor: str) -> str:
        """What the payment is now, if the discrepancy was a MISMATCH: MISMATCH still, APPLIED or DUPLICATE; else "".

        Raises NotFound("discrepancy_not_found"), Conflicting("discrepancy_resolved"); TryLater or ProviderRefused if
        WeChat could not be asked about a MISMATCH, which then stays open.
        """
        question = await self._database.read(_question, discrepancy_id)
        report = await self._asked(question) if question else None
        return await self._database.run(_close, discrepancy_id, report, note, actor, int(self._now()))

    async def _asked(self, question: Question) -> TradeReport | None:
        try:
            return await adapter_of(self._adapters, question.adapter).query(question.out_trade_no)
        except UnknownThere:
            return None
        except PaymentError as error:
            raise refusal("query", question.out_trade_no, error) from error


def _question(discrepancy_id: int) -> Question | None:
    """About the attempt whose payment did not fit; None if the discrepancy is of another kind."""
    row = _open(discrepancy_id)
    if row.kind != "MISMATCH":
        return None
    paid = Payment.get(Payment.provider_transaction_id == row.ref)
    return Question.about(Transaction.get(Transaction.out_trade_no == paid.out_trade_no))


def _open(discrepancy_id: int) -> Discrepancy:
    row: Discrepancy | None = Discrepancy.get_or_none(Discrepancy.id == discrepancy_id)
    if row is None:
        raise NotFound("discrepancy_not_found")
    if row.state != "OPEN":
        raise Conflicting("discrepancy_resolved")
    return row


def _close(discrepancy_id: int, report: TradeReport | None, note: str, actor: str, now: int) -> str:
    row = _open(discrepancy_id)
    still = (Discrepancy.id == row.id) & (Discrepancy.state == "OPEN")
    if not Discrepancy.update(state="RESOLVED").where(still).execute():
        raise Conflicting("discrepancy_resolved")
    note_resolution("discrepancy", str(row.id), "OPEN", "RESOLVED", actor, note, now)
    if row.kind != "MISMATCH":
        return ""
    if report is not None:
        reconsider(report, row.ref, actor, note, now)
    disposition: str = Payment.get(Payment.provider_transaction_id == row.ref).disposition
    return disposition
