"""The fault plan: what goes wrong, where, how often. ``PUT /_sim/faults`` sets it, ``DELETE`` clears it.

A plan is ``{"seed": 1, "rules": [rule, ...]}``, or the list of rules alone. A rule:

    op           where: a shell pattern over ``OPERATIONS`` ("v3.*", "*.prepay", "*.refund", "notify*");
                 notify.v2 and notify.v3 are of payments, notify.refund is of refunds, in either form
    fault        what, one of the tables below
    count        how many times it strikes; without it, always
    skip         how many times it first lets pass
    probability  0 to 1, drawn from the plan's seeded source, so that a seed reproduces a run
    seconds      for ``delay``: real seconds; for ``late``: virtual ones
    field        for ``tamper``: which value to change (an XML element or a JSON key, the first of that name)
    value        for ``tamper``: what it becomes; without it the value's first character changes
    location     for ``redirect``
    status, code for ``error``: v3's HTTP status, and the code of either generation
    bytes        for ``huge_body``: how many are added
    times        for ``duplicate``: how many copies are sent at once

Faults of answers (WeChat to merchant):

    delay                    the work is done at once, the answer waits
    drop_before              the connection closes, nothing was done
    drop_reply_after_commit  the work is done, the connection closes without an answer
    reset_before, reset      the same two, by RST instead of FIN
    http_500_before          a proxy's HTML page, status 500, nothing was done
    http_500_after           the same, but the work is done
    system_error             WeChat's own: v2 an unsigned SYSTEMERROR, v3 500 SYSTEM_ERROR, else -1; nothing was done
    system_error_after       the same, but the work is done
    frequency_limited        v2 FREQUENCY_LIMITED, v3 429, else 45011; nothing was done
    error                    a business refusal with ``code``: every row of the pages' error tables, NOTENOUGH as well.
                             v2 signed, of a trade bill its return_msg; v3 with ``status``, signed if that is a 2xx, as
                             in 202 USERPAYING; else the errcode, -1 if it is no number. Nothing was done
    communication_error      v2: return_code FAIL with ``code`` as its text, unsigned; nothing was done
    stale_query, userpaying  of queries of orders, the first of refunds too: not the truth; see ``pretence``
    refund_abnormal, refund_closed   of refund calls: accepted, and the refund will come to this
    html, empty              status 200 with a web page, or with nothing; nothing was done
    truncate                 the work is done, the answer stops half way
    huge_body                the work is done, the answer is padded to many megabytes
    redirect                 302 to ``location``; nothing was done
    tamper                   a value is changed after signing
    unsigned, bad_signature, forged   the work is done, the answer's signature is missing, wrong, or made with a key
                             that is not WeChat's
    signtest, stale, wrong_serial   v3: a probe, a timestamp 301 s old (truly signed), an unknown serial

Faults of notifications:

    drop                     never leaves; the schedule goes on
    late                     not before so many virtual seconds
    out_of_order             not before another notification was sent
    duplicate                several copies at once
    delay, tamper, unsigned, bad_signature, forged, signtest, stale, wrong_serial   as of answers

A rule strikes only where its fault means something: ``{"op": "*", "fault": "duplicate"}`` leaves answers alone.

To add a fault: name it here, and act on it in ``spoiling`` or ``door`` (answers) or ``courier`` (notifications).
This module only decides whether a rule strikes; it must not touch a message.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from simulator import pretence
from simulator.wire import GENUINE, Seal
from simulator.wishes import WishRefused

_SEALS = {
    "unsigned": Seal("missing"),
    "bad_signature": Seal("broken"),
    "forged": Seal("forged"),
    "signtest": Seal("signtest"),
    "stale": Seal(offset=-301),
    "wrong_serial": Seal(serial="5A" * 20),
}
_REFUSED = frozenset({"system_error", "frequency_limited", "error", "communication_error"})
NOT_DONE = _REFUSED | {"drop_before", "reset_before", "http_500_before", "html", "empty", "redirect"}
REFUND_OUTCOMES = {"refund_abnormal": "ABNORMAL", "refund_closed": "CLOSED"}
_DONE = frozenset({"drop_reply_after_commit", "reset", "http_500_after", "system_error_after", "truncate", "huge_body"})
_ANYWHERE = frozenset({"delay", "tamper"}) | _SEALS.keys()
_NOTIFY = frozenset({"drop", "late", "out_of_order", "duplicate"})
FAULTS = NOT_DONE | _DONE | _ANYWHERE | _NOTIFY | REFUND_OUTCOMES.keys() | pretence.FAULTS
_ONLY = {
    "communication_error": "v2.*", "stale_query": "v?.*query", "userpaying": "v?.query", "refund_abnormal": "v?.refund",
    "refund_closed": "v?.refund",
}  # fmt: skip
OPERATIONS = (
    "login", "token", "ship", "ship_query",
    "v2.prepay", "v2.query", "v2.close", "v2.refund", "v2.refund_query", "v2.bill", "v3.prepay", "v3.query",
    "v3.close", "v3.certificates", "v3.refund", "v3.refund_query", "v3.refund_abnormal", "v3.bill", "v3.bill_file",
    "notify.v2", "notify.v3", "notify.refund",
)  # fmt: skip


@dataclass
class Rule:
    op: str
    fault: str
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    seconds: float = 1.0
    field: str = ""
    value: str | None = None
    location: str = "http://127.0.0.1:9/"
    bytes: int = 8_000_000
    times: int = 2
    status: int = 400
    code: str = "PARAM_ERROR"
    struck: int = 0

    @property
    def seal(self) -> Seal:
        return _SEALS.get(self.fault, GENUINE)

    def matches(self, op: str) -> bool:
        return fnmatchcase(op, self.op) and _concerns(self.fault, op)


@dataclass
class Faults:
    """The plan in force. ``pick`` consumes it."""

    rules: list[Rule] = field(default_factory=list)
    seed: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(0), repr=False)  # noqa: S311 reproducible, not secret

    def pick(self, op: str) -> Rule | None:
        """The first rule that strikes this operation now, counted as struck; or None."""
        for rule in self.rules:
            if not rule.matches(op) or rule.count == 0:
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            rule.struck += 1
            rule.count = rule.count - 1 if rule.count is not None else None
            return rule
        return None

    def replace(self, plan: object) -> None:
        """Take a new plan; raises ``WishRefused`` and keeps the old one if it is not sound."""
        if isinstance(plan, list):
            plan = {"rules": plan}
        if (
            not isinstance(plan, dict)
            or not plan.keys() <= {"seed", "rules"}
            or not isinstance(plan.get("rules"), list)
        ):
            raise WishRefused('a plan is {"seed": 1, "rules": [...]} or a list of rules')
        seed = plan.get("seed", 0)
        if type(seed) is not int:
            raise WishRefused("seed must be an integer")
        self.rules = [_rule(index, rule) for index, rule in enumerate(plan["rules"])]
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 reproducible, not secret

    def clear(self) -> None:
        self.replace([])

    def published(self) -> dict[str, object]:
        return {"seed": self.seed, "rules": [vars(rule) for rule in self.rules]}


_TYPES: dict[str, tuple[type, ...]] = {
    "op": (str,), "fault": (str,), "count": (int, type(None)), "skip": (int,), "probability": (int, float),
    "seconds": (int, float), "field": (str,), "value": (str, type(None)), "location": (str,), "bytes": (int,),
    "times": (int,), "status": (int,), "code": (str,),
}  # fmt: skip


def _rule(index: int, values: Any) -> Rule:
    if not isinstance(values, dict):
        raise WishRefused(f"rule {index} is not an object")
    for name, value in values.items():
        if name not in _TYPES or type(value) not in _TYPES[name]:
            raise WishRefused(f"rule {index}: {name!a} is unknown or of the wrong type")
        if isinstance(value, int | float) and not 0 <= value <= 100_000_000:
            raise WishRefused(f"rule {index}: {name} is out of range")
    if values.get("fault") not in FAULTS:
        raise WishRefused(f"rule {index}: fault must be one of {', '.join(sorted(FAULTS))}")
    concerned = [op for op in OPERATIONS if _concerns(values["fault"], op)]
    if not any(fnmatchcase(op, str(values.get("op"))) for op in concerned):
        raise WishRefused(f"rule {index}: op must match one of {', '.join(concerned)}")
    if not 200 <= values.get("status", 400) <= 599 or not re.fullmatch(
        r"-?[0-9A-Za-z_ ]{1,64}", str(values.get("code", "X"))
    ):
        raise WishRefused(f"rule {index}: status is 200 to 599, code a word in ASCII")
    if not re.fullmatch(r"[!-~]*", str(values.get("location", ""))):
        raise WishRefused(f"rule {index}: location must be an ASCII address")
    return Rule(**values)


def _concerns(fault: str, op: str) -> bool:
    """Does this fault mean anything there?"""
    if op.startswith("notify"):
        return fault in _ANYWHERE | _NOTIFY
    return fault not in _NOTIFY and fnmatchcase(op, _ONLY.get(fault, "*"))


def tampered(body: bytes, rule: Rule) -> bytes:
    """The body with one value changed: the element or key ``rule.field``, or the first digit found without one."""
    if body.startswith(b"\x1f\x8b"):  # packed: a byte in the middle
        return body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
    text = body.decode("utf-8")
    if not rule.field:
        return re.sub(r"[0-9]", lambda m: str((int(m[0]) + 1) % 10), text, count=1).encode("utf-8")
    name = re.escape(rule.field)
    pattern = rf"(<{name}>(?:<!\[CDATA\[)?|\"{name}\":\"?)([^<\]\",}}]+)"
    return re.sub(pattern, lambda m: m[1] + _changed(m[2], rule.value), text, count=1).encode("utf-8")


def _changed(old: str, new: str | None) -> str:
    return new if new is not None else ("2" if old[0] == "1" else "1") + old[1:]
