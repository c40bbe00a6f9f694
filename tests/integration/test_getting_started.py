"""``docs/getting-started.md``, step by step: its own commands, only addresses and names are this test's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import lacking
from tests.console.people import Person
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Server, Simulator
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "getting-started.md").read_text("utf-8")


def run(what: str, server: Server, folder: Path, order_no: str = "") -> str:
    """The commands that the page shows under that name; what they print."""
    shown = re.search(rf"<!-- commands: {what} -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    assert shown, what
    here = {".venv/bin/python": sys.executable, "127.0.0.1:8900": server.simulator.url, "my/": f"{folder}/"}
    script = shown[1].replace("MP…", order_no)
    for there, mine in here.items():
        script = script.replace(there, mine)
    environ = {**os.environ, **server.environ}
    done = subprocess.run(["sh", "-ec", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_step(shop: Fleet, simulator: Simulator, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        lacking("curl is not installed: apt-get install curl")
    server = shop.start(**V3.environ)
    buyer = Buyer(server)
    heard, unheard = buyer.order("latte")["order_no"], buyer.order("latte")["order_no"]
    buyer.pay(heard)
    buyer.becomes(heard, "paid")
    assert "first known by notification" in run("explain", server, tmp_path, heard)

    run("silence", server, tmp_path)
    buyer.pay(unheard)
    assert buyer.call("POST", f"/api/orders/{unheard}/sync").json()["status"] == "paid"
    assert "first known by query" in run("explain", server, tmp_path, unheard)
    run("sound", server, tmp_path)

    run("refund", server, tmp_path, heard)
    buyer.becomes(heard, "partially_refunded")

    person = Person.of(server, run("console", server, tmp_path)).signed_in()
    assert person.get(f"/ops/orders/{heard}").status_code == 200

    shutil.copytree(ROOT / "catalogue", tmp_path, dirs_exist_ok=True)
    goods = tmp_path / "products.json"
    goods.write_text(goods.read_text("utf-8").replace('"price_fen": 2800', '"price_fen": 2900'), "utf-8")
    run("goods", server, tmp_path)
    latte = next(p for p in server.http.get("/api/products").json()["products"] if p["id"] == "latte")
    assert latte["price_fen"] == 2900
