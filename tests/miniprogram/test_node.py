"""``miniprogram/`` in Node, against the real server and the real simulator: each ``*.test.js`` is one test here.

What is judged is judged there; here the processes are started, and at the end asked whether the money adds up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import lacking
from tests.fleet import Fleet
from tests.harness import NO_TLS, V3, Server, Simulator

FILES = sorted(Path(__file__).parent.glob("*.test.js"))
LIMITS = {"LIMIT_READS": "30", "LIMIT_PAYS": "4"}  # of one user: who waits two seconds, who a quarter of a minute


@pytest.fixture(scope="module")
def starting(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that is for ever about to start."""
    folder = tmp_path_factory.mktemp("starting")
    server = Server(folder, shared_simulator, "mysql://root:@127.0.0.1:9/none", **V3.environ)
    server.process.start(lambda: _is_up(server))
    yield server.url
    assert server.end() == 0


def _is_up(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/healthz", verify=NO_TLS).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def stage(
    shared_simulator: Simulator, starting: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Where the shop is, for ``stage.js``."""
    folder = tmp_path_factory.mktemp("shop")
    with Fleet(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        server = fleet.start(**V3.environ, **LIMITS)
        yield {
            "SHOP_URL": server.url,
            "STARTING_URL": starting,
            "SIMULATOR_URL": shared_simulator.url,
            "DATABASE": str(folder / "pay.db"),
            "PYTHON": sys.executable,
        }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_in_node(file: Path, stage: dict[str, str], tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lacking("Node.js is not installed: apt-get install nodejs")
    environ = {**os.environ, **stage, "TMPDIR": str(tmp_path)}
    done = subprocess.run([node, str(file)], env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
