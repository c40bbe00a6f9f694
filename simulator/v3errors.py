"""How API v3 refuses: status, code, message, and where (v3.md 16). Error answers bear no signature. Pure."""

from __future__ import annotations

from typing import Any

from simulator import numbers, v3wire
from simulator.wire import Diagnosis, Reply

JSON = {"Content-Type": "application/json; charset=utf-8"}


class Refused(Exception):
    """An error answer: status, code, message, and the optional ``detail`` object (v3.md 16)."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: dict[str, Any] | None = None,
        diagnosis: Diagnosis | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.diagnosis = diagnosis


def refusal(refused: Refused, verdict: str = "none") -> Reply:
    """An error answer, unsigned."""
    value: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.detail:
        value["detail"] = refused.detail
    body, headers = v3wire.dump_json(value), {**JSON, "Request-ID": request_id()}
    return Reply(refused.status, headers, body, verdict, refused.code, refused.message, refused.diagnosis)


def param_error(location: str, field: str, message: str, value: object, issue: str = "") -> Refused:
    """400 PARAM_ERROR with its place (v3.md 16)."""
    detail: dict[str, object] = {"location": location, "field": field, "issue": issue or message}
    if value is not None:
        detail["value"] = value
    return Refused(400, "PARAM_ERROR", message, detail)


def request_id() -> str:
    return "08" + numbers.text(38, "0123456789ABCDEF") + "-0"
