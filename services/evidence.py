"""Reports as JSON, for the inbox: what was authentic once can be applied again without its signature."""

from __future__ import annotations

import json
from typing import Any

import orjson

from adapters.base import RefundReport, RefundStatus, TradeReport, TradeStatus


def dump(report: TradeReport | RefundReport | None) -> str:
    return orjson.dumps(report or {}).decode()


def load(kind: str, text: str) -> TradeReport | RefundReport | None:
    facts: dict[str, Any] = json.loads(text)
    if kind == "payment" and facts:
        return TradeReport(**{**facts, "status": TradeStatus(facts["status"])})
    if kind == "refund" and facts:
        return RefundReport(**{**facts, "status": RefundStatus(facts["status"])})
    return None
