"""``POST /_sim/notify``: a notification made to measure with the genuine keys, sent now and outside the schedule.

    out_trade_no      whose payment is notified (paid or not); an unknown number is invented around the overrides
    out_refund_no     whose refund is notified instead; it must be known. Its override is laid over the message alone
                      (v3: the refund object; v2: what req_info holds, and envelope over the XML around it)
    event             of a refund: SUCCESS | ABNORMAL | CLOSED; without it what it came to, or will come to
    api               v2 | v3: the form; without it the order's or the refund's own
    override          neutral facts: amount, payer_total, currency, appid, mchid, openid, transaction_id, out_trade_no,
                      state, bank_type, attach, paid_at; any other name is laid over the message (v3: the transaction
                      object, member by member; v2: the XML), null removes it. An object in a neutral name's place is
                      laid over too: {"amount": {"total": 1}}
    envelope          v3: laid over the envelope ({"event_type": "X", "resource": {"nonce": "short"}})
    remove            names left out of the message
    signature         genuine (default) | missing | broken | signtest | forged (by a key that is not WeChat's)
    timestamp_offset  v3: seconds added to the timestamp before signing
    serial            v3: another Wechatpay-Serial
    key               v3: public_key | certificate | other_merchant (encrypted with somebody else's APIv3 key)
    sign_type         v2: MD5 | HMAC-SHA256 instead of the order's; sign_type_field true | false names it or not
    headers           laid over the headers after signing; null removes one
    body              instead of the body made here, after signing
    id                v3: the envelope's id, to repeat one
    url               instead of the order's notify_url
    times, parallel   how often the same bytes are sent (1), and how many at once (1; the courier has 100 places)
    send              false: do not send, only answer with what would be

It answers {"url", "headers", "body", "results": [{"status", "result"}, ...]}. It must not touch orders or the schedule.
"""

from __future__ import annotations

import dataclasses
import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from simulator import notices, numbers, refund_views
from simulator.courier import Judgement, Label
from simulator.entities import PROCESSING, Order, Refund
from simulator.notices import Changes, Facts, Notice
from simulator.refunds import OUTCOMES
from simulator.wire import Seal
from simulator.wishes import WishRefused
from simulator.world import World

NAMES = (
    "out_trade_no", "out_refund_no", "event", "api", "override", "envelope", "remove", "signature",
    "timestamp_offset", "serial", "key",
    "sign_type", "sign_type_field", "headers", "body", "id", "url", "times", "parallel", "send",
)  # fmt: skip
_TYPES: dict[str, type | tuple[type, ...]] = {
    "out_trade_no": str, "out_refund_no": str, "event": str, "api": str, "override": dict, "envelope": dict,
    "remove": list, "signature": str,
    "timestamp_offset": int, "serial": str, "key": str, "sign_type": str, "sign_type_field": bool, "headers": dict,
    "body": str, "id": str, "url": str, "times": int, "parallel": int, "send": bool,
}  # fmt: skip
_CHOICES = {
    "api": ("v2", "v3"),
    "event": OUTCOMES,
    "signature": ("genuine", "missing", "broken", "signtest", "forged"),
    "key": ("public_key", "certificate", "other_merchant"),
    "sign_type": ("MD5", "HMAC-SHA256"),
}
_FACTS = {field.name: field.type for field in dataclasses.fields(Facts)}
_MOST_TIMES = 100_000
_HEADER = re.compile(r"[0-9A-Za-z_-]+")
_TEXT = re.compile(r"[ -~]*")


async def notify(world: World, wish: dict[str, Any]) -> dict[str, Any]:
    """Make it, send it unless ``send`` is false, and say how it was taken. Raises ``WishRefused``."""
    _check(wish)
    refund = _refund(world, wish)
    order = world.ledger.orders.get(refund.out_trade_no if refund else wish.get("out_trade_no", ""))
    origin = refund or order
    api = wish.get("api") or (origin.api if origin else "v3")
    url = wish.get("url") or (origin.notify_url if origin else "")
    if not url and wish.get("send", True):
        raise WishRefused("what is not known, or gave no notify_url, has none: give url, or send false")
    made = _make_refund(world, wish, refund, api) if refund else _make(world, wish, order, api)
    notice = _outfitted(made, wish)
    op, number = "notify.refund" if refund else f"notify.{api}", order.out_trade_no if order else ""
    label = Label(op, number, _fault(wish))
    results = await _send(world, wish, api, url, notice, label) if wish.get("send", True) else []
    return {
        "url": url,
        "headers": notice.headers,
        "body": notice.body.decode("utf-8"),
        "results": [dataclasses.asdict(result) for result in results],
    }


