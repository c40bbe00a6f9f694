"""JSON as RFC 8259 has it, and no more: Python's own reader takes NaN, 1e400 and the same key twice."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class BadJson(Exception):
    """Says what is wrong, in words that hold nothing of the body."""


def loads(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises BadJson, whatever the bytes are."""
    if not body:
        raise BadJson("it is empty")
    if body.startswith(b"\xef\xbb\xbf"):
        raise BadJson("it begins with a byte order mark")
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise BadJson("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise BadJson("it is nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise BadJson("a number in it is too long") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("a key stands in it twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise BadJson("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("a number in it is too large")
    return value
