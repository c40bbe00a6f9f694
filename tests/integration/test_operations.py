"""What an operator relies on: probes, figures, the documented API, several processes, a stop that breaks nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.runner import OWN, SHARED
from tests.databases import MariaDb
from tests.fleet import Fleet
from tests.harness import NO_TLS, V2_MD5, V3, Buyer, Server, Simulator
from tests.processes import ROOT, Process, eventually, free_port
from tests.sale import Sale
from tests.shapes import problems
from tests.shipper import EXPRESS
from tests.wire import request, send

MERCHANT_KEY = "merchant-key-of-the-tests-0123456789abcdef"
LATTE = {"items": [{"product_id": "latte", "quantity": 1}]}


@pytest.fixture(scope="module")
def shared(shop: Fleet) -> Server:
    return shop.start(MERCHANT_API_KEY=MERCHANT_KEY, **V3.environ)


@pytest.fixture
def server(shared: Server, simulator: Simulator) -> Server:
    return shared


# --- probes ---


def test_it_is_up_and_ready(server: Server) -> None:
    assert server.http.get("/healthz").json() == {"status": "ok"}
    ready = server.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": []})


def test_a_database_that_is_away_makes_it_unready_and_not_dead(
    tmp_path: Path, simulator: Simulator, mariadb: MariaDb
) -> None:
    with Fleet(tmp_path, simulator, mariadb.create()) as fleet:
        server = fleet.start(**V3.environ)
        sale = Sale.unnoticed(server, fleet.tables)
        server.expect_log("database unavailable", "put off: ", "not acknowledged")
        mariadb.process.kill()
        ready = server.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
        assert server.http.get("/healthz").status_code == 200
        refused = sale.buyer.call("GET", f"/api/orders/{sale.order_no}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
        assert "127.0.0.1" not in refused.text
        assert sale.notify()[1] == "not acknowledged"
        mariadb.start()
        eventually(lambda: server.http.get("/readyz").status_code == 200)
        with ThreadPoolExecutor(16) as pool:  # every thread of the server had a connection that is dead now
            assert set(pool.map(lambda _: sale.buyer.status(sale.order_no), range(64))) == {"pending"}
        assert sale.notify()[1] == "acknowledged"
        assert sale.buyer.status(sale.order_no) == "paid"


def test_money_that_does_not_add_up_is_told(tmp_path: Path, simulator: Simulator, database_url: str) -> None:
    with Fleet(tmp_path, simulator, database_url) as fleet:
        server = fleet.start(**V3.environ)
        buyer = Buyer(server)
        order_no = buyer.order("latte")["order_no"]
        buyer.pay(order_no)
        buyer.becomes(order_no, "paid")
        good = server.http.get("/healthz/money")
        assert (good.status_code, good.json()["status"], good.json()["broken"]) == (200, "ok", {})

        fleet.tables.change(f"UPDATE orders SET state = 'CLOSED' WHERE order_no = '{order_no}'")
        server.restart()
        bad = server.http.get("/healthz/money")
        assert (bad.status_code, bad.json()["status"]) == (503, "broken")
        assert {name.split()[0] for name in bad.json()["broken"]} == {"2", "5", "8"}
        assert re.search(r'pay_money_broken_rows\{statement="2"\} 1.0', server.http.get("/metrics").text)
        server.expect_log("money does not add up: not so of 1 rows")
        fleet.tables.change(f"UPDATE orders SET state = 'PAID' WHERE order_no = '{order_no}'")


# --- figures ---


def test_what_is_counted(server: Server) -> None:
    buyer = Buyer(server)
    buyer.pay(buyer.order("latte")["order_no"])
    eventually(lambda: 'outcome="accepted"' in server.http.get("/metrics").text)
    reply = server.http.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    text = reply.text
    assert re.search(r'pay_notifications_total\{adapter="wechat_v3",outcome="accepted"\} \d', text)
    assert re.search(r'pay_http_request_seconds_count\{method="POST",route="pay",status="200"\} [1-9]', text)


def test_when_each_job_last_went_well(server: Server) -> None:
    def passes() -> dict[str, float]:
        told = re.findall(
            r'pay_job_last_good_pass_timestamp_seconds\{job="(\w+)"\} (\S+)', server.http.get("/metrics").text
        )
        return {job: float(at) for job, at in told}

    assert passes().keys() == {name for name, *_ in OWN + SHARED}
    before = eventually(lambda: passes()["ask"])
    eventually(lambda: passes()["ask"] > before)
    assert abs(passes()["keys"] - before) < 3600  # seconds since 1970, as Prometheus counts


def test_labels_are_from_small_sets_whatever_is_asked(server: Server) -> None:
    """A path, a method or a number as a label would fill the operator's storage, and show who bought what."""
    buyer = Buyer(server)
    orders = [buyer.order("latte")["order_no"] for _ in range(5)]

    def series() -> set[str]:
        text = server.http.get("/metrics").text
        return {line.rsplit(" ", 1)[0] for line in text.splitlines() if line.startswith("pay_")}

    for method in ("GET", "BREW"):
        server.http.request(method, "/nowhere")
    server.http.get("/metrics")
    before = series()
    for index in range(50):
        server.http.get(f"/nowhere/{index}")
        server.http.request(f"BREW{index}", f"/{index}")
        server.http.get(f"/nowhere?token={index}")
    for number in orders:
        buyer.read(number)
    added = series() - before
    assert {re.search(r'route="(\w+)"', name)[1] for name in added if "route" in name} <= {"order"}
    everything = " ".join(series())
    for secret in (buyer.openid, buyer.token, *orders):
        assert secret not in everything


