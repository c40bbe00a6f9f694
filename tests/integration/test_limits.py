"""Who asks too often is told to wait; nobody else notices, and WeChat's notifications least of all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.fleet import Fleet
from tests.harness import V3, Buyer, Simulator
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


def test_notifications_are_never_limited(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        sale = Sale.unnoticed(fleet.start(**V3.environ, **FEW), fleet.tables)
        assert {sale.notify()[1] for _ in range(30)} == {"acknowledged"}
