"""Renders what the documents take from the code: state tables, settings, routes, refusals, and the last results of the
benchmarks. `make docs` writes them.

`tests/unit/test_docs.py` fails when a document differs from what this renders.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from benchmarks import report
from handlers.words import WORDS
from models.states import TABLES
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent

SECTION = r"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"


def settings_table() -> str:
    rows = ["| name | default | meaning |", "|---|---|---|"]
    for name, info in Settings.model_fields.items():
        value = info.get_default(call_default_factory=True, validated_data={})
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        default = "" if plain in (None, "", PydanticUndefined) else f"`{plain}`"
        rows.append(f"| `{name.upper()}` | {default} | {info.description} |")
    return "\n".join(rows)


def refusals_table() -> str:
    rows = ["| status | code | message | 说明 |", "|---|---|---|---|"]
    ordered = sorted(WORDS.items(), key=lambda item: (item[1].status, item[0]))
    return "\n".join([*rows, *(f"| {words.status} | `{code}` | {words.en} | {words.zh} |" for code, words in ordered)])


def sections() -> dict[str, dict[str, str]]:
    """Document -> section -> text."""
    return {
        "ARCHITECTURE.md": {f"states of {entity}": table.render() for entity, table in TABLES.items()},
        "docs/settings.md": {"settings": settings_table()},
        "docs/api.md": {"refusals": refusals_table()},
        report.DOCUMENT: {report.SECTION: report.text(report.kept(ROOT))},
    }


def rendered(document: str, text: str) -> str:
    """The document with every generated section as the code has it today. Raises ValueError if one has no place."""
    for name, body in sections()[document].items():
        pattern = re.compile(SECTION.format(name=re.escape(name)), re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{document} has no section <!-- {name} -->")
        text = pattern.sub(lambda match, body=body: match[1] + body + "\n" + match[2], text)
    return text


def main() -> None:
    for document in sections():
        path = ROOT / document
        path.write_text(rendered(document, path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
