"""Reports as JSON, for the inbox: what was authentic once can be applied again without its signature."""

from __future__ import annotations

import json
from dataclasses import fields
from operator import attrgetter
from typing import Any

from adapters.base import RefundReport, RefundStatus, TradeReport, TradeStatus

FACTS = {kind: tuple(field.name for field in fields(kind)) for kind in (TradeReport, RefundReport)}
READ = {kind: attrgetter(*names) for kind, names in FACTS.items()}
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dump(report: TradeReport | RefundReport | None) -> str:
    return ENCODER.encode(dict(zip(FACTS[type(report)], READ[type(report)](report), strict=True)) if report else {})


def load(kind: str, text: str) -> TradeReport | RefundReport | None:
    facts: dict[str, Any] = json.loads(text)
    if kind == "payment" and facts:
        return TradeReport(**{**facts, "status": TradeStatus(facts["status"])})
    if kind == "refund" and facts:
        return RefundReport(**{**facts, "status": RefundStatus(facts["status"])})
    return None
