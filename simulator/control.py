"""The simulator's controls: ``/_sim/*``, JSON, for this machine only.

    GET    /_sim/merchant    the test merchant, its keys and WeChat's public halves (contract.md, Simulator)
    POST   /_sim/login       {"openid"?} -> {"code"}: stands for wx.login; without openid it is somebody new
    POST   /_sim/pay         what wx.requestPayment takes, and "outcome"? ok | cancel | fail | lost (paid, no callback),
                             "coupon_fen"? (that much of the amount is a coupon's) -> {"errMsg"}
    GET    /_sim/ledger      {"orders", "payments", "refunds", "deliveries", "users"}; ?out_trade_no= for one
    GET    /_sim/exchanges   {"exchanges": the last 500, newest last}
    GET    /_sim/complaints  {"complaints": the last 1000, newest last}; DELETE forgets them
    GET    /_sim/state       {"pending_deliveries", "in_flight", "due", "pending_refunds", "now", "wire"}: quiet
                             when in_flight and due are 0
    GET, PUT, DELETE /_sim/faults   the plan; see ``faults``. PUT answers with the plan as understood
    GET    /_sim/clock       {"now", "wire", "scale"}
    POST   /_sim/clock       {"advance_seconds"?, "wire_skew_seconds"?}: moves virtual time on; sets how wrong WeChat's
                             clock is in v3 signatures
    GET, PUT /_sim/refunds   {"next"?: SUCCESS | ABNORMAL | CLOSED, or a list of them: what the next refunds come to,
                             "seconds"?: how long one takes (3), "interval_seconds"?: between two of an order (60),
                             "balance_fen"?: what the merchant has left for them, null for always enough}
    POST   /_sim/refund      {"out_trade_no", "amount_fen", "reason"?, "notify_url"?} -> {"refund"}: one made in the
                             merchant platform, without the API; refused as the API would
    GET, PUT, DELETE /_sim/bill     errors planted in the trade bills, with the known answers; see ``planting``
    GET, PUT /_sim/keys      {"notify_key"?: as_ordered | public_key | certificate | alternate,
                             "platform_certificates"?: false for a merchant that has none}
    POST   /_sim/notify      makes an authentic notification to measure; see ``notify``

Only loopback peers that ask a loopback host are served (DNS rebinding), and no page from elsewhere; pages on loopback
may call login and pay from the browser (CORS). A wrong request gets 400 with ``{"error": {"code", "message"}}``.
This module parses and answers; what is done is done elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tornado.web import RequestHandler

from simulator import cashier, console, notify, planting, rules, v3wire
from simulator.door import explained
from simulator.faults import PlanRefused
from simulator.keys import NOTIFY_KEYS
from simulator.records import Exchange
from simulator.wire import Diagnosis
from simulator.world import World

_MOST_SECONDS = 10 * 365 * 86400


class ControlRefused(Exception):
    """The control was not understood; the text says what to send."""


_REFUSALS = (ControlRefused, PlanRefused, notify.NotifyRefused, console.ConsoleRefused, planting.PlantingRefused)


class ControlHandler(RequestHandler):
    """The ceremony: who may ask, JSON in, JSON out, errors as JSON."""

    cors = False

    def initialize(self, world: World) -> None:
        self.world = world

    def prepare(self) -> None:
        self.world.refunds.settle()
        origin = self.request.headers.get("Origin")
        peer, host = self.request.remote_ip or "", _host_of(f"//{self.request.host}")
        if not rules.is_loopback(peer) or not rules.is_loopback(host):
            self._refuse(403, "not_local", "the controls are for this machine only, by a loopback address")
        elif origin is not None and not rules.is_loopback(_host_of(origin)):
            self._refuse(403, "foreign_origin", "pages from elsewhere may not use the controls")
        elif origin is not None and self.cors:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", "X-Sim-Explain")
            self.set_header("Vary", "Origin")

    def options(self) -> None:
        """A browser asks before it posts JSON."""
        if self.cors:
            self.set_header("Access-Control-Allow-Methods", "POST, OPTIONS")
            self.set_header("Access-Control-Allow-Headers", "Content-Type")
        self.set_status(204)

    def body(self, *allowed: str) -> dict[str, Any]:
        """The JSON object that was sent (nothing counts as ``{}``), with no other names than ``allowed``."""
        value = self.json()
        if not isinstance(value, dict):
            raise ControlRefused("the body must be a JSON object")
        unknown = sorted(ascii(name) for name in value.keys() - set(allowed)) if allowed else []
        if unknown:
            raise ControlRefused(f"unknown name {unknown[0]}; known are {', '.join(allowed)}")
        return value

    def json(self) -> Any:
        try:
            value = v3wire.load_json(self.request.body or b"{}")
            v3wire.dump_json(value)  # an unpaired surrogate cannot be written again
            return value
        except (v3wire.JsonRefused, UnicodeEncodeError) as refused:
            raise ControlRefused(f"the body is not JSON: {refused}") from refused

    def answer(self, value: object) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(v3wire.dump_json(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, _REFUSALS):
            self._refuse(400, "bad_request", str(error))
        else:
            self._refuse(status_code, "not_served", self._reason)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, _REFUSALS):
            super().log_exception(typ, value, tb)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.set_status(status)
        self.answer({"error": {"code": code, "message": self.world.records.mask(message)}})


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


class MerchantHandler(ControlHandler):
    """The one place where secrets are shown: the test merchant's, to whoever plays the merchant."""

    def get(self) -> None:
        self.answer(self.world.merchant.published() | {"secapi_url": self.world.secapi_url})


