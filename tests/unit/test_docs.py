"""The documents are true: they say what the code says, and leave out nothing that it offers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cli import parser
from handlers.openapi import document
from handlers.words import WORDS
from tools.render_docs import rendered, sections

ROOT = Path(__file__).resolve().parent.parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", sections())
def test_generated_sections_are_up_to_date(name: str) -> None:
    assert rendered(name, read(name)) == read(name), "run `make docs`"


def test_every_api_route_is_documented() -> None:
    text = read("docs/api.md")
    for path, operations in document("https://pay.example.com")["paths"].items():
        for method in operations.keys() & {"get", "post"}:
            assert f"`{method.upper()} {path}`" in text, f"{method} {path}"


def test_every_command_is_documented() -> None:
    (commands,) = (action.choices for action in parser()._actions if action.choices)
    text = read("docs/operations.md") + read("docs/going-live.md") + read("Makefile")
    for command in commands:
        assert f"cli.py {command}" in text, command


def test_every_make_target_of_the_readmes_exists() -> None:
    makefile = read("Makefile")
    for name in ("README.md", "README.zh-CN.md"):
        for target in re.findall(r"make ([a-z-]+)", read(name)):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE) or target == "and", target


@pytest.mark.parametrize("english", ["README.md", "docs/getting-started.md"])
def test_both_languages_show_the_same_commands(english: str) -> None:
    shown = [re.findall(r"```(.*?)```", re.sub("#.*|//.*", "", text), re.DOTALL) for text in both(english)]
    assert shown[0] == shown[1]
    assert len(shown[0]) > 3


def both(english: str) -> tuple[str, str]:
    return read(english), read(english.replace(".md", ".zh-CN.md"))


PAGES = sorted(page.relative_to(ROOT).as_posix() for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", read(page)):
        if not target.startswith("http"):
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_every_picture_is_shown_and_taken_by_the_script() -> None:
    pictures = {path.name for path in ROOT.glob("docs/images/*.png")}
    shown = set(re.findall(r"images/([a-z-]+\.png)", "".join(read(page) for page in PAGES)))
    taken = re.findall(r'^    \("([a-z-]+)", ', read("tools/screenshots.py"), re.MULTILINE)
    assert pictures == shown == {f"{name}.png" for name in taken}


def test_every_refusal_that_is_raised_has_words() -> None:
    raised = set()
    for path in [*ROOT.glob("services/*.py"), *ROOT.glob("handlers/*.py")]:
        kinds = "Conflicting|Invalid|NotFound|ProviderRefused|TryLater|Unauthorized"
        raised |= set(re.findall(rf'raise (?:{kinds})\("([a-z_]+)"', path.read_text("utf-8")))
    assert len(raised) > 15
    assert raised <= WORDS.keys()


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[1] == version
