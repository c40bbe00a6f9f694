"""The state machines as data (money.md part 1). Nothing else in the program knows which move is legal.

A state has a rank, and every move raises it: that is what makes a repeated or late message harmless. The
tables in ARCHITECTURE.md are rendered from here, and a test fails when the two differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


class IllegalMove(Exception):
    """A bug: code asked for a move that the table does not have."""


@dataclass(frozen=True, slots=True)
class Move:
    sources: tuple[str, ...]
    target: str
    who: str
    needs: str


@dataclass(frozen=True)
class StateTable:
    entity: str
    ranks: Mapping[str, int]
    moves: tuple[Move, ...]

    @cached_property
    def _legal(self) -> frozenset[tuple[str, str]]:
        return frozenset((source, move.target) for move in self.moves for source in move.sources)

    def check(self, source: str, target: str) -> None:
        """Raises IllegalMove unless ``source`` may move to ``target``."""
        if (source, target) not in self._legal:
            raise IllegalMove(f"{self.entity}: {source} may not become {target}")

    def render(self) -> str:
        """The table as Markdown, for ARCHITECTURE.md."""
        ranks = ", ".join(f"{state} {rank}" for state, rank in self.ranks.items())
        rows = [f"| {', '.join(m.sources)} → {m.target} | {m.who} | {m.needs} |" for m in self.moves]
        return "\n".join([f"Ranks: {ranks}", "", "| move | who | needs |", "|---|---|---|", *rows])


ORDER = StateTable(
    "order",
    {"CREATED": 0, "PAYING": 10, "CLOSING": 20, "CLOSED": 30, "PAID": 40, "PAID_LATE": 40},
    (
        Move(
            ("CREATED",), "PAYING", "user asks to pay", "amount equals its items; the attempt's row in the same commit"
        ),
        Move(
            ("CREATED", "PAYING", "CLOSING"),
            "PAID",
            "evidence only",
            "amount, currency, appid, mchid and out_trade_no agree",
        ),
        Move(("PAYING",), "CLOSING", "user, expiry, operator", "nothing more is handed out from here on"),
        Move(("CREATED",), "CLOSED", "user, expiry, operator", "no attempt was ever made"),
        Move(("CLOSING",), "CLOSED", "close proof", "every attempt is CLOSED"),
        Move(("CLOSED",), "PAID_LATE", "evidence only", "as PAID; never fulfilled, always a discrepancy"),
    ),
)

TRANSACTION = StateTable(
    "transaction",
    {"PREPARED": 0, "UNKNOWN": 10, "PREPAID": 20, "CLOSING": 30, "CLOSED": 40, "PAID": 50},
    (
        Move(("PREPARED",), "UNKNOWN", "prepay call", "sent, and no answer that can be trusted"),
        Move(
            ("PREPARED", "UNKNOWN"),
            "PREPAID",
            "prepay call",
            "a verified prepay_id; dropped if the attempt is CLOSING by then",
        ),
        Move(
            ("PREPARED", "UNKNOWN", "PREPAID"),
            "CLOSING",
            "close of the order",
            "or the order was paid by another attempt",
        ),
        Move(
            ("PREPARED", "UNKNOWN", "PREPAID", "CLOSING"),
            "CLOSED",
            "close proof",
            "close accepted, ORDERCLOSED, query CLOSED, or unknown there, never handed out and half a minute CLOSING",
        ),
        Move(
            ("PREPARED", "UNKNOWN", "PREPAID", "CLOSING", "CLOSED"),
            "PAID",
            "evidence only",
            "amount, currency, appid, mchid agree",
        ),
    ),
)

REFUND = StateTable(
    "refund",
    {
        "REQUESTED": 0,
        "SUBMITTING": 10,
        "UNKNOWN": 15,
        "PROCESSING": 20,
        "ABNORMAL": 25,
        "SUCCESS": 40,
        "CLOSED": 40,
        "REJECTED": 40,
    },
    (
        Move(("REQUESTED",), "SUBMITTING", "refund call", "its money is held; a minute since the order's last refund"),
        Move(("SUBMITTING",), "UNKNOWN", "refund call", "no answer that can be trusted, or not enough balance"),
        Move(("SUBMITTING", "UNKNOWN"), "PROCESSING", "evidence only", "accepted by WeChat"),
        Move(
            ("SUBMITTING", "UNKNOWN", "PROCESSING"), "ABNORMAL", "evidence only", "keeps its hold; a person resolves it"
        ),
        Move(("SUBMITTING", "UNKNOWN", "PROCESSING", "ABNORMAL"), "SUCCESS", "evidence only", "the money went back"),
        Move(
            ("SUBMITTING", "UNKNOWN", "PROCESSING", "ABNORMAL"),
            "CLOSED",
            "evidence only",
            "the money stayed; its hold is released, another try needs a new number",
        ),
        Move(("SUBMITTING", "UNKNOWN"), "REJECTED", "refund call", "a code that proves nothing was created"),
    ),
)

SHIPMENT = StateTable(
    "shipment",
    {"REQUESTED": 0, "SENDING": 10, "UPLOADED": 40, "REFUSED": 40},
    (
        Move(("REQUESTED",), "SENDING", "shipping job", "ten seconds since the payment; an access token at hand"),
        Move(("SENDING",), "UPLOADED", "WeChat's answer", "taken now, or found there when asked"),
        Move(
            ("SENDING",),
            "REFUSED",
            "WeChat's answer",
            "a final code, and asking did not find it there; or its order unknown there for a day",
        ),
    ),
)

ORDER_FINISHED = ("CLOSED", "PAID", "PAID_LATE")
TABLES = {table.entity: table for table in (ORDER, TRANSACTION, REFUND, SHIPMENT)}
