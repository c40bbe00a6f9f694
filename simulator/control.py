"""The simulator's controls: ``/_sim/*``, JSON, for this machine only.

    GET    /_sim/merchant    the test merchant, its keys and WeChat's public halves (contract.md, Simulator)
    PUT    /_sim/merchant    {"v3_api_key"?, "v2_api_key"?}: another API key, or null to have one made; the old dies at
                             once
    POST   /_sim/login       {"openid"?} -> {"code"}: stands for wx.login; without openid it is somebody new
    POST   /_sim/pay         what wx.requestPayment takes, and "outcome"? ok | cancel | fail | lost (paid, no callback)
                             | paying (USERPAYING for "seconds"? (10) virtual seconds, "then"? ok | cancel),
                             "coupon_fen"? (that much of the amount is a coupon's) -> {"errMsg"}
    POST   /_sim/cashier     the same parameters -> {"amount_fen", "description", "out_trade_no"}, what WeChat's client
                             shows before anything is typed, or {"errMsg"}
    POST   /_sim/impossible  {"out_trade_no"}: pays it whatever its state is, which WeChat never does; refused only if
                             it is paid
    GET    /_sim/ledger      {"orders", "payments", "refunds", "shipments", "deliveries", "users"};
                             ?out_trade_no= for one, or several times for some
    GET    /_sim/exchanges   {"exchanges": the last 500, newest last, "newest": the id of the last one there was};
                             ?after= an id: those that came later
    GET    /_sim/exchanges/stream   the same as they happen, as server-sent events; see ``streaming``
    GET    /_sim/complaints  {"complaints": the last 1000, newest last}; DELETE forgets them
    GET    /_sim/state       {"pending_deliveries", "in_flight", "due", "pending_refunds", "now", "wire"}: quiet
                             when in_flight and due are 0; ?wait= that, for at most so many seconds
    GET, PUT, DELETE /_sim/faults   the plan; see ``faults``. PUT answers with the plan as understood
    GET    /_sim/clock       {"now", "wire", "scale"}
    POST   /_sim/clock       {"advance_seconds"?, "wire_skew_seconds"?}: moves virtual time on; sets how wrong WeChat's
                             clock is in v3 signatures
    GET, PUT /_sim/refunds   {"next"?: SUCCESS | ABNORMAL | CLOSED, or a list of them: what the next refunds come to,
                             "seconds"?: how long one takes (3), "interval_seconds"?: between two of an order (60),
                             "balance_fen"?: what the merchant has left for them, null for always enough}
    POST   /_sim/refund      {"out_trade_no", "amount_fen", "reason"?, "notify_url"?} -> {"refund"}: one made in the
                             merchant platform, without the API; refused as the API would
    GET, PUT /_sim/shipping  {"delay_seconds"?: how long after its payment an order is unknown there (10), "managed"?:
                             what is_trade_managed says (true)}
    POST   /_sim/receive     {"out_trade_no"}: the buyer confirms receipt of what was shipped -> {"shipment"}
    GET, PUT, DELETE /_sim/bill     errors planted in the trade bills, with the known answers; see ``planting``
    GET, PUT /_sim/keys      which of WeChat's keys signs what, certificates added and retired; see ``rotation``
    POST   /_sim/notify      makes an authentic notification to measure; see ``notify``

The ceremony around them is ``ceremony``. This module parses and answers; what is done is done elsewhere.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tornado.web import RequestHandler

from simulator import cashier, console, notify, planting, rotation, rules, v3wire, wishes
from simulator.ceremony import ControlHandler
from simulator.door import explained
from simulator.merchant import MerchantRefused
from simulator.records import Exchange
from simulator.streaming import StreamHandler
from simulator.wire import Diagnosis
from simulator.wishes import WishRefused
from simulator.world import World


class MerchantHandler(ControlHandler):
    """The one place where secrets are shown: the test merchant's, to whoever plays the merchant."""

    def get(self) -> None:
        current = self.world.keys.current
        platform = {"platform_serial_no": current.serial_no, "platform_certificate": current.certificate}
        self.answer(self.world.merchant.published() | platform | {"secapi_url": self.world.secapi_url})

    def put(self) -> None:
        changed = self.body("v2_api_key", "v3_api_key")
        if not all(key is None or isinstance(key, str) for key in changed.values()):
            raise WishRefused("v2_api_key and v3_api_key are texts of 32 characters, or null to have one made")
        try:
            self.world.change_keys(changed)
        except MerchantRefused as refused:
            raise WishRefused(str(refused)) from refused
        self.get()


class LedgerHandler(ControlHandler):
    def get(self) -> None:
        found = self.world.ledger.published(self.get_query_arguments("out_trade_no"))
        self.answer(self.world.records.masked(found))  # whatever a merchant put where, no secret of it is shown


class ExchangesHandler(ControlHandler):
    def get(self) -> None:
        after = self.get_query_argument("after", "0")
        if not after.isascii() or not after.isdecimal():
            raise WishRefused("after is the id of an exchange")
        records = self.world.records
        self.answer({"exchanges": list(records.shown(int(after[:18]))), "newest": records.newest})


