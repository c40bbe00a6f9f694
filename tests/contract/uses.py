"""What the suite asks of every adapter, and which configurations a test is for."""

from __future__ import annotations

import pytest

from adapters.errors import PaymentError
from tests.contract.conftest import WAYS

V2 = pytest.mark.parametrize("shop", WAYS[:2], ids=lambda way: way.name, indirect=True)
V3 = pytest.mark.parametrize("shop", WAYS[2:], ids=lambda way: way.name, indirect=True)


def query(attempt):
    return lambda adapter: adapter.query(attempt.out_trade_no)


def close(attempt):
    return lambda adapter: adapter.close(attempt.out_trade_no)


def prepay(attempt):
    return lambda adapter: adapter.prepay(adapter.compose(attempt))


def error_of(shop, use):
    with pytest.raises(PaymentError) as caught:
        shop.call(use)
    return caught.value
