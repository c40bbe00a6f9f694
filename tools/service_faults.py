"""Faults of the funnel that ``tools/mutants.py`` plants, as data; of the same form as in ``protocol_faults``: each
takes away one thing that is looked at before money is booked, or one thing that is done with it.

``TESTS`` are the tests that must notice. Nothing here runs anything.
"""

from __future__ import annotations

from tools.protocol_faults import Fault

FILES = {"funnel": "services/payments.py"}
TESTS = ("funnel",)

_PAID_ALREADY = "if order.id in batch.paid:"
_DUPLICATE = 'batch.flag("DUPLICATE", payment.provider_transaction_id, report, f"{order.order_no} is paid already")'
_LATE = 'batch.flag("PAID_LATE", payment.provider_transaction_id, report, f"{order.order_no} was closed; refund it")'
_SCHEME = 'if report.source != "notification" or transaction is None or transaction.scheme == report.scheme:'
_CLOSED = "elif report.status is TradeStatus.CLOSED:"
_ALL_CLOSED = 'if order.state == "CLOSING" and all(row.state == "CLOSED" for row in batch.siblings[order.id]):'
_SIBLING = "if sibling.state in OPEN_STATES:  # an old or newer prepay_id must not take the money twice"
_CONTRADICTION = 'batch.flag("CONTRADICTION", report.out_trade_no, report, "reported closed, but it was paid")'

FAULTS = [
    Fault("funnel", "any amount", '"amount_fen": (transaction.amount_fen, report.amount_fen),', ""),
    Fault("funnel", "any currency", '"currency": (transaction.currency, report.currency),', ""),
    Fault("funnel", "any appid", '"appid": (transaction.appid, report.appid),', ""),
    Fault("funnel", "any merchant", '"mchid": (transaction.mchid, report.mchid),', ""),
    Fault("funnel", "any payer", "if report.openid and report.openid != transaction.openid:", "if False:"),
    Fault("funnel", "any signature", _SCHEME, "if True:"),
    Fault("funnel", "one payment twice", "if known is not None:", "if False:"),
    Fault("funnel", "a second payment as good as the first", _PAID_ALREADY, "if False:"),
    Fault("funnel", "a second payment that nobody hears of", _DUPLICATE, "pass"),
    Fault("funnel", "late money that nobody hears of", _LATE, "pass"),
    Fault("funnel", "late money is in time", 'if order.state == "CLOSED":', "if False:"),
    Fault("funnel", "paid and not fulfilled", "batch.fulfil(order)", "pass"),
    Fault("funnel", "another number stays payable", _SIBLING, "if False:"),
    Fault("funnel", "not paid is closed", _CLOSED, "elif report.status is not TradeStatus.UNSEEN:"),
    Fault("funnel", "one closed number closes the order", _ALL_CLOSED, 'if order.state == "CLOSING":'),
    Fault("funnel", "closed though paid, and nobody hears of it", _CONTRADICTION, "pass"),
]