class StateHandler(ControlHandler):
    async def get(self) -> None:
        wait = self.get_query_argument("wait", "0")
        if not wait.isdecimal() or len(wait) > 3:
            raise WishRefused("wait is a whole number of seconds, at most 999")
        await self.world.courier.quiet(int(wait))
        now = {"now": self.world.clock.now(), "wire": self.world.clock.wire()}
        self.answer({**self.world.courier.state(), "pending_refunds": self.world.refunds.pending(), **now})


class ComplaintsHandler(ControlHandler):
    def get(self) -> None:
        self.answer({"complaints": list(self.world.records.complaints)})

    def delete(self) -> None:
        self.world.records.complaints.clear()
        self.answer({"complaints": []})


class PhoneHandler(ControlHandler):
    """What a phone asks of WeChat's client: remembered as an exchange, as everything that reaches WeChat is."""

    cors = True

    signed = True

    def remembered(self, op: str, answer: dict[str, Any], diagnosis: Diagnosis | None = None) -> dict[str, Any]:
        if diagnosis:
            self.world.records.complain(op, "PAY_SIGN", answer["errMsg"], diagnosis)
            self.set_header("X-Sim-Explain", explained(self.world, diagnosis))
        headers = {"Content-Type": self.request.headers.get("Content-Type", "application/json")}
        crossed = Exchange("in", op, "POST", self.request.path, headers, self.request.body)
        crossed.status, crossed.response_body = 200, v3wire.dump_json(answer)
        crossed.verdict, crossed.diagnosis = "bad" if diagnosis else "ok" if self.signed else "none", diagnosis
        self.world.records.exchange(crossed)
        return answer


class LoginHandler(PhoneHandler):
    signed = False

    def post(self) -> None:
        openid = self.body("openid").get("openid")
        if openid is not None and (not isinstance(openid, str) or rules.text_problem(openid, 128)):
            raise WishRefused("openid must be a text of 1 to 128 bytes")
        self.answer(self.remembered("wx.login", {"code": self.world.logins.new_code(openid)}))


class CashierHandler(PhoneHandler):
    def post(self) -> None:
        shown = cashier.show(self.world, self.body())
        if isinstance(shown, cashier.Outcome):
            self.answer(self.remembered("cashier", {"errMsg": shown.err_msg}, shown.diagnosis))
            return
        sheet = {"amount_fen": shown.amount_fen, "description": shown.description, "out_trade_no": shown.out_trade_no}
        self.answer(self.remembered("cashier", sheet))


class PayHandler(PhoneHandler):
    def post(self) -> None:
        outcome = cashier.pay(self.world, self.body())
        answer = self.remembered("pay", {"errMsg": outcome.err_msg}, outcome.diagnosis)
        if outcome.lost:
            self.detach().close()
            return
        self.answer(answer)


class ImpossibleHandler(ControlHandler):
    cors = True

    def post(self) -> None:
        console.pay_against_the_rules(self.world, self.body("out_trade_no"))
        self.answer({"errMsg": "requestPayment:ok"})


class FaultsHandler(ControlHandler):
    cors = True

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
        skew = body.get("wire_skew_seconds", self.world.clock.skew)
        if not wishes.is_number(skew) or abs(skew) > wishes.MOST_SECONDS:
            raise WishRefused("wire_skew_seconds must be a number of seconds")
        self.world.clock.advance(wishes.seconds(body, "advance_seconds", 0))
        self.world.clock.skew = skew
        self.world.ledger.keep_clock(self.world.clock.offset)
        self.world.time_moved()
        self.get()


class KeysHandler(ControlHandler):
    def get(self) -> None:
        self.answer(self.world.keys.published())

    def put(self) -> None:
        rotation.change(self.world.keys, self.body(*rotation.NAMES))
        self.get()


class NotifyHandler(ControlHandler):
    cors = True

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


class ShippingTermsHandler(ControlHandler):
    def get(self) -> None:
        self.answer(vars(self.world.shipments.terms))

    def put(self) -> None:
        console.set_shipping_terms(self.world, self.body(*console.SHIPPING_TERMS))
        self.get()


class ReceiveHandler(ControlHandler):
    def post(self) -> None:
        received = console.receive(self.world, self.body("out_trade_no"))
        self.answer({"shipment": dataclasses.asdict(received)})


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


def routes(world: World) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """The readable list, for Tornado."""
    here: dict[str, Any] = {"world": world}
    return [
        ("/_sim/merchant", MerchantHandler, here),
        ("/_sim/ledger", LedgerHandler, here),
        ("/_sim/exchanges", ExchangesHandler, here),
        ("/_sim/exchanges/stream", StreamHandler, here),
        ("/_sim/state", StateHandler, here),
        ("/_sim/complaints", ComplaintsHandler, here),
        ("/_sim/login", LoginHandler, here),
        ("/_sim/cashier", CashierHandler, here),
        ("/_sim/pay", PayHandler, here),
        ("/_sim/faults", FaultsHandler, here),
        ("/_sim/impossible", ImpossibleHandler, here),
        ("/_sim/clock", ClockHandler, here),
        ("/_sim/refunds", RefundTermsHandler, here),
        ("/_sim/refund", RefundHandler, here),
        ("/_sim/shipping", ShippingTermsHandler, here),
        ("/_sim/receive", ReceiveHandler, here),
        ("/_sim/bill", BillHandler, here),
        ("/_sim/keys", KeysHandler, here),
        ("/_sim/notify", NotifyHandler, here),
        ("/_sim/.*", NothingHandler, here),
    ]
