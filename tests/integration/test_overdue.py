"""The alarm of a merchant who must report shipping: a paid order that nobody reported in time is told, once."""

from __future__ import annotations

import re

from tests.conftest import Start
from tests.databases import Tables
from tests.harness import V3, Server, Simulator
from tests.processes import eventually
from tests.shipper import EXPRESS, KEY, Shipper

HOURS = 48
# By our clock: that of WeChat's stand-in, which says when an order was paid, other tests have moved.
LONG_AGO = f"UPDATE payments SET paid_at = created_at - {HOURS * 3600}"


def overdue(server: Server) -> int:
    found = re.search(r'pay_shipments_total\{outcome="overdue"\} (\d+)', server.http.get("/metrics").text)
    return int(found[1]) if found else 0


def test_an_order_that_nobody_reported_in_time(start_server: Start, tables: Tables, simulator: Simulator) -> None:
    """The alarm looks when a server starts, and then every minute: a restart is sooner."""
    server = start_server(MERCHANT_API_KEY=KEY, **V3.environ)
    server.expect_log("discrepancy kind=SHIPMENT_DUE")
    simulator.put("shipping", {"delay_seconds": 0})
    shipper = Shipper(server, tables)
    forgotten, partly, reported, refunded = (shipper.paid() for _ in range(4))
    shipper.report(partly, {**EXPRESS, "all_delivered": False})
    shipper.report(reported)
    tables.change(f"UPDATE orders SET refunded_fen = paid_fen WHERE order_no = '{refunded}'")
    tables.change(LONG_AGO)
    server.restart()
    young = shipper.paid()  # a payment takes longer than a look
    assert tables.one("SELECT COUNT(*) FROM discrepancies") == 0  # this merchant need not report
    server.restart(SHIPPING_WITHIN_HOURS=str(HOURS))
    eventually(lambda: overdue(server) == 2)
    for order_no in (forgotten, partly):
        assert shipper.discrepancies(order_no) == [("SHIPMENT_DUE", "OPEN")]
    assert tables.one("SELECT COUNT(*) FROM discrepancies") == 2  # neither reported, nor refunded, nor young
    assert shipper.report(forgotten)["status"] == "uploaded"
    assert shipper.discrepancies(forgotten) == [("SHIPMENT_DUE", "RESOLVED")]
    tables.change(LONG_AGO)
    server.restart()
    eventually(lambda: shipper.discrepancies(young) == [("SHIPMENT_DUE", "OPEN")])
    eventually(lambda: overdue(server) == 1)  # counted once it is stored; the others were told before
    tables.change(f"UPDATE orders SET refunded_fen = 0 WHERE order_no = '{refunded}'")
    simulator.put("shipping", {"delay_seconds": 10})
