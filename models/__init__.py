"""The tables. ``database`` is the one way to them; ``states`` says how a state may move.

Models hold shapes and constraints, never decisions: those are taken in ``services``, the only caller.
"""

from models.access_token import AccessToken
from models.bill import Bill, BillLine, FundLine
from models.discrepancy import Discrepancy
from models.notification import Notification
from models.order import Order, OrderItem
from models.outbox import Outbox
from models.payment import Payment
from models.product import Product
from models.refund import Refund
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
]

__all__ = [
    "TABLES",
    "AccessToken",
    "Bill",
    "BillLine",
    "Discrepancy",
    "FundLine",
    "Notification",
    "Order",
    "OrderItem",
    "Outbox",
    "Payment",
    "Product",
    "Refund",
    "Session",
    "Shipment",
    "StateLog",
    "Transaction",
    "User",
]
