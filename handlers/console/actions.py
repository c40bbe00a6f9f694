"""What an operator does to an order: ask WeChat, close, refund. Each is the call that the terminal makes as well."""

from __future__ import annotations

import re
import secrets

from handlers.console.base import Page
from services.console.approvals import BY
from services.errors import Invalid

AMOUNT = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?", re.ASCII)
OURS = re.compile(r"OPS-[0-9a-f]{20}")  # the number that a form carries: sent twice, it is one refund
CLOSED = {"CLOSED": "closed", "CLOSING": "closing", "PAID": "paid", "PAID_LATE": "paid"}  # state -> what is said


class OrderAction(Page):
    needs = "operator"

    @property
    def back(self) -> str:
        return f"/ops/orders/{self.path_args[0]}"


class QueryPage(OrderAction):
    does = "query"

    async def act(self, *path: str) -> None:
        (order_no,) = path
        await self.witnessed(self.doing(order_no), lambda: self.services.asking.ask_order(order_no))
        self.go(self.back, "asked")


class ClosePage(OrderAction):
    does = "close"

    async def act(self, *path: str) -> None:
        (order_no,) = path
        close = self.services.closing.close_by_number
        state = await self.witnessed(self.doing(order_no), lambda: close(order_no, BY + self.by.operator))
        self.go(self.back, CLOSED[state])


class RefundPage(OrderAction):
    does = "refund"
    fresh = True

    async def show(self, *path: str) -> None:
        refundable = await self.services.approvals.refundable(path[0])
        limit = self.services.approvals.limit_fen
        self.show_page("refund.html", order=refundable, limit_fen=limit, refund_no=f"OPS-{secrets.token_hex(10)}")

    async def act(self, *path: str) -> None:
        (order_no,) = path
        fen, reason, refund_no = fen_of(self.field("amount", 12)), self.field("reason", 80), self.field("refund_no", 24)
        if not OURS.fullmatch(refund_no):
            raise Invalid("invalid_field", field="refund_no", reason="string_pattern_mismatch", pattern=OURS.pattern)
        refund = self.services.approvals.refund
        act = self.doing(order_no, f"{fen} fen: {reason}")
        said = await self.witnessed(act, lambda: refund(self.by.operator, order_no, fen, reason, refund_no))
        self.go("/ops/approvals" if said == "requested" else self.back, said)


class SendBackPage(OrderAction):
    """An ABNORMAL refund: its money to the merchant's own bank card."""

    does = "refund to card"
    fresh = True

    async def act(self, *path: str) -> None:
        order_no, number = path
        resolve = self.services.refunds.resolve_abnormal
        await self.witnessed(self.doing(order_no, number), lambda: resolve(order_no, number, BY + self.by.operator))
        self.go(self.back, "to_card")


def fen_of(amount: str) -> int:
    """Whole fen of an amount in yuan as people write it: 12, 12.3, 12.34. Raises Invalid."""
    found = AMOUNT.fullmatch(amount.removeprefix("¥").replace(",", ""))
    fen = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    if fen <= 0:
        raise Invalid("invalid_field", field="amount", reason="amount_form")
    return fen
