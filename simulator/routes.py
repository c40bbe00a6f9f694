"""WeChat's routes, the readable list: path, name for the fault plan, methods, what serves it. It must not know HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from simulator import login, shipping, tokens, v2, v2bills, v2refunds, v3, v3bills, v3refunds
from simulator.wire import Message, Reply, Seal
from simulator.world import World

Serve = Callable[[World, Message, tuple[str, ...], Seal], Reply]


@dataclass(frozen=True)
class Route:
    """``methods`` empty: the operation itself answers a wrong method. ``certified``: mutual TLS only (v2.md 1)."""

    pattern: re.Pattern[str]
    op: str
    methods: tuple[str, ...]
    serve: Serve
    certified: bool = False


def _v2(path: str, op: str, operation: v2.Operation, certified: bool = False) -> Route:
    return Route(re.compile(path), op, (), lambda w, m, _, seal: v2.serve(w, m, operation, seal), certified)


def _v3(method: str, path: str, op: str, operation: v3.Operation) -> Route:
    return Route(re.compile(path), op, (method,), lambda w, m, parts, seal: v3.serve(w, m, operation, parts, seal))


def _shipping(path: str, op: str, operation: shipping.Operation) -> Route:
    pattern = re.compile(f"/wxa/sec/order/{path}")
    return Route(pattern, op, ("POST",), lambda w, m, _p, _s: shipping.serve(w, m, operation))


_NUMBER = "/v3/pay/transactions/out-trade-no/([^/]+)"
_REFUNDS = "/v3/refund/domestic/refunds"
ROUTES = (
    Route(re.compile("/sns/jscode2session"), "login", ("GET",), lambda w, m, _p, _s: login.jscode2session(w.logins, m)),
    Route(
        re.compile("/cgi-bin/stable_token"), "token", ("POST",), lambda w, m, _p, _s: tokens.stable_token(w.tokens, m)
    ),
    Route(re.compile("/cgi-bin/token"), "token", ("GET",), lambda w, m, _p, _s: tokens.plain_token(w.tokens, m)),
    _shipping("upload_shipping_info", "ship", shipping.upload),
    _shipping("get_order", "ship_query", shipping.order),
    _shipping("is_trade_managed", "ship_query", shipping.managed),
    _v2("/pay/unifiedorder", "v2.prepay", v2.prepay),
    _v2("/pay/orderquery", "v2.query", v2.query),
    _v2("/pay/closeorder", "v2.close", v2.close),
    _v2("/secapi/pay/refund", "v2.refund", v2refunds.refund, certified=True),
    _v2("/pay/refundquery", "v2.refund_query", v2refunds.query),
    Route(re.compile("/pay/downloadbill"), "v2.bill", (), lambda w, m, _p, _s: v2bills.download_bill(w, m)),
    Route(
        re.compile("/pay/downloadfundflow"), "v2.bill", (), lambda w, m, _p, _s: v2bills.download_fund_flow(w, m), True
    ),
    _v3("POST", "/v3/pay/transactions/jsapi", "v3.prepay", v3.prepay),
    _v3("GET", _NUMBER, "v3.query", v3.query_by_number),
    _v3("GET", "/v3/pay/transactions/id/([^/]+)", "v3.query", v3.query_by_id),
    _v3("POST", f"{_NUMBER}/close", "v3.close", v3.close),
    _v3("GET", "/v3/certificates", "v3.certificates", v3.certificates),
    _v3("POST", _REFUNDS, "v3.refund", v3refunds.refund),
    _v3("GET", f"{_REFUNDS}/([^/]+)", "v3.refund_query", v3refunds.query),
    _v3("POST", f"{_REFUNDS}/([^/]+)/apply-abnormal-refund", "v3.refund_abnormal", v3refunds.send_elsewhere),
    _v3("GET", "/v3/bill/tradebill", "v3.bill", v3bills.trade_bill),
    _v3("GET", "/v3/bill/fundflowbill", "v3.bill", v3bills.fund_flow_bill),
    Route(re.compile(v3bills.FILE), "v3.bill_file", ("GET",), lambda w, m, _p, _s: v3bills.download(w, m)),
)


def find(path: str) -> tuple[Route | None, tuple[str, ...]]:
    """The route of a raw path, and the path's own parts as sent."""
    for route in ROUTES:
        match = route.pattern.fullmatch(path)
        if match:
            return route, match.groups()
    return None, ()
