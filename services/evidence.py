"""Reports as JSON, for the inbox: what was authentic once can be applied again without its signature."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from adapters.base import RefundReport, RefundStatus, TradeReport, TradeStatus


def dump(report: TradeReport | RefundReport | None) -> str:
    return json.dumps(asdict(report) if report else {}, ensure_ascii=False, separators=(",", ":"))


def load(kind: str, text: str) -> TradeReport | RefundReport | None:
    fields: dict[str, Any] = json.loads(text)
    if kind == "payment" and fields:
        return TradeReport(**{**fields, "status": TradeStatus(fields["status"])})
    if kind == "refund" and fields:
        return RefundReport(**{**fields, "status": RefundStatus(fields["status"])})
    return None
