"""The console speaks Chinese wherever it speaks English, and its log is only ever added to."""

from __future__ import annotations

import csv
import re
from typing import get_args, get_type_hints

from adapters.base import HeldKey
from handlers.console.orders import THINGS
from handlers.console.routes import CONSOLE
from handlers.console.said import MEANINGS, SAID, meaning
from handlers.console.today import NAMES
from jobs import runner
from services.console.operators import ROLES
from services.console.search import STATES
from tests.processes import ROOT

PAGES = ROOT / "handlers" / "templates" / "console"
CHINESE = ROOT / "handlers" / "console" / "locale" / "zh.csv"


def said_in_templates() -> tuple[set[str], dict[str, str]]:
    """What is said as it is; and what is said of one, with what is said of many."""
    pages = "\n".join(page.read_text("utf-8") for page in PAGES.glob("*.html"))
    return set(re.findall(r'_\("([^"]+)"\)', pages)), dict(re.findall(r'_\("([^"]+)", "([^"]+)", [\w.]+\)', pages))


def named() -> set[str]:
    """What has a name elsewhere: statuses, events, jobs, keys, and why a notification was refused."""
    adapters = "".join(path.read_text("utf-8") for path in ROOT.glob("adapters/wechat_v*/codec.py"))
    reasons = set(re.findall(r'(?:BadSignature|SignatureProbe)\("([^"]+)"', adapters))
    reasons |= {f"Wechatpay-{name} missing or repeated" for name in ("Timestamp", "Nonce", "Serial", "Signature")}
    doors = set(re.findall(r'"(not understood|too large|unavailable)"', (ROOT / "handlers" / "notify.py").read_text()))
    kinds = get_args(get_type_hints(HeldKey)["kind"])
    codes = {word.replace("_", " ") for word in (*STATES, *kinds, "access_token") if word}
    jobs = {f"job {name}" for name, *_ in (*runner.OWN, *runner.SHARED)}
    return reasons | doors | codes | jobs | set(THINGS.values()) | set(NAMES)


def test_all_that_is_said_has_chinese_words_and_no_word_is_left_over() -> None:
    rows = list(csv.reader(CHINESE.read_text("utf-8").splitlines()))
    acts = {getattr(page, "does", "") for _, page, *_ in CONSOLE} | {"sign-in", "sign-out", "sign-out everywhere"}
    plain, counted = said_in_templates()
    said = {*SAID.values(), *MEANINGS.values()}
    assert [row[0] for row in rows] == sorted({row[0] for row in rows})
    assert {row[0] for row in rows if len(row) == 2} == plain | said | set(ROLES) | acts - {""} | named()
    assert {row[0] for row in rows if row[2:] == ["singular"]} == set(counted)
    assert {row[0] for row in rows if row[2:] == ["plural"]} == set(counted.values())
    for english, chinese, *_ in rows:
        assert sorted(re.findall(r"%\(\w+\)s", english)) == sorted(re.findall(r"%\(\w+\)s", chinese))


def test_every_kind_of_discrepancy_is_explained() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in ROOT.glob("services/**/*.py"))
    kinds = set(re.findall(r'"((?:[A-Z]+_)*(?:MISMATCH|REFUND|ORDER|LATE|PAYER|STATE|DUE|STUCK|REFUSED))"', sources))
    kinds |= set(re.findall(r'"((?:BILL|FUND)_[A-Z_]+)"', sources)) | {"DUPLICATE", "CONTRADICTION"}
    assert {meaning(kind) for kind in kinds - {"REFUND", "REFUSED"}} == set(MEANINGS.values())


def test_nothing_changes_a_line_of_the_log() -> None:
    sources = [*ROOT.glob("services/**/*.py"), *ROOT.glob("models/*.py"), ROOT / "cli.py"]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    assert set(re.findall(r"AuditLine\.(?!id\b)(\w+)", text)) == {"insert", "select", "subject", "outcome"}
    assert text.count("audit_log") == 1  # where the table is named


def test_no_page_has_a_script_or_a_style_of_its_own() -> None:
    for page in PAGES.glob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r"<script|<style|style=|\son\w+=|javascript:|https?://|autoescape", text), page
        assert set(re.findall(r"{% raw (\S+)", text)) <= {"xsrf_form_html()"}, page  # all else is escaped
