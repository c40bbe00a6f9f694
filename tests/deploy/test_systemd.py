"""The unit file as shipped: systemd itself reads it, and it says what the code needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import server
import supervisor
from settings import Settings
from tests.conftest import lacking
from tests.processes import ROOT

UNIT = ROOT / "deploy" / "systemd" / "pay.service"
INSTALLED = "/opt/pay"
WORST = 15  # tenths: what systemd calls the exposure of a service, from 0 to 100


def directives(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if not found:
        lacking("systemd-analyze is not installed: apt-get install systemd")
    return str(found)


def verified(analyze: str, folder: Path, text: str) -> str:
    """What systemd says to a unit; nothing if it is good."""
    here = text.replace(f"{INSTALLED}/.venv/bin/python", sys.executable).replace(INSTALLED, str(ROOT))
    (folder / "pay.service").write_text(here)
    done = subprocess.run([analyze, "--man=no", "verify", str(folder / "pay.service")], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_systemd_has_no_complaint(analyze: str, tmp_path: Path) -> None:
    text = UNIT.read_text("utf-8")
    assert verified(analyze, tmp_path, text) == ""
    assert "'ProtectHme'" in verified(analyze, tmp_path, text.replace("ProtectHome", "ProtectHme"))
    assert "Command" in verified(analyze, tmp_path, text.replace(".venv/bin/python", "nowhere/python"))


def test_it_may_do_little(analyze: str) -> None:
    command = [analyze, "--no-pager", "security", "--offline=true", f"--threshold={WORST}", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level for pay.service" in done.stdout


def test_what_it_runs_is_in_the_repository() -> None:
    (command,) = directives("ExecStart")
    program, script = command.split()
    assert script == f"{INSTALLED}/server.py"
    assert (ROOT / script.removeprefix(f"{INSTALLED}/")).is_file()
    assert re.search(r"^VENV := \.venv$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert program == f"{INSTALLED}/.venv/bin/python"


def test_the_environment_holds_paths_and_no_secret() -> None:
    names = {entry.split("=")[0] for entry in directives("Environment")}
    assert names == {"PAY_CONFIG"} | names & {name.upper() for name in Settings.model_fields}
    assert directives("EnvironmentFile") == []
    handed = dict(entry.split(":", 1) for entry in directives("LoadCredential"))
    assert {f"PAY_CONFIG=%d/{name}" for name in handed} & set(directives("Environment"))
    assert handed == {name: f"/etc/pay/{name}" for name in handed}


def test_every_key_file_of_the_example_is_handed_over() -> None:
    handed = {entry.split(":")[0] for entry in directives("LoadCredential")}
    example = (ROOT / ".env.example").read_text("utf-8")
    named = re.findall(r"^#?WECHAT_V[23]_\w+_FILE=(\S+)$", example, re.MULTILINE)
    assert len(named) >= 4
    assert set(named) <= handed


def test_a_stop_has_the_time_that_the_server_takes() -> None:
    (patience,) = directives("TimeoutStopSec")
    assert server.FINISH_WITHIN < supervisor.STOP_WITHIN < int(patience)
    assert directives("KillMode") == ["mixed"]  # the first process stops the others; a second SIGTERM would cut them
    assert directives("RestartPreventExitStatus") == ["2"]
