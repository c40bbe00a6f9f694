"""What every adapter does with answers that it cannot rely on. It asks nobody itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from adapters.base import RefundReport
from adapters.errors import BadSignature, Malformed, NotFound, OutcomeUnknown, Rejected

Key = TypeVar("Key")
Read = TypeVar("Read")


@contextmanager
def believing() -> Iterator[None]:
    """Around the reading of an answer: one that does not verify, or is not understood, leaves the outcome unknown."""
    try:
        yield
    except (BadSignature, Malformed) as error:
        raise OutcomeUnknown(f"answer not believed: {error}") from error


def with_either(keys: Sequence[Key], read: Callable[[Key], Read]) -> Read:
    """What ``read`` makes of a message with the first key that fits: there are two while one takes the other's place.

    Raises what ``read`` raises; BadSignature only if no key fits.
    """
    *others, last = keys
    for key in others:
        with suppress(BadSignature):
            return read(key)
    return read(last)


def plain(code: str) -> str:
    """A provider's code for comparing: spellings vary with page and year in ``_`` and a final S (v3.md 16)."""
    return code.replace("_", "").removesuffix("S")


async def confirmed(refused: Rejected, asked: Awaitable[RefundReport]) -> RefundReport:
    """A refusal of a refund releases held money, so it is believed only if a query finds nothing under the number.

    ``asked`` is that query. NotFound raises ``refused``; what it finds is returned, what else it raises is raised.
    """
    try:
        return await asked
    except NotFound:
        raise refused from None


def ours(report: RefundReport, out_refund_no: str, transaction_id: str, amount_fen: int) -> RefundReport:
    """``report``, if it is about this very refund. Raises OutcomeUnknown: under our number there is another one."""
    told = (report.out_refund_no, report.provider_transaction_id, report.amount_fen)
    if told != (out_refund_no, transaction_id, amount_fen):
        raise OutcomeUnknown("an answer about another refund")
    return report
