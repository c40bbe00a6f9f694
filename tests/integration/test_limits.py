"""Who asks too often is told to wait; nobody else notices, and WeChat's notifications least of all."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.crowd import LATTE
from tests.fleet import Fleet
from tests.harness import V3, Buyer, Simulator
from tests.processes import eventually
from tests.sale import Sale

FEW = {"LIMIT_LOGINS": "8", "LIMIT_ORDERS": "5", "LIMIT_PAYS": "4", "LIMIT_SYNCS": "3", "LIMIT_READS": "6"}


def test_a_flood_is_answered_and_the_others_buy(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**V3.environ, **FEW)
        flooder, other = Buyer(server), Buyer(server)
        order_no = flooder.order("latte")["order_no"]
        for path, method, limit in (
            (f"/api/orders/{order_no}/pay", "POST", 4),
            (f"/api/orders/{order_no}/sync", "POST", 3),
            (f"/api/orders/{order_no}", "GET", 6),
        ):
            answers = [flooder.call(method, path) for _ in range(limit + 5)]
            assert Counter(answer.status_code for answer in answers) == {200: limit, 429: 5}
            error = answers[-1].json()["error"]
            assert error["code"] == "too_many_requests"
            assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        other.pay(other.order("latte")["order_no"])

        # An address that cannot be believed is the flooder's own; a proxy's word counts for as many as it names.
        logins = [server.http.post("/api/login", json={"code": "x"}) for _ in range(8)]
        assert logins[-1].status_code == 429
        elsewhere = server.http.post("/api/login", json={"code": "x"}, headers={"X-Real-Ip": "203.0.113.9"})
        assert elsewhere.status_code == 401


def test_logins_from_everywhere_at_once(tmp_path: Path, simulator: Simulator) -> None:
    """No address asks often, all of them together do (F66). WeChat hears of those alone that are let in."""
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet, ThreadPoolExecutor(8) as crowd:
        server = fleet.start(**V3.environ, LIMIT_ALL_LOGINS="1")

        def login(number: int) -> int:
            where = {"X-Real-Ip": f"203.0.113.{number}"}
            return server.http.post("/api/login", json={"code": f"x{number}"}, headers=where).status_code

        answers = Counter(crowd.map(login, range(30)))
        assert set(answers) == {401, 429}
        eventually(lambda: login(31) == 401)
        assert len(re.findall(r"GET \S+/sns/jscode2session status", server.process.text())) == answers[401] + 1


def test_notifications_are_never_limited(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        sale = Sale.unnoticed(fleet.start(**V3.environ, **FEW), fleet.tables)
        assert {sale.notify()[1] for _ in range(30)} == {"acknowledged"}


def test_twenty_orders_of_a_user_may_wait_to_be_paid(tmp_path: Path, simulator: Simulator, database_url: str) -> None:
    """Asked for all at once (F67). Who pays or cancels one may have another; a paid one is as good as none."""
    with Fleet(tmp_path, simulator, database_url) as fleet, ThreadPoolExecutor(8) as crowd:
        server = fleet.start(**V3.environ, LIMIT_OPEN_ORDERS="20")
        buyer, other = Buyer(server), Buyer(server)
        replies = list(crowd.map(lambda _: buyer.call("POST", "/api/orders", json=LATTE), range(30)))
        assert Counter(reply.status_code for reply in replies) == {201: 20, 409: 10}
        assert next(r.json()["error"]["code"] for r in replies if r.status_code == 409) == "orders_too_many"
        first, second = [reply.json()["order_no"] for reply in replies if reply.status_code == 201][:2]
        other.order("latte")
        assert buyer.call("POST", f"/api/orders/{first}/close").status_code == 200
        buyer.pay(second)
        buyer.becomes(second, "paid")
        again = [buyer.call("POST", "/api/orders", json=LATTE).status_code for _ in range(3)]
        assert again == [201, 201, 409]
