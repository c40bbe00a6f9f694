"""JSON as RFC 8259 has it, and no more: Python's own reader takes NaN, 1e400 and the same key twice."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class BadJson(Exception):
    """What is wrong: a key of ``words.REASONS``, and where. Holds nothing of the body."""

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def loads(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises BadJson, whatever the bytes are."""
    if not body:
        raise BadJson("empty")
    if body.startswith(b"\xef\xbb\xbf"):
        raise BadJson("bom")
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise BadJson("not_utf8") from None
    except json.JSONDecodeError as error:
        raise BadJson("syntax", error.pos) from None
    except RecursionError:
        raise BadJson("depth") from None
    except ValueError:  # an integer of thousands of digits
        raise BadJson("number") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise BadJson("constant")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("number")
    return value
