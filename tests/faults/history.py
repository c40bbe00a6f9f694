"""Random histories as text, one line a step: to be read, to be kept in a file, to be cut down to what matters.

    open v3 30 refund       new payments through API v3, unpaid orders expire after 30 minutes, late money goes back
    order latte 2           somebody orders two
    pay -1                  ... asks for payment parameters for the newest order
    cashier -1 1 ok         ... and pays with the newest but one that was ever handed out for it
    refund 0 60 a           the merchant gives back 60 % of the first order under its own number "a"
    fault v3.refund drop_reply_after_commit 2 1
    close 0 & pay 0         two steps at once
    leap 1801               both clocks move on
    job refund              one pass of a job

``histories`` is what hypothesis draws from, and how it makes a failing one small. What a step does is in ``play``.
Nothing here knows a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product
from typing import TypeVar

from hypothesis import strategies as st

History = tuple[str, ...]
T = TypeVar("T")

LONGEST = int(os.environ.get("LONGEST", "50"))  # steps
# One for each run of histories, in turn: a server is started for it.
OPENINGS = tuple(
    f"open {api} {minutes} {late}"
    for minutes, late in ((30, "refund"), (1, "keep"), (300, "keep"), (6, "refund"))
    for api in ("v2", "v3")
)

WHICH = "-1|-1|-1|0|1|2"  # orders, as an index
_COUNT = "1|2|2|4|8|0"  # 0: always
_ANSWERS = (
    "drop_before|drop_reply_after_commit|reset_before|reset|http_500_before|http_500_after|system_error|"
    "system_error_after|frequency_limited|html|empty|truncate|tamper|unsigned|bad_signature|redirect|delay"
)
_NOTICES = "drop|drop|late|late|duplicate|delay|tamper|unsigned|bad_signature|signtest|stale|wrong_serial"
# Refusals that WeChat gives, having done nothing. (That a number does not exist it says only when that is so.)
_REFUSALS = {
    "prepay": "PARAM_ERROR|NOAUTH|A_CODE_OF_TOMORROW|ORDERPAID",
    "query": "A_CODE_OF_TOMORROW|PARAM_ERROR",
    "close": "ORDERPAID|A_CODE_OF_TOMORROW",
    "refund": "PARAM_ERROR|A_CODE_OF_TOMORROW|NOTENOUGH|USER_ACCOUNT_ABNORMAL",
    "refund_query": "A_CODE_OF_TOMORROW|PARAM_ERROR",
}

REFUND = "100|60|50|30|1 -|-|-|-|a|a|b|c"  # percent, and the merchant's own number

# How often, and what: every way to choose one of the words between the bars. The simplest first.
STEPS: tuple[tuple[int, str], ...] = (
    (3, "order latte|americano|milk-tea 1|2|3"),
    (7, f"pay {WHICH}"),
    (8, f"cashier {WHICH} 0|0|0|0|1|2 ok|ok|ok|lost|paying|cancel|fail"),
    (1, f"impossible {WHICH}"),
    (4, f"sync {WHICH}"),
    (3, f"close {WHICH}"),
    (10, f"refund {WHICH} {REFUND}"),
    (2, f"console {WHICH} 100|40|10"),
    (2, "outcome SUCCESS|CLOSED|ABNORMAL"),
    (1, "balance enough|enough|1000|0"),
    (3, f"again {WHICH} 1|2|5"),
    (2, f"refund_again {WHICH} 1|3"),
    (1, f"elsewhere {WHICH}"),
    (4, "calm"),
    (8, "leap 1|4|16|61|121|301|1000|1801|3601|7201"),
    (2, "skew 0|200|-200|290|-290|400|-400"),
    (14, "job ask|close|refund|hint|inbox|keys|money"),
    (1, "keys as_ordered|certificate|alternate|public_key"),
    (4, f"fault notify.*|v*|refund {_NOTICES} {_COUNT} 0"),
    (5, f"fault v2|v3|*.prepay|query|close|refund|refund_query {_ANSWERS} {_COUNT} 0|0|1"),
    (1, f"fault v3.prepay|query|close|refund|refund_query signtest|stale|wrong_serial {_COUNT} 0|0|1"),
    (1, f"fault v2|v3|*.query|refund_query stale_query {_COUNT} 0|0|1"),
    (1, f"fault v2|v3|*.query userpaying {_COUNT} 0|0|1"),
    (1, f"fault v2.prepay|query|close|refund|refund_query communication_error {_COUNT} 0|0|1"),
    (1, f"fault v2|v3|*.refund refund_abnormal|refund_closed {_COUNT} 0|0|1"),
    *((1, f"fault v2|v3|*.{operation} error {_COUNT} 0|0|1 {codes}") for operation, codes in _REFUSALS.items()),
)
# By themselves and seldom: nobody is served by a server that is stopped, and keys take as long to make as a history.
SELDOM = ("restart v2", "restart v3", "rotate")
# What buyers mostly do. More of it than chance alone would make, so that there is money to get wrong.
SALE = ("order latte|americano|milk-tea 1|2|3", "pay -1", "cashier -1 0 ok|ok|ok|lost|paying")
RETURN = (f"refund -1 {REFUND}", f"refund -1 {REFUND}")
# Three things at the same moment, the first of them slow or not answered.
HASTE = (
    SALE[0],
    "fault v2|v3|*.prepay drop_before|http_500_before|delay 1 0",
    "pay -1 & close -1 & sync -1",
    "cashier -1 0 ok",
)
# What WeChat never does: it takes money for an order that was closed, and twice for one whose first number was closed.
LATE = (*SALE[:2], "leap 301", "close -1", "impossible -1")
TWICE = (*SALE[:2], "leap 301", "elsewhere -1", "sync -1", "pay -1", "cashier -1 0 ok|cancel", "impossible -1")


@st.composite
def histories(draw: st.DrawFn, opening: str) -> History:
    """Up to fifty steps after ``opening``. Half of the places stay empty, so that hypothesis can leave any step out."""
    steps = [opening]
    for _ in range(LONGEST):
        steps += draw(draw(_PLACE))
    return tuple(steps[: LONGEST + 1])


def _lines(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from([" ".join(line) for line in product(*map(_choices, words.split()))])


def _choices(word: str) -> Iterable[str]:
    """``v2|v3.prepay|query``: each side of the dot has its own."""
    return (".".join(sides) for sides in product(*(side.split("|") for side in word.split("."))))


def _weighted(parts: Iterable[tuple[int, T]]) -> st.SearchStrategy[T]:
    """By its place: hypothesis looks at each of many when one that it has drawn is itself a strategy."""
    each = [part for weight, part in parts for _ in range(weight)]
    return st.sampled_from(range(len(each))).map(each.__getitem__)


_STEP = _weighted((weight, _lines(words)) for weight, words in STEPS).flatmap(lambda lines: lines)
_PLACE = _weighted(
    (
        (250, st.just(())),
        (198, st.tuples(_STEP)),
        (25, st.tuples(_STEP, _STEP).map(lambda two: (" & ".join(two),))),
        (16, st.tuples(*map(_lines, SALE))),
        (8, st.tuples(*map(_lines, SALE + RETURN))),
        (2, st.tuples(*map(_lines, HASTE))),
        (2, st.tuples(*map(_lines, LATE))),
        (2, st.tuples(*map(_lines, TWICE))),
        (1, st.tuples(st.sampled_from(SELDOM))),
    )
)