# --- the documented API ---


def exchanged(server: Server) -> list[tuple[str, str, httpx.Response]]:
    """Every operation of the API in one purchase and its refusals: method, documented path, answer."""
    buyer, answers = Buyer(server), []

    def ask(method: str, path: str, number: str = "", **more: Any) -> httpx.Response:
        reply = buyer.call(method, path.replace("{order_no}", number).replace("{refund_no}", "R-1"), **more)
        answers.append((method, path, reply))
        return reply

    one = "/api/orders/{order_no}"
    code = server.simulator.post("login", openid=buyer.openid)["code"]
    ask("POST", "/api/login", json={"code": code})
    ask("POST", "/api/login", json={"code": code})
    ask("GET", "/api/products")
    paid, closed = (
        str(ask("POST", "/api/orders", json=LATTE, headers={"Idempotency-Key": key}).json()["order_no"]) for key in "ab"
    )
    ask("POST", "/api/orders", json=LATTE, headers={"Idempotency-Key": "a"})
    ask("POST", "/api/orders", json={"items": [{"product_id": "latte", "quantity": 0}]})
    assert buyer.cashier(ask("POST", one + "/pay", paid).json()) == "requestPayment:ok"
    buyer.becomes(paid, "paid")
    for number in (paid, closed, "MP991231AAAAAAAAAAAAAAAA"):
        for method, path in (("POST", "/sync"), ("POST", "/close"), ("POST", "/pay"), ("GET", "")):
            ask(method, one + path, number)
    ask("GET", "/api/orders")
    key, refunds = {"Authorization": f"Bearer {MERCHANT_KEY}"}, "/merchant/orders/{order_no}/refunds"
    back, this = {"amount_fen": 100, "reason": "不要了", "refund_no": "R-1"}, refunds + "/{refund_no}"
    server.simulator.put("refunds", {"next": "ABNORMAL"})
    server.expect_log("discrepancy kind=ABNORMAL_REFUND")
    for number in (paid, paid, closed):
        ask("POST", refunds, number, json=back, headers=key)
        ask("GET", refunds, number, headers=key)
        ask("GET", this, number, headers=key)
        ask("POST", this + "/resolve", number, headers=key)
    server.simulator.post("clock", advance_seconds=10)
    eventually(lambda: ask("GET", this, paid, headers=key).json()["status"] == "abnormal")
    ask("POST", this + "/resolve", paid, headers=key)
    ask("GET", refunds, paid)
    shipment, shipped = "/merchant/orders/{order_no}/shipment", {"json": EXPRESS, "headers": key}
    for number in (paid, paid, closed):
        ask("POST", shipment, number, **shipped)
        ask("GET", shipment, number, headers=key)
    return answers


