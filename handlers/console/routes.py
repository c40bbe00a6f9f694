"""Every address of the operations console. ``handlers.routes`` takes this list in where the role is ``ops``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handlers.console import account, actions, approvals, discrepancies, orders, people, reconciliation, today
from handlers.console.base import MissingPage
from handlers.pages import Pictures

STATIC = Path(__file__).parent.parent / "static"
ACCOUNT: list[Any] = [
    (r"/ops/sign-in", account.SignInPage),
    (r"/ops/sign-out", account.SignOutPage),
    (r"/ops/account", account.AccountPage),
    (r"/ops/account/password", people.PasswordPage),
]
ORDER = r"/ops/orders/([0-9A-Z]{8,32})"
NUMBER = r"([0-9]{1,18})"
DAY = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
READING: list[Any] = [
    (r"/ops", today.TodayPage),
    (r"/ops/orders", orders.OrdersPage),
    (r"/ops/orders\.csv", orders.ExportPage),
    (ORDER, orders.OrderPage),
    (r"/ops/reconciliation", reconciliation.DaysPage),
    (rf"/ops/reconciliation/{DAY}", reconciliation.DayPage),
]
ACTIONS: list[Any] = [
    (ORDER + "/query", actions.QueryPage),
    (ORDER + "/close", actions.ClosePage),
    (ORDER + "/refund", actions.RefundPage),
    (ORDER + r"/refunds/([0-9A-Z]{8,32})/to-card", actions.SendBackPage),
    (r"/ops/approvals", approvals.ApprovalsPage),
    (rf"/ops/approvals/{NUMBER}/approve", approvals.ApprovePage),
    (rf"/ops/approvals/{NUMBER}/decline", approvals.DeclinePage),
    (r"/ops/discrepancies", discrepancies.DiscrepanciesPage),
    (rf"/ops/discrepancies/{NUMBER}", discrepancies.DiscrepancyPage),
    (rf"/ops/discrepancies/{NUMBER}/resolve", discrepancies.ResolvePage),
]
OPERATOR = r"/ops/operators/([a-z0-9._-]{2,20})"
PEOPLE: list[Any] = [
    (r"/ops/operators", people.OperatorsPage),
    (OPERATOR, people.OperatorPage),
    (OPERATOR + "/reset", people.ResetPage),
    (OPERATOR + "/disable", people.DisablePage),
    (OPERATOR + "/enable", people.EnablePage),
    (OPERATOR + "/role", people.RolePage),
    (r"/ops/audit", people.AuditPage),
]
CONSOLE: list[Any] = [
    *READING,
    *ACCOUNT,
    *ACTIONS,
    *PEOPLE,
    (r"/ops/static/((?:tokens\.css|ops\.css|icon\.svg))", Pictures, {"path": str(STATIC)}),
    (r"/ops.*", MissingPage),
]