def _check(wish: dict[str, Any]) -> None:
    for name, value in wish.items():
        if not isinstance(value, _TYPES[name]) or (_TYPES[name] is int and isinstance(value, bool)):
            raise WishRefused(f"{name} has the wrong type")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise WishRefused(f"{name} is one of {', '.join(_CHOICES[name])}")
    if not 1 <= wish.get("times", 1) <= _MOST_TIMES or not 1 <= wish.get("parallel", 1) <= _MOST_TIMES:
        raise WishRefused(f"times and parallel are 1 to {_MOST_TIMES}")
    for name, value in wish.get("headers", {}).items():
        if not _HEADER.fullmatch(name) or not (value is None or (isinstance(value, str) and _TEXT.fullmatch(value))):
            raise WishRefused("headers are names and printable ASCII texts, or null to leave one out")
    if "url" in wish and not _is_address(wish["url"]):
        raise WishRefused("url must be an absolute http address")


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        well = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        return well and _TEXT.fullmatch(text) is not None
    except ValueError:
        return False


def _refund(world: World, wish: dict[str, Any]) -> Refund | None:
    number = wish.get("out_refund_no")
    if number is not None and number not in world.ledger.refunds:
        raise WishRefused("out_refund_no is not known")
    return world.ledger.refunds.get(number) if number is not None else None


def _make_refund(world: World, wish: dict[str, Any], refund: Refund, api: str) -> Notice:
    order = world.ledger.orders[refund.out_trade_no]
    changes = Changes(wish.get("override", {}), wish.get("envelope", {}), tuple(map(str, wish.get("remove", []))))
    state = wish.get("event") or (refund.outcome if refund.state == PROCESSING else refund.state)
    kind = wish.get("key") or world.keys.notice_kind(refund.key_kind if api == refund.api else "public_key")
    seal = Seal(wish.get("signature", "genuine"), wish.get("timestamp_offset", 0), wish.get("serial"), kind)
    if api == "v3":
        times, event = (world.clock.wire(), world.clock.now()), refund_views.v3_event(refund, order, state)
        notice_id = wish.get("id") or str(uuid.uuid4())
        return notices.v3_envelope(notice_id, event, world.merchant, world.keys, seal, times, changes)
    key = numbers.text(32) if kind == "other_merchant" else world.merchant.v2_api_key
    return refund_views.v2_notice(refund, order, state, key, seal, changes)


def _make(world: World, wish: dict[str, Any], order: Order | None, api: str) -> Notice:
    facts, changes = _facts(world, wish, order), _changes(wish)
    kind = wish.get("key") or world.keys.notice_kind(order.key_kind if order and api == order.api else "public_key")
    seal = Seal(wish.get("signature", "genuine"), wish.get("timestamp_offset", 0), wish.get("serial"), kind)
    if api == "v3":
        times = (world.clock.wire(), world.clock.now())
        notice_id = wish.get("id") or str(uuid.uuid4())
        return notices.v3_notice(notice_id, facts, world.merchant, world.keys, seal, times, changes)
    scheme = order.scheme if order and order.api == "v2" else "MD5"
    sign_type, named = wish.get("sign_type", scheme), wish.get("sign_type_field", False)
    key = numbers.text(32) if kind == "other_merchant" else world.merchant.v2_api_key
    return notices.v2_notice(facts, key, sign_type, seal, named, changes)


def _facts(world: World, wish: dict[str, Any], order: Order | None) -> Facts:
    base = notices.facts_of(order) if order else _invented(world, wish.get("out_trade_no") or "SIM" + numbers.text(20))
    plain: dict[str, Any] = {n: v for n, v in wish.get("override", {}).items() if _is_fact(n, v)}
    if "amount" in plain and "payer_total" not in plain:
        plain["payer_total"] = plain["amount"]
    return dataclasses.replace(base, **plain)


def _is_fact(name: str, value: object) -> bool:
    """A neutral name with a value of its type; anything else in its place is laid over the message as it is."""
    kinds: dict[object, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
    return name in _FACTS and type(value) in kinds[_FACTS[name]]


def _invented(world: World, out_trade_no: str) -> Facts:
    now, merchant = world.clock.now(), world.merchant
    return Facts(
        out_trade_no, numbers.transaction_id(now), merchant.appid, merchant.mchid, numbers.openid(), 100, 100, now
    )


def _changes(wish: dict[str, Any]) -> Changes:
    extra = {n: v for n, v in wish.get("override", {}).items() if not _is_fact(n, v)}
    return Changes(extra, wish.get("envelope", {}), tuple(map(str, wish.get("remove", []))))


def _outfitted(notice: Notice, wish: dict[str, Any]) -> Notice:
    headers = {**notice.headers, **wish.get("headers", {})}
    body = wish["body"].encode("utf-8", "surrogatepass") if "body" in wish else notice.body
    return Notice({name: value for name, value in headers.items() if value is not None}, body)


def _fault(wish: dict[str, Any]) -> str:
    """What is not WeChat's about it, for who looks at the exchanges: the signature's kind, or that it was altered."""
    kind = str(wish.get("signature", "genuine"))
    altered = any(wish.get(name) for name in ("override", "envelope", "remove", "headers", "body"))
    return kind if kind != "genuine" else "altered" if altered else ""


async def _send(
    world: World, wish: dict[str, Any], api: str, url: str, notice: Notice, label: Label
) -> list[Judgement]:
    """``times`` sendings, ``parallel`` of them at a time."""
    left, results = wish.get("times", 1), []
    while left > 0:
        together = min(left, wish.get("parallel", 1))
        results += await world.courier.send(api, url, notice, label, together)
        left -= together
    return results