def test_answers_have_the_shape_that_is_documented(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    answers = exchanged(server)
    for method, path, reply in answers:
        documented = document["paths"][path][method.lower()]["responses"]
        answer = documented.get(str(reply.status_code), documented["default"])
        assert str(reply.status_code) in documented or reply.status_code >= 400, (method, path, reply.text)
        schema = answer["content"]["application/json"]["schema"]
        assert list(problems(reply.json(), schema, document)) == [], (method, path, reply.text)
    asked = {(method, path, reply.status_code < 400) for method, path, reply in answers}
    for path, operations in document["paths"].items():
        for method in operations.keys() - {"parameters"}:
            assert (method.upper(), path, True) in asked, f"{method} {path} was never answered well"


def test_the_document_describes_what_is_refused(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    assert document["servers"] == [{"url": server.url}]
    body = document["components"]["schemas"]["OrderBody"]
    assert body["additionalProperties"] is False
    assert document["components"]["schemas"]["ItemBody"]["properties"]["quantity"] == {
        "maximum": 999,
        "minimum": 1,
        "title": "Quantity",
        "type": "integer",
    }
    assert document["paths"]["/api/products"]["get"]["security"] == []
    assert document["security"] == [{"bearer": []}]


def test_the_demo_page_is_there_in_simulator_mode(server: Server) -> None:
    page = server.http.get("/")
    assert page.status_code == 200
    assert f"connect-src 'self' {server.simulator.url};" in page.headers["Content-Security-Policy"]
    for path in ("/miniprogram/pay.js", "/pictures/latte.svg"):
        reply = server.http.get(path)
        assert (reply.status_code, reply.headers["X-Content-Type-Options"]) == (200, "nosniff")


# --- several processes ---


def test_two_processes_on_one_port(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**V3.environ, PROCESSES="2")
        assert len(children(server)) == 2
        buyers = [Buyer(server) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            orders = list(pool.map(lambda buyer: str(buyer.order("latte")["order_no"]), buyers))
            list(pool.map(Buyer.pay, buyers, orders))
        for buyer, order_no in zip(buyers, orders, strict=True):
            buyer.becomes(order_no, "paid")
        served = [answer_of_a_new_connection(server) for _ in range(40)]
        assert set(served) == {200}
        fleet.close()
        assert children(server) == []


def test_the_end_of_one_process_ends_the_other(tmp_path: Path, simulator: Simulator) -> None:
    """Whoever supervises the server sees it, and starts it again: half a server would be seen by nobody."""
    fleet = Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}")
    server = fleet.start(**V3.environ, PROCESSES="2")
    os.kill(children(server)[0], signal.SIGKILL)
    assert server.process.child is not None
    assert server.process.child.wait(15) != 0
    assert children(server) == []
    assert server.surprises() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_nobody_outlives_a_killed_parent(tmp_path: Path) -> None:
    """``make run`` with two server processes: simulator, server and its children end in good order."""
    ports = {"PORT": str(free_port()), "SIMULATOR_URL": f"http://127.0.0.1:{free_port()}"}
    command = ["env", "-C", str(tmp_path), sys.executable, str(ROOT / "cli.py"), "run"]
    shop = Process(command, tmp_path / "run.log", {**ports, "PROCESSES": "2", "PYTHONPATH": str(ROOT)})
    shop.start(lambda: "The demo shop" in shop.text() and shop.text().count("listening on") == 2)
    assert shop.child is not None
    simulator, server = offspring(shop.child.pid)
    family = [simulator, server, *offspring(server)]
    assert len(family) == 4
    os.kill(shop.child.pid, signal.SIGKILL)
    shop.child.wait()
    eventually(lambda: not any(map(lives, family)))
    assert shop.text().count("stopping: finishing") == 2
    assert "Traceback" not in shop.text()


def lives(pid: int) -> bool:
    """And is not just waiting to be buried."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(server: Server) -> list[int]:
    assert server.process.child is not None
    return offspring(server.process.child.pid)


def offspring(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def answer_of_a_new_connection(server: Server) -> int:
    return send(server.port, request("GET", "/healthz", [("Connection", "close")])).status


# --- the end ---


def test_what_was_accepted_before_a_stop_is_finished(tmp_path: Path, simulator: Simulator) -> None:
    """Ten buyers wait for WeChat's slow answer when the stop comes; nobody new is let in."""
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**V3.environ)
        buyers = [Buyer(server) for _ in range(10)]
        orders = [buyer.order("latte")["order_no"] for buyer in buyers]
        simulator.put("faults", [{"op": "v3.prepay", "fault": "delay", "seconds": 1.5}])

        def pay(index: int) -> httpx.Response:
            url = f"{server.url}/api/orders/{orders[index]}/pay"
            return httpx.post(url, headers=buyers[index].headers, timeout=15, verify=NO_TLS)

        with ThreadPoolExecutor(10) as pool:
            waiting = [pool.submit(pay, index) for index in range(10)]
            eventually(lambda: fleet.tables.one("SELECT COUNT(*) FROM transactions") == 10)
            began = time.monotonic()
            assert server.process.stop() == 0
            assert time.monotonic() - began < 6
        assert [future.result().status_code for future in waiting] == [200] * 10
        assert "finishing 10 requests" in server.process.text()
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url, verify=NO_TLS)


def test_work_goes_on_after_a_restart(tmp_path: Path, simulator: Simulator) -> None:
    """Sessions, orders and handed-out parameters outlive the process."""
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**V2_MD5.environ, ORDER_EXPIRES_MINUTES="1")
        sale = Sale.begun(server, fleet.tables)
        handed_out = sale.buyer.prepay(sale.order_no)
        server.restart()
        assert sale.buyer.cashier(handed_out) == "requestPayment:ok"
        sale.buyer.becomes(sale.order_no, "paid")
