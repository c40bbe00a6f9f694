"""Builds the parts and puts them together: the only place where adapters, tables, services and doors meet."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import tornado.web

from adapters.base import Adapters, PaymentAdapter
from adapters.errors import PaymentError
from adapters.miniprogram import MiniProgram, MiniProgramConfig
from adapters.registry import build as build_adapter
from adapters.shipping import WeixinShipping
from adapters.transport import Transport
from adapters.vault import PHONE, Vault
from adapters.wechat_v2.config import WechatV2Config
from adapters.wechat_v3.config import WechatV3Config
from handlers.limits import Limits
from handlers.routes import Demo, make_app
from models.database import Database
from models.engine import DatabaseRefused, DatabaseUnavailable
from services.access_tokens import AccessTokens
from services.asking import Asking
from services.attempts import Sold
from services.bills import Bills
from services.bundle import Services
from services.catalogue import Catalogue
from services.checkout import Checkout
from services.closing import Closing
from services.console.approvals import Approvals
from services.console.audit import Audit
from services.console.chain import Chain
from services.console.flags import Flags
from services.console.operators import Operators
from services.console.passwords import Passwords
from services.console.reading import Reading
from services.console.signin import SignIn
from services.heartbeat import Heartbeat
from services.login import Login
from services.notifications import Notifications
from services.orders import Orders
from services.ports import Clock, Token, system_clock, system_token
from services.reconciliation import Reconciliation
from services.refunds import Refunds
from services.resolving import Resolving
from services.shipping import Shipping
from services.watch import Watch
from settings import Merchant, Settings, SettingsError
from settings.merchant import simulated_merchant

ROOT = Path(__file__).parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
ADAPTER = {"v2": "wechat_v2", "v3": "wechat_v3"}  # WECHAT_PAY_API -> the adapter of new payments

logger = logging.getLogger("pay.start")


@dataclass(frozen=True, slots=True)
class Program:
    """One process's parts. ``close`` in the order in which they depend on each other."""

    settings: Settings
    merchant: Merchant  # held as long as the program: the simulator's key files go with it
    services: Services
    transport: Transport
    schemes: Adapters  # each way to make a payment, by the name that the demo page gives it

    def app(self) -> tornado.web.Application:
        settings = self.settings
        pictures = ROOT / settings.catalogue_dir / "pictures"
        return make_app(
            self.services,
            public_url=settings.public_url,
            pictures=pictures,
            version=VERSION,
            merchant_api_key=settings.merchant_api_key.get_secret_value(),
            demo=self._demo() if settings.simulator_mode else None,
            limits=Limits(settings.rates, self.services.now),
            trusted_proxies=settings.proxies,
            plays=settings.plays,
        )

    def _demo(self) -> Demo:
        return Demo(self.settings.simulator_url, _scheme(self.settings), self.schemes, ROOT / "miniprogram")

    async def close(self) -> None:
        await self.services.watch.close()
        await self.services.notifications.drain()
        with contextlib.suppress(DatabaseUnavailable):
            await self.services.heartbeat.beat()
        await self.services.database.drain()
        self.transport.close()
        await asyncio.get_running_loop().run_in_executor(None, self.services.database.close)


def build(
    settings: Settings,
    merchant: Merchant,
    transport: Transport,
    *,
    now: Clock = system_clock,
    token: Token = system_token,
    passwords: Passwords | None = None,
    phones_now: Clock | None = None,
) -> Program:
    """The program on these settings. Opens no connection. Raises ConfigError if a key cannot be used.

    ``passwords`` and ``phones_now``, the clock of the console's sessions and codes: for tests, which are in a hurry.
    """
    database = Database(settings.database_url.get_secret_value())
    adapters = _adapters(merchant, transport, now, token)
    mini_program = MiniProgramConfig(merchant.appid, merchant.app_secret, merchant.api_url)
    carrier = WeixinShipping(mini_program, transport)
    asking = Asking(database, adapters, now, token)
    sold = Sold(settings.shop_name, settings.public_url.rstrip("/"))
    refunds = Refunds(database, adapters, sold.notify_base, settings.late_payment, now, token)
    default = ADAPTER[settings.wechat_pay_api]
    bills = Bills(adapters, default, now)
    phones, passwords = Vault(merchant.app_secret.get_secret_value(), PHONE), passwords or Passwords()
    chain = Chain(database, now)
    watch = Watch(database, chain, now)
    services = Services(
        database=database,
        adapters=adapters,
        login=Login(database, MiniProgram(mini_program, transport), now, token),
        catalogue=Catalogue(database),
        orders=Orders(database, now, token, settings.order_expires_minutes * 60, settings.limit_open_orders),
        checkout=Checkout(database, adapters, default, asking, sold, now),
        asking=asking,
        closing=Closing(database, adapters, asking, now, token),
        notifications=Notifications(database, adapters, now),
        refunds=refunds,
        bills=bills,
        reconciliation=Reconciliation(database, bills, asking, refunds, now),
        resolving=Resolving(database, adapters, now),
        watch=watch,
        shipping=Shipping(database, carrier, AccessTokens(database, carrier, now), settings.shipping_within_hours, now),
        operators=Operators(database, phones, passwords, now, token),
        signin=SignIn(database, phones, passwords, phones_now or now, token),
        approvals=Approvals(database, refunds, settings.ops_refund_limit_fen, now),
        audit=Audit(database, now),
        chain=chain,
        flags=Flags(database),
        heartbeat=Heartbeat(database, now),
        reading=Reading(database, adapters, watch, now),
        now=now,
        skew=partial(transport.skew, merchant.pay_url),
    )
    schemes = _schemes(merchant, transport, now, token) if settings.simulator_mode else {}
    return Program(settings, merchant, services, transport, schemes)


