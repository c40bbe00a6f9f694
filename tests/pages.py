"""The error codes that the protocol's pages document, operation by operation, read out of ``docs/protocol``.

It reads the pages and nothing else: what a code means is for others to say. Section numbers are the pages' own.
"""

from __future__ import annotations

import re

from tests.processes import ROOT

CODE = r"\b(?!JSAPI)[A-Z][A-Z_8]{4,}\b"
STATUS = r"\b(?:202|[45]\d\d)\b"  # of an answer that is no plain success


def section(page: str, title: str) -> str:
    """From the heading that begins with ``title`` ("## 4.", "### 1.1") to the next one of any level."""
    text = (ROOT / "docs" / "protocol" / page).read_text("utf-8")
    found = re.search(rf"^{re.escape(title)} .*?(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title}"
    return found[0]


def rows(text: str, heading: str) -> list[str]:
    """The first cells of the tables whose first column is called ``heading``."""
    tables = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n?)+)", text, re.MULTILINE)
    found = [line.split("|")[1].strip() for table in tables for line in table.splitlines()]
    assert found, f"no table of {heading}"
    return found


def v2_codes(number: int) -> set[str]:
    """Of the section's ``err_code`` table, or of its sentence with "err_code" and the codes."""
    text = section("v2.md", f"## {number}.")
    sentence = re.search(r"err_code(?:: |` )(`?[A-Z].*)", text)
    return set(re.findall(CODE, sentence[1] if sentence else " ".join(rows(text, "err_code"))))


def v2_bill_texts() -> set[str]:
    """downloadbill's refusals are texts (v2.md 10)."""
    return set(re.findall(r"`([^`]+)`", " ".join(rows(section("v2.md", "## 10."), "return_msg"))))


def v3_codes(*titles: str, after: str = "", before: str = "") -> set[tuple[int, str]]:
    """HTTP status and code, wherever a line of these sections names a code behind a status.

    ``after`` and ``before`` are words that the part begins and ends with, where a section has a table for each call.
    """
    text = "\n".join(section("v3.md", title) for title in titles)
    if after:
        text = text.partition(after)[2]
    if before:
        text = text.partition(before)[0]
    found = set()
    for line in text.splitlines():
        status = 0
        for word in re.findall(f"{STATUS}|{CODE}", line):
            if word.isdigit():
                status = int(word)
            elif status:
                found.add((status, word))
    assert found, titles
    return found


def login_codes() -> set[str]:
    """mini-program.md 1.1, without 0, which is success."""
    return set(re.findall(r"-?\d+", " ".join(rows(section("mini-program.md", "### 1.1"), "errcode")))) - {"0"}


def shipping_codes() -> set[int]:
    """Of upload_shipping_info, mini-program.md 4."""
    text = section("mini-program.md", "### POST")
    return {int(code) for code in re.findall(r"-?\d+", " ".join(rows(text, "errcode")))}
