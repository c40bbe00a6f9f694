"""Answers of the mini-program's server API: JSON in which ``errcode`` says what happened (mini-program.md). Pure.

Tokens, AppSecret and codes travel in these requests, and WeChat may quote them: no error of this module repeats one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.errors import OutcomeUnknown, PaymentError
from adapters.text import tidy
from adapters.transport import Response

# errcode: what the caller may do. One that is not in the table is an unknown outcome.
Table = Mapping[int, type[PaymentError]]


def read(operation: str, response: Response, table: Table, secrets: tuple[str, ...]) -> dict[str, Any]:
    """The answer of a call that went well. Raises what ``table`` says, OutcomeUnknown for all that is no answer."""
    if response.status != 200:
        raise OutcomeUnknown(f"{operation}: HTTP {response.status}")
    told = _object(operation, response.body)
    errcode = told.get("errcode", 0)
    if errcode != 0:
        kind = table.get(errcode, OutcomeUnknown) if type(errcode) is int else OutcomeUnknown
        message = tidy(told.get("errmsg"))
        quoted = any(secret and secret in message for secret in secrets)
        raise kind("" if quoted else message, code=tidy(str(errcode), 16))
    return told


def _object(operation: str, body: bytes) -> dict[str, Any]:
    """By content, not by Content-Type, which has been text/plain. The text of a parse error may quote the body."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise OutcomeUnknown(f"{operation}: not JSON") from None
    if not isinstance(told, dict):
        raise OutcomeUnknown(f"{operation}: not an object")
    return told
