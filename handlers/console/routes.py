"""Every address of the operations console. ``handlers.routes`` takes this list in where the role is ``ops``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handlers.console import account
from handlers.console.base import MissingPage
from handlers.pages import Pictures

STATIC = Path(__file__).parent.parent / "static"
ACCOUNT: list[Any] = [
    (r"/ops/sign-in", account.SignInPage),
    (r"/ops/sign-out", account.SignOutPage),
    (r"/ops/account", account.AccountPage),
]
READING: list[Any] = []  # today, orders, one order's story, reconciliation
CONSOLE: list[Any] = [
    *READING,
    *ACCOUNT,
    (r"/ops/static/((?:ops\.css|icon\.svg))", Pictures, {"path": str(STATIC)}),
    (r"/ops.*", MissingPage),
]
