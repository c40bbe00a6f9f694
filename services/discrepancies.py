"""Putting something before a person: a row, once for each kind and thing, and a warning in the log."""

from __future__ import annotations

import logging

from models import Discrepancy
from models.statements import insert_new


def flag(logger: logging.Logger, kind: str, ref: str, order_no: str | None, detail: str, now: int) -> None:
    """Runs inside the caller's transaction."""
    logger.warning("discrepancy kind=%s ref=%s order=%s", kind, ref[:64], order_no or "-")
    row: dict[str, object] = {"kind": kind, "ref": ref[:64], "order_no": order_no, "detail": detail[:500]}
    insert_new(Discrepancy, [{**row, "state": "OPEN", "created_at": now}], "ref")
