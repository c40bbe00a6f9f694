"""Random histories as text, one line a step: to be read, to be kept in a file, to be cut down to what matters.

    open v3 30          new payments through API v3, unpaid orders expire after 30 minutes
    order latte 2       somebody orders two
    pay 0               ... asks for payment parameters for the first order
    cashier 0 1 ok      ... and pays with the newest but one that was ever handed out for it
    refund 0 60 a       the merchant gives back 60 % under its own number "a"
    fault v3.refund drop_reply_after_commit 2 1
    close 0 & pay 0     two steps at once
    leap 1801           both clocks move on
    job refund          one pass of a job

``generate`` makes one from a seed, ``shrink`` makes a failing one small. What a step does is in ``play``. Nothing here
knows a server.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

History = tuple[str, ...]

ANSWERS = (
    "drop_before", "drop_reply_after_commit", "http_500_before", "http_500_after", "system_error", "frequency_limited",
    "html", "empty", "truncate", "tamper", "unsigned", "bad_signature", "redirect", "delay",
)  # fmt: skip
ANSWERS_V3 = ("signtest", "stale", "wrong_serial")
NOTICES = (
    "drop",
    "drop",
    "duplicate",
    "delay",
    "tamper",
    "unsigned",
    "bad_signature",
    "signtest",
    "stale",
    "wrong_serial",
)
# Refusals that WeChat gives, having done nothing. (That a number does not exist it says only when that is so.)
REFUSALS = {
    "prepay": ("PARAM_ERROR", "NOAUTH", "A_CODE_OF_TOMORROW", "ORDERPAID"),
    "query": ("A_CODE_OF_TOMORROW", "PARAM_ERROR"),
    "close": ("USERPAYING", "ORDERPAID", "A_CODE_OF_TOMORROW"),
    "refund": ("PARAM_ERROR", "A_CODE_OF_TOMORROW", "NOTENOUGH", "USER_ACCOUNT_ABNORMAL"),
    "refund_query": ("A_CODE_OF_TOMORROW", "PARAM_ERROR"),
}
OPERATIONS = ("prepay", "query", "close", "refund", "refund_query")
JOBS = ("ask", "close", "refund", "hint", "inbox")
LEAPS = (1, 4, 16, 61, 121, 301, 1000, 1801, 3601, 7201)
MOST_TIME = 12 * 3600  # of a history: WeChat gives a notification up after 24 hours
PRODUCTS = ("latte", "americano", "milk-tea")


def generate(seed: int) -> History:
    """The same seed gives the same history, on any machine."""
    dice = random.Random(seed)
    writer = _Writer(dice)
    steps = [f"open {writer.api} {dice.choice((1, 6, 30, 30, 300))}", writer.order()]
    for _ in range(dice.randint(6, 40)):
        step = writer.step()
        if dice.random() < 0.12:
            step = f"{step} & {writer.step()}"
        steps += step.split(" & ") if "restart" in step else [step]  # nobody is served by a server that is stopped
    return tuple(steps)


class _Writer:
    """Writes steps. Knows how many orders there are and how much time has passed, so that few steps are idle."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.api = dice.choice(("v2", "v3"))
        self._orders = 0
        self._time = 0
        self._likely = ""  # what somebody would do next
        self._kinds: tuple[tuple[int, Callable[[], str]], ...] = (
            (3, self.order),
            (6, lambda: self._pay(self._which())),
            (8, lambda: self._cashier(self._which())),
            (4, lambda: f"sync {self._which()}"),
            (3, lambda: f"close {self._which()}"),
            (7, lambda: self._refund(self._which())),
            (2, lambda: f"console {self._which()} {self._pick(10, 40, 100)}"),
            (2, lambda: f"outcome {self._pick('ABNORMAL', 'CLOSED', 'SUCCESS')}"),
            (1, lambda: f"balance {self._pick(0, 1000, 'enough', 'enough')}"),
            (3, lambda: f"again {self._which()} {self._pick(1, 2, 5)}"),
            (2, lambda: f"refund_again {self._which()} {self._pick(1, 3)}"),
            (1, lambda: f"elsewhere {self._which()}"),
            (12, self._fault),
            (4, lambda: "calm"),
            (9, self._leap),
            (2, lambda: f"skew {self._pick(0, 0, 200, -200, 290, -290, 400, -400)}"),
            (12, lambda: f"job {self._pick(*JOBS)}"),
            (1, lambda: f"restart {self._pick('v2', 'v3')}"),
        )

    def step(self) -> str:
        likely, self._likely = self._likely, ""
        if likely.startswith("pay") and self._dice.random() < 0.7:
            return self._pay(int(likely.split()[1]))
        if likely.startswith("cashier") and self._dice.random() < 0.6:
            return self._cashier(int(likely.split()[1]))
        if likely.startswith("refund") and self._dice.random() < 0.4:
            return self._refund(int(likely.split()[1]))
        return self._dice.choices([make for _, make in self._kinds], [weight for weight, _ in self._kinds])[0]()

    def order(self) -> str:
        self._likely = f"pay {self._orders}"
        self._orders += 1
        return f"order {self._pick(*PRODUCTS)} {self._dice.randint(1, 3)}"

    def _pay(self, which: int) -> str:
        self._likely = f"cashier {which}"
        return f"pay {which}"

    def _cashier(self, which: int) -> str:
        outcome = self._pick("ok", "ok", "ok", "lost", "cancel", "fail")
        self._likely = f"refund {which}" if outcome in ("ok", "lost") else f"cashier {which}"
        return f"cashier {which} {self._pick(0, 0, 0, 0, 1, 2)} {outcome}"

    def _refund(self, which: int) -> str:
        self._likely = f"refund {which}"
        return f"refund {which} {self._pick(1, 30, 50, 60, 100, 100)} {self._pick(*'aabc-----')}"

    def _which(self) -> int:
        return self._dice.randrange(max(1, self._orders))

    def _pick(self, *choices: object) -> object:
        return self._dice.choice(choices)

    def _leap(self) -> str:
        seconds = min(self._dice.choice(LEAPS), MOST_TIME - self._time)
        self._time += seconds
        return f"leap {seconds}"

    def _fault(self) -> str:
        """``fault <where> <what> <how often, 0: always> <skipping so many> [code]``"""
        count = self._pick(1, 2, 2, 4, 8, 0)
        if self._dice.random() < 0.35:
            return f"fault {self._pick('notify*', 'notify.v*', 'notify.refund')} {self._pick(*NOTICES)} {count} 0"
        operation, skip = self._pick(*OPERATIONS), self._pick(0, 0, 1)
        generation = self._pick(self.api, self.api, "v2", "v3", "*")
        special = self._dice.random()
        if special < 0.15:
            return f"fault {generation}.{operation} error {count} {skip} {self._pick(*REFUSALS[str(operation)])}"
        if operation == "refund" and special < 0.4:
            return f"fault {generation}.refund {self._pick('refund_abnormal', 'refund_closed')} {count} {skip}"
        faults = ANSWERS + ANSWERS_V3 if generation == "v3" else ANSWERS
        return f"fault {generation}.{operation} {self._pick(*faults)} {count} {skip}"


async def shrink(history: History, still_fails: Callable[[History], Awaitable[bool]], most: int = 60) -> History:
    """A shorter history that fails too: pieces are left out, large ones first, while it goes on failing."""
    tries, size = 0, max(1, len(history) // 2)
    while True:
        start = len(history) - size
        while start >= 1 and tries < most:  # the first line, "open", stays
            shorter = history[:start] + history[start + size :]
            tries += 1
            if await still_fails(shorter):
                history = shorter
            start -= size
        if size == 1 or tries >= most:
            return history
        size //= 2