def _adapters(merchant: Merchant, transport: Transport, now: Clock, token: Token) -> Adapters:
    """Both generations if both have keys: what was begun through one is finished through it."""
    configs: dict[str, WechatV2Config | WechatV3Config] = {}
    who = (merchant.appid, merchant.mchid)
    if v2 := merchant.v2:
        refunds = (v2.cert_file, v2.key_file, v2.secapi_url, v2.ca_file)
        configs["wechat_v2"] = WechatV2Config(
            *who, v2.api_key, v2.sign_type, merchant.pay_url, *refunds, other_api_key=v2.other_api_key
        )
    if v3 := merchant.v3:
        public = (v3.public_key or None, v3.public_key_id or None)
        configs["wechat_v3"] = WechatV3Config(
            *who, v3.api_key, v3.serial_no, v3.private_key, *public, merchant.pay_url, other_api_key=v3.other_api_key
        )

    def nonce() -> str:
        return token(16).hex()

    return {name: build_adapter(name, config, transport, now=now, nonce=nonce) for name, config in configs.items()}


def _schemes(merchant: Merchant, transport: Transport, now: Clock, token: Token) -> Adapters:
    """Every way in which the simulator's merchant can make a payment, by the name of its signature."""
    made: dict[str, PaymentAdapter] = {}
    for sign_type in ("HMAC-SHA256", "MD5"):
        v2 = replace(merchant.v2, sign_type=sign_type) if merchant.v2 else None
        adapters = _adapters(replace(merchant, v2=v2), transport, now, token)
        made |= {"RSA": adapters["wechat_v3"], sign_type: adapters["wechat_v2"]}
    return made


def _scheme(settings: Settings) -> str:
    return "RSA" if settings.wechat_pay_api == "v3" else settings.wechat_v2_sign_type


async def find_merchant(
    settings: Settings, merchant: Merchant | None, transport: Transport, *, patience: float = 10
) -> Merchant:
    """The merchant of the settings or, in simulator mode, the simulator's. Waits ``patience`` seconds for it."""
    if merchant is not None:
        return merchant
    url = settings.simulator_url.rstrip("/") + "/_sim/merchant"
    until = time.monotonic() + patience
    while True:
        try:
            answer = await transport.request("GET", url, headers={}, body=None)
            return simulated_merchant(settings, json.loads(answer.body))
        except (PaymentError, ValueError, KeyError, TypeError):
            if time.monotonic() > until:
                raise SettingsError([_no_merchant(settings)]) from None
            await asyncio.sleep(0.1)


def _no_merchant(settings: Settings) -> str:
    return (
        f"no merchant is configured, and no simulator answers at {settings.simulator_url}: start both with `make run`, "
        "or the simulator alone with `python -m simulator`, or set WECHAT_APP_ID, WECHAT_APP_SECRET and WECHAT_MCH_ID"
    )


def prepare_tables(program: Program) -> None:
    """Migrations, and the demo catalogue in simulator mode. Raises SettingsError if the database is unfit for money."""
    database = program.services.database
    try:
        applied = database.migrate()
    except DatabaseRefused as error:
        raise SettingsError([str(error)]) from error
    if applied:
        logger.info("migrations applied: %s", ", ".join(applied))
    if problems := database.check():
        raise SettingsError(problems)
    if program.settings.simulator_mode:
        program.services.catalogue.seed(ROOT / program.settings.catalogue_dir / "products.json")


class Line(logging.Formatter):
    """The usual line, put together in one step; what it says of its second is made once for all of that second."""

    def format(self, record: logging.LogRecord) -> str:
        when = f"{_second(int(record.created))},{int(record.msecs):03}"
        line = f"{when} {record.levelname} {record.name} {record.getMessage()}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return f"{line}\n{self.formatStack(record.stack_info)}" if record.stack_info else line


@lru_cache(4)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def configure_logging(level: str) -> None:
    """One line an event, on standard error. ``handlers.observe`` logs access; libraries speak when they warn."""
    errors = logging.StreamHandler()
    errors.setFormatter(Line())
    logging.basicConfig(level=logging.WARNING, handlers=[errors])
    # What no line of ours tells, each would look up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # nor which line of the program said it: logging's documentation names this switch
    logging.getLogger("pay").setLevel(level)
