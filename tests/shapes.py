"""Does a JSON value have the shape that an OpenAPI schema promises? As much of JSON Schema as our document uses.

Stricter in one thing: what an object has beyond its documented properties is an error, since nobody documented it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {"type", "required", "properties", "items", "enum", "const", "minimum", "maximum", "format", "pattern"}
KNOWN |= {"minLength", "maxLength", "minItems", "maxItems", "description", "title", "additionalProperties", "default"}


def problems(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> Iterator[str]:
    """Every way in which ``value`` is not of ``schema``; references are looked up in ``document``."""
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from problems(value, target, document, at)
        return
    if unknown := schema.keys() - KNOWN:
        yield f"{at}: the schema uses {unknown}, which this check does not know"
    kinds = schema.get("type", [])
    allowed = [kinds] if isinstance(kinds, str) else kinds
    if not any(type(value) in TYPES[kind] for kind in allowed):
        yield f"{at}: {value!r} is not {kinds}"
        return
    yield from _of_value(value, schema, at)
    if isinstance(value, dict):
        yield from _of_object(value, schema, document, at)
    for index, entry in enumerate(value if isinstance(value, list) else []):
        yield from problems(entry, schema["items"], document, f"{at}[{index}]")


def _of_value(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not one of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if isinstance(value, int) and value < schema.get("minimum", value):
        yield f"{at}: {value} is too small"
    if isinstance(value, str) and schema.get("format") == "date-time":
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", value):
            yield f"{at}: {value!r} is no RFC 3339 time with an offset"
        else:
            datetime.fromisoformat(value)


def _of_object(value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], at: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}.{name} is missing"
    for name, inner in value.items():
        if name not in properties:
            yield f"{at}.{name} is not documented"
        else:
            yield from problems(inner, properties[name], document, f"{at}.{name}")
