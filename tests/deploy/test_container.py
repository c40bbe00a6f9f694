"""``Dockerfile`` and ``compose.yaml``, as far as they can be held to their word without a Docker daemon: what the image
would hold is enough to take money, its commands work, and its MariaDB is one that the server's start accepts."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
import yaml

import supervisor
from models.database import Database
from settings import Settings
from tests.conftest import lacking
from tests.databases import MariaDb
from tests.fleet import Fleet
from tests.harness import NO_TLS, V3, Buyer, Server, Simulator
from tests.processes import ROOT, Process, free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SETTINGS = {name.upper() for name in Settings.model_fields}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder /opt/pay of the image: what ``.dockerignore`` lets in."""
    folder = tmp_path / "image"
    folder.mkdir()
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith(("#", "!"))] == ["*", "**/__pycache__", "**/*.pyc"]
    for name in (line[1:] for line in lines if line.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def command(text: str, image: Path) -> list[str]:
    """A command of the Dockerfile, run here."""
    python, *rest = json.loads(text)
    assert python == "python"
    return [sys.executable, *(part.replace("/opt/pay", str(image)) for part in rest)]


def instruction(name: str) -> str:
    (found,) = re.findall(rf"^\s*{name} (.*)$", DOCKERFILE, re.MULTILINE)
    return str(found)


def environment(image: Path) -> dict[str, str]:
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    assert block
    return {name: value.replace("/opt/pay", str(image)) for name, value in re.findall(r"(\w+)=(\S+)", block[1])}


def test_what_the_image_holds_takes_money(tmp_path: Path, image: Path, simulator: Simulator) -> None:
    commands = re.findall(r"^\s*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    healthy, serve = (command(text, image) for text in commands)
    state = tmp_path / "state"
    state.mkdir()
    url = f"sqlite:///{state / 'pay.db'}"
    with Fleet(tmp_path, simulator, url) as fleet:
        server = Server(tmp_path, simulator, url, **V3.environ)
        server.process.command = ["env", "-C", str(state), *serve]
        server.process.environ = {**environment(image), **server.environ, "HOST": "127.0.0.1"}
        fleet.servers.append(server)
        server.start()
        buyer = Buyer(server)
        order_no = buyer.order("latte")["order_no"]
        buyer.pay(order_no)
        buyer.becomes(order_no, "paid")
        assert server.http.get("/pictures/latte.svg").status_code == 200
        assert server.http.get("/").status_code == 200
        check = subprocess.run(healthy, env={"PORT": str(server.port)}, capture_output=True)
        assert check.returncode == 0, check.stderr
    assert subprocess.run(healthy, env={"PORT": str(server.port)}, capture_output=True).returncode != 0


def test_the_image_runs_the_demo(tmp_path: Path, image: Path) -> None:
    """``docker compose --profile demo up demo``: server and stand-in, from one command."""
    demo, state, port = COMPOSE["services"]["demo"], tmp_path / "state", free_port()
    state.mkdir()
    ports = {"PORT": str(port), "SIMULATOR_URL": f"http://127.0.0.1:{free_port()}"}
    environ = {**environment(image), **demo["environment"], **ports}
    run = ["env", "-C", str(state), *command(json.dumps(demo["command"]), image)]
    process = Process(run, tmp_path / "demo.log", environ)
    process.start(lambda: "The demo shop" in process.text(), 30)
    page = httpx.get(f"http://127.0.0.1:{port}/", verify=NO_TLS)
    assert (page.status_code, ports["SIMULATOR_URL"] in page.text) == (200, True)
    assert process.stop() == 0
    assert sorted(path.name for path in (state / "var").iterdir()) == ["pay.db", "simulator"]


def test_it_is_no_root_and_no_compiler() -> None:
    assert re.search(r"useradd --system --uid (\d+)", DOCKERFILE)
    assert instruction("USER") == "pay"
    assert "--only-binary :all: -r requirements.txt" in DOCKERFILE
    assert "apt-get" not in DOCKERFILE
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", instruction("FROM"))


def test_every_name_in_the_environment_is_a_setting() -> None:
    given = set(environment(Path("/opt/pay")))
    assert given - {"PYTHONPATH", "PYTHONUNBUFFERED"} <= SETTINGS
    for service in ("server", "demo"):
        assert COMPOSE["services"][service]["environment"].keys() - {"PAY_CONFIG"} <= SETTINGS


def test_secrets_are_files_and_reach_who_needs_them() -> None:
    server, database = COMPOSE["services"]["server"], COMPOSE["services"]["database"]
    unit = (ROOT / "deploy" / "systemd" / "pay.service").read_text("utf-8")
    assert server["secrets"] == re.findall(r"^LoadCredential=([\w.]+):", unit, re.MULTILINE)
    assert set(server["secrets"]) | set(database["secrets"]) == COMPOSE["secrets"].keys()
    assert all(secret == {"file": f"secrets/{name}"} for name, secret in COMPOSE["secrets"].items())
    assert server["environment"]["PAY_CONFIG"] == "/run/secrets/pay.env"
    assert database["environment"]["MARIADB_PASSWORD_FILE"] == "/run/secrets/database_password"
    assert {"/secrets/", ".env"} <= set((ROOT / ".gitignore").read_text("utf-8").splitlines())


def test_only_this_machine_reaches_the_server_and_its_proxy_is_believed() -> None:
    server = COMPOSE["services"]["server"]
    assert server["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in COMPOSE["services"]["database"]
    (network,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert server["environment"]["TRUSTED_PROXIES"] == network["gateway"]
    assert ipaddress.ip_address(network["gateway"]) in ipaddress.ip_network(network["subnet"])
    assert int(server["stop_grace_period"].removesuffix("s")) > supervisor.STOP_WITHIN


def test_whoever_gets_in_can_do_little() -> None:
    server, database = COMPOSE["services"]["server"], COMPOSE["services"]["database"]
    assert (server["read_only"], server["tmpfs"], server["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    for service in (server, database):
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["ulimits"] == {"core": 0}
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_its_mariadb_is_fit_for_money(tmp_path: Path) -> None:
    if not MariaDb.installed():
        lacking("MariaDB is not installed: apt-get install mariadb-server")
    mariadb = MariaDb(tmp_path, *COMPOSE["services"]["database"]["command"])
    connection = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root", password="")
    connection.cursor().execute("CREATE DATABASE pay")  # as the image makes it: no word on characters
    database = Database(f"mysql://root:@127.0.0.1:{mariadb.port}/pay", threads=1)
    database.migrate()
    assert database.check() == []
    connection.cursor().execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    assert "innodb_flush_log_at_trx_commit is not 1" in database.check()[0]
    connection.close()
    database.close()
    mariadb.close()
