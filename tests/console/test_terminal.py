"""``cli.py operator``: a live merchant's terminal and the console agree on who may come in."""

from __future__ import annotations

from pathlib import Path

from tests.console.people import Person
from tests.fleet import Fleet
from tests.harness import V3, Server
from tests.live import command, merchant


def test_the_terminal_lets_in_and_keeps_out(shop: Fleet, server: Server, tmp_path: Path) -> None:
    live = {**merchant(server.simulator, tmp_path, V3), "DATABASE_URL": server.database_url}
    made = command(live, "operator", "add", "terry", "viewer")
    terry = Person.of(server, made.stdout).signed_in()
    assert terry.get("/ops/account").status_code == 200
    code = command({**live, "LANG": "zh_CN.UTF-8"}, "operator", "code", "terry")
    assert (code.returncode, code.stdout) == (1, "")
    assert "仅限模拟器模式" in code.stderr
    assert command(live, "operator", "disable", "terry").stdout == "terry is disabled\n"
    assert terry.get("/ops/account").headers["Location"] == "/ops/sign-in"
    assert terry.try_to_sign_in().status_code == 401
    listed = command(live, "operator", "list").stdout
    assert [line for line in listed.splitlines() if line.startswith("terry ") and line.endswith(", disabled")]
    acts = shop.tables.rows("SELECT action, outcome FROM audit_log WHERE operator = 'terminal' AND subject = 'terry'")
    assert acts == [
        ("operator add", "begun"),
        ("operator add", "done"),
        ("operator disable", "begun"),
        ("operator disable", "done"),
    ]