class ReadHandler(ControlHandler):
    """GET of something that is only looked at. Whatever a merchant put where, no secret of it is shown."""

    def initialize(self, world: World, read: Callable[[World, str], object]) -> None:  # type: ignore[override]
        super().initialize(world)
        self.read = read

    def get(self) -> None:
        value = self.read(self.world, self.get_query_argument("out_trade_no", ""))
        self.answer(self.world.records.masked(value))


class ComplaintsHandler(ControlHandler):
    def get(self) -> None:
        self.answer({"complaints": list(self.world.records.complaints)})

    def delete(self) -> None:
        self.world.records.complaints.clear()
        self.answer({"complaints": []})


class LoginHandler(ControlHandler):
    cors = True

    def post(self) -> None:
        openid = self.body("openid").get("openid")
        if openid is not None and (not isinstance(openid, str) or rules.text_problem(openid, 128)):
            raise ControlRefused("openid must be a text of 1 to 128 bytes")
        self.answer({"code": self.world.logins.new_code(openid)})


class PayHandler(ControlHandler):
    cors = True

    def post(self) -> None:
        outcome = cashier.pay(self.world, self.body())
        self._remember(outcome)
        if outcome.lost:
            self.detach().close()
            return
        if outcome.diagnosis:
            self.set_header("X-Sim-Explain", explained(self.world, outcome.diagnosis))
        self.answer({"errMsg": outcome.err_msg})

    def _remember(self, outcome: cashier.Outcome) -> None:
        refused = outcome.diagnosis is not None
        if isinstance(outcome.diagnosis, Diagnosis):
            self.world.records.complain("pay", "PAY_SIGN", outcome.err_msg, outcome.diagnosis)
        body = v3wire.dump_json({"errMsg": outcome.err_msg})
        self.world.records.exchange(
            Exchange("in", "pay", "POST", "/_sim/pay", {}, self.request.body, 200, {}, body, "bad" if refused else "ok")
        )


class FaultsHandler(ControlHandler):
    def get(self) -> None:
        self.answer(self.world.faults.published())

    def put(self) -> None:
        self.world.faults.replace(self.json())
        self.get()

    def delete(self) -> None:
        self.world.faults.clear()
        self.get()


