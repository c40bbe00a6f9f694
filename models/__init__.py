"""The tables. ``database`` is the one way to them; ``states`` says how a state may move.

Models hold shapes and constraints, never decisions: those are taken in ``services``, the only caller.
"""

from models.access_token import AccessToken
from models.audit_line import AuditHead, AuditLine
from models.bill import Bill, BillLine, FundLine
from models.discrepancy import Discrepancy
from models.heartbeat import JobRun, Refusal
from models.notification import Notification
from models.operator import Operator, OperatorSession, SignInTries
from models.order import Order, OrderItem
from models.outbox import Outbox
from models.payment import Payment
from models.product import Product
from models.refund import Refund
from models.refund_request import RefundRequest
from models.session import Session
from models.shipment import Shipment
from models.state_log import StateLog
from models.transaction import Transaction
from models.user import User

TABLES = [
    AccessToken,
    Bill,
    BillLine,
    FundLine,
    User,
    Session,
    Product,
    Order,
    OrderItem,
    Transaction,
    Payment,
    Refund,
    Shipment,
    Notification,
    StateLog,
    Discrepancy,
    Outbox,
    Operator,
    OperatorSession,
    SignInTries,
    AuditLine,
    AuditHead,
    RefundRequest,
    JobRun,
    Refusal,
]

__all__ = [
    "TABLES",
    "AccessToken",
    "AuditHead",
    "AuditLine",
    "Bill",
    "BillLine",
    "Discrepancy",
    "FundLine",
    "JobRun",
    "Notification",
    "Operator",
    "OperatorSession",
    "Order",
    "OrderItem",
    "Outbox",
    "Payment",
    "Product",
    "Refund",
    "RefundRequest",
    "Refusal",
    "Session",
    "Shipment",
    "SignInTries",
    "StateLog",
    "Transaction",
    "User",
]
