"""Every documented error code of every operation: it has its row, and the adapter makes of it, on a real socket, what
its row says. A code of nobody's is an unknown outcome.

What is documented is read from the pages (``tests.pages``), what it means is written by hand
(``tests.adapters.documented``): a code that is added to a page turns this red until somebody has said what it means.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from adapters.base import CloseResult, PaymentAdapter, Refund
from adapters.errors import NotFound, OutcomeUnknown, PaymentError
from tests import pages
from tests.adapters import documented
from tests.adapters.documented import meanings
from tests.contract.conftest import NO_URL, WAYS, Shop
from tests.contract.test_login import error_of as login_error
from tests.contract.uses import V2, V3

STRANGERS = ("NEVER_SEEN", "SUCCESS", "FAIL", "orderpaid")
ANY_V3 = partial(pages.v3_codes, "## 3.")  # of every v3 call: SIGN_ERROR
ORDERS = partial(pages.v3_codes, "## 16.", after="Orders (create", before="Refunds:")
REFUNDS = partial(pages.v3_codes, "## 16.", after="Refunds:")


@dataclass(frozen=True)
class Operation:
    """``codes`` reads the pages, ``means`` is the hand-written table, ``call`` makes the adapter's call."""

    name: str
    codes: Callable[[], set[Any]]
    means: dict[str, Any]
    call: Callable[[PaymentAdapter, Any], Any]


def prepay(adapter, about):
    return adapter.prepay(adapter.compose(about.attempt))


def refund(adapter, about):
    return adapter.refund(adapter.compose_refund(about.refund))


def query(adapter, about):
    return adapter.query(about.attempt.out_trade_no)


def close(adapter, about):
    return adapter.close(about.attempt.out_trade_no)


def query_refund(adapter, about):
    return adapter.query_refund(about.refund.out_refund_no)


def bill(adapter, about):
    return adapter.download_bill("2024-01-01", "trade", about.folder)


def fund_bill(adapter, about):
    return adapter.download_bill("2024-01-01", "fund", about.folder)


def resolve_abnormal(adapter, about):
    return adapter.resolve_abnormal("50" + about.refund.out_refund_no, about.refund.out_refund_no)


def certificates(adapter, _about):
    return adapter.refresh_keys()


V2_OPERATIONS = [
    Operation("prepay", lambda: pages.v2_codes(4), documented.V2, prepay),
    Operation("query", lambda: pages.v2_codes(6) | pages.v2_codes(4), documented.V2, query),  # "plus ... of section 4"
    Operation("close", lambda: pages.v2_codes(7), documented.V2, close),
    Operation("refund", lambda: pages.v2_codes(8), documented.V2_REFUND, refund),
    Operation("refund_query", lambda: pages.v2_codes(9), documented.V2_REFUND_QUERY, query_refund),
    Operation("bill", pages.v2_bill_texts, documented.V2_BILL, bill),
    Operation("bill", lambda: pages.v2_codes(11), documented.V2_FUND_BILL, fund_bill),
]
V3_OPERATIONS = [
    Operation("prepay", lambda: ANY_V3() | ORDERS() | pages.v3_codes("## 9."), documented.V3, prepay),
    Operation("query", lambda: ANY_V3() | ORDERS(), documented.V3, query),
    Operation("close", lambda: ANY_V3() | ORDERS(), documented.V3, close),
    Operation("refund", lambda: ANY_V3() | REFUNDS(), documented.V3_REFUND, refund),
    Operation(
        "refund_query",
        lambda: ANY_V3() | REFUNDS() | pages.v3_codes("### 13.2"),
        documented.V3_REFUND_QUERY,
        query_refund,
    ),
    Operation("refund_abnormal", lambda: ANY_V3() | REFUNDS(), documented.V3_REFUND, resolve_abnormal),
    Operation("bill", lambda: ANY_V3() | pages.v3_codes("## 14."), documented.V3_BILL, bill),
    Operation("bill", lambda: ANY_V3() | pages.v3_codes("## 14."), documented.V3_BILL, fund_bill),
    Operation("certificates", lambda: ANY_V3() | pages.v3_codes("## 6."), documented.V3, certificates),
]
# Refusals that answer the question: the order is closed already, that day had no trade.
ANSWERS = {
    ("close", "ORDERCLOSED"): CloseResult.ALREADY_CLOSED,
    ("bill", "No Bill Exist"): "an empty bill",
    ("bill", "NO_BILL_EXIST"): "an empty bill",
    ("bill", "NO_STATEMENT_EXIST"): "an empty bill",
}


class About:
    """What is asked about: an unpaid order, and a refund that the gateway has never heard of."""

    def __init__(self, shop: Shop, folder) -> None:
        self.shop = shop
        self.folder = folder
        self.attempt, _ = shop.ordered()
        number = secrets.token_hex(10)
        self.refund = Refund(f"R{number}", f"T{number}", f"42{number}", 40, 100, "CNY", "退", NO_URL)

    def answer(self, operation: Operation, **planned: Any) -> Any:
        """What the adapter makes of the planned error: its class, or the value that it gives."""
        self.shop.fault(operation.name, "error", count=1, **planned)
        try:
            given = self.shop.call(lambda adapter: operation.call(adapter, self))
        except PaymentError as error:
            return type(error)
        return "an empty bill" if operation.name == "bill" and given.count == 0 else given


@pytest.fixture
def about(shop, tmp_path):
    return About(shop, tmp_path)


@pytest.mark.parametrize("operation", V2_OPERATIONS, ids=lambda operation: operation.call.__name__)
@V2
def test_v2_codes(about, operation):
    codes, means = operation.codes(), meanings(operation.means)
    assert codes <= means.keys(), "documented, and nobody has said what it means"
    expected = {code: ANSWERS.get((operation.name, code), means[code]) for code in codes}
    assert {code: about.answer(operation, code=code) for code in codes} == expected
    for code in STRANGERS:
        assert about.answer(operation, code=code) is OutcomeUnknown, code


@pytest.mark.parametrize("operation", V3_OPERATIONS, ids=lambda operation: operation.call.__name__)
@pytest.mark.parametrize("shop", [WAYS[3]], ids=lambda way: way.name, indirect=True)
def test_v3_codes(about, operation):
    codes, means = operation.codes(), meanings(operation.means)
    assert {code for _, code in codes} <= means.keys(), "documented, and nobody has said what it means"
    expected = {row: ANSWERS.get((operation.name, row[1]), means[row[1]][1]) for row in codes}
    assert {row: about.answer(operation, status=row[0], code=row[1]) for row in codes} == expected
    for code in STRANGERS:
        for status in (400, 403, 404, 500):
            assert about.answer(operation, status=status, code=code) is OutcomeUnknown, (status, code)


@V3
def test_without_platform_certificates_only_the_public_key_serves(about):
    """404 RESOURCE_NOT_EXISTS (v3.md 6) is well for who holds the public key, and for nobody else."""
    wanted = None if about.shop.way.public_key else NotFound
    assert about.answer(V3_OPERATIONS[-1], status=404, code="RESOURCE_NOT_EXISTS") is wanted


def test_login_codes(gateway):
    codes, means = pages.login_codes(), meanings(documented.LOGIN)
    assert codes == means.keys()

    def answer(errcode: str) -> type[PaymentError]:
        gateway.put("faults", [{"op": "login", "fault": "error", "code": errcode}])
        return type(login_error(gateway, "any"))

    try:
        assert {code: answer(code) for code in codes} == means
        assert {answer(code) for code in ("99999", "1", "-2")} == {OutcomeUnknown}
    finally:
        gateway.clear_faults()