class ClockHandler(ControlHandler):
    def get(self) -> None:
        clock = self.world.clock
        self.answer({"now": clock.now(), "wire": clock.wire(), "scale": clock.scale})

    def post(self) -> None:
        body = self.body("advance_seconds", "wire_skew_seconds")
        advance, skew = body.get("advance_seconds", 0), body.get("wire_skew_seconds", self.world.clock.skew)
        if not _is_number(advance) or not 0 <= advance <= _MOST_SECONDS:
            raise ControlRefused("advance_seconds must be a number from 0 to ten years: time does not go back")
        if not _is_number(skew) or abs(skew) > _MOST_SECONDS:
            raise ControlRefused("wire_skew_seconds must be a number")
        self.world.clock.skew = skew
        self.world.clock.advance(advance)
        self.world.ledger.keep_clock(self.world.clock.offset)
        self.world.time_moved()
        self.get()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class KeysHandler(ControlHandler):
    def get(self) -> None:
        self.answer(self.world.keys.published())

    def put(self) -> None:
        body = self.body("notify_key", "platform_certificates")
        keys = self.world.keys
        notify_key = body.get("notify_key", keys.notify_key)
        certificates = body.get("platform_certificates", keys.platform_certificates)
        if notify_key not in NOTIFY_KEYS or not isinstance(certificates, bool):
            raise ControlRefused(f"notify_key is one of {', '.join(NOTIFY_KEYS)}; platform_certificates true or false")
        keys.notify_key, keys.platform_certificates = notify_key, certificates
        self.get()


class NotifyHandler(ControlHandler):
    async def post(self) -> None:
        self.answer(await notify.notify(self.world, self.body(*notify.NAMES)))


class RefundTermsHandler(ControlHandler):
    def get(self) -> None:
        self.answer(vars(self.world.refunds.terms))

    def put(self) -> None:
        console.set_terms(self.world, self.body(*console.TERMS))
        self.get()


class RefundHandler(ControlHandler):
    def post(self) -> None:
        made = console.refund(self.world, self.body(*console.NAMES))
        self.answer({"refund": dataclasses.asdict(made)})


class BillHandler(ControlHandler):
    def get(self) -> None:
        self.answer(planting.published(self.world.bills, self.get_query_argument("day", "")))

    def put(self) -> None:
        self.world.bills.plan = planting.plan(self.body(*planting.NAMES))
        self.get()

    def delete(self) -> None:
        self.world.bills.plan = planting.plan({})
        self.get()


class NothingHandler(ControlHandler):
    """Any other /_sim path."""

    def get(self) -> None:
        self._refuse(404, "no_such_control", "see simulator/control.py for the controls there are")

    post = put = delete = patch = get


def _state(world: World, _: str) -> object:
    pending = {"pending_refunds": world.refunds.pending()}
    return {**world.courier.state(), **pending, "now": world.clock.now(), "wire": world.clock.wire()}


def routes(world: World) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """The readable list, for Tornado."""
    here: dict[str, Any] = {"world": world}
    return [
        ("/_sim/merchant", MerchantHandler, here),
        ("/_sim/ledger", ReadHandler, {**here, "read": lambda w, number: w.ledger.published(number)}),
        ("/_sim/exchanges", ReadHandler, {**here, "read": lambda w, _: {"exchanges": list(w.records.exchanges)}}),
        ("/_sim/state", ReadHandler, {**here, "read": _state}),
        ("/_sim/complaints", ComplaintsHandler, here),
        ("/_sim/login", LoginHandler, here),
        ("/_sim/pay", PayHandler, here),
        ("/_sim/faults", FaultsHandler, here),
        ("/_sim/clock", ClockHandler, here),
        ("/_sim/refunds", RefundTermsHandler, here),
        ("/_sim/refund", RefundHandler, here),
        ("/_sim/bill", BillHandler, here),
        ("/_sim/keys", KeysHandler, here),
        ("/_sim/notify", NotifyHandler, here),
        ("/_sim/.*", NothingHandler, here),
    ]
