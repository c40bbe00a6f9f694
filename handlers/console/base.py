"""The ceremony of a page: who is signed in, with which role, in which language; forms that came from our own pages.

A page says which role it ``needs`` and what it does: ``show`` for GET, ``act`` for POST. Nobody overrides ``get`` and
``post``, so no page can forget to ask who is there. The words are English in the templates and ``locale/zh.csv`` has
the Chinese, through Tornado's ``locale``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import tornado.httputil
import tornado.locale
import tornado.web

from handlers.base import BY_STATUS, Door
from handlers.console.said import SAID
from handlers.limits import client_address
from handlers.words import WORDS, words_for
from services.console.audit import Act, By
from services.console.signin import Signed
from services.errors import DatabaseUnavailable, Forbidden, Invalid, Refused, TryLater, Unauthorized
from services.orders import rfc3339

T = TypeVar("T")
BEIJING = timezone(timedelta(hours=8))
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
LANGUAGES = {"en": "en", "zh": "zh-CN"}  # ours -> what a browser calls it
FORM = "application/x-www-form-urlencoded"
YEAR = 365  # days
MOST_DIGITS = 18  # of a key

tornado.locale.load_translations(str(Path(__file__).with_name("locale")), "utf-8")


class Bare(Door):
    """A page for anybody: headers, language, cookies, forms, errors."""

    operator: Signed | None = None

    @property
    def back(self) -> str:
        """Where the way leads from a refusal."""
        return "/ops"

    async def get(self, *path: str) -> None:
        await self.enter()
        await self.show(*path)

    async def post(self, *path: str) -> None:
        self.read_form()
        await self.enter()
        await self.act(*path)

    async def enter(self) -> None:
        """Raises TryLater while there are no tables yet."""
        if self.services.starting:
            raise TryLater("starting")

    async def show(self, *_: str) -> None:
        raise tornado.web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)

    async def act(self, *_: str) -> None:
        raise tornado.web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)

    # --- cookies and forms ---

    @property
    def is_here(self) -> bool:
        """Spoken to by a loopback address: at the machine itself, or through an SSH tunnel, where there is no TLS."""
        return tornado.httputil.split_host_and_port(self.request.host)[0] in LOOPBACK

    def cookie_name(self, name: str) -> str:
        """``__Host-`` binds a cookie to this very host and to https; a browser takes it over https alone."""
        return name if self.is_here else f"__Host-{name}"

    def keep(self, name: str, value: str, days: int | None = None) -> None:
        safe: dict[str, Any] = {"secure": not self.is_here, "httponly": True, "samesite": "Strict"}
        self.set_cookie(self.cookie_name(name), value, expires_days=days, **safe)

    def kept(self, name: str) -> str:
        return self.get_cookie(self.cookie_name(name), "") or ""

    def drop(self, name: str) -> None:
        self.clear_cookie(self.cookie_name(name), secure=not self.is_here, httponly=True, samesite="Strict")

    @property
    def settings(self) -> dict[str, Any]:
        """Tornado reads here how the XSRF cookie is to be set: like the others."""
        safe = {"secure": not self.is_here, "httponly": True, "samesite": "Strict", "expires_days": None}
        cookie = {"xsrf_cookie_name": self.cookie_name("xsrf"), "xsrf_cookie_kwargs": safe}
        return {**self.application.settings, **cookie}

    def read_form(self) -> None:
        """Raises Forbidden("form_outdated") unless the form came from a page of ours."""
        body, given = self.read_body(), self.request.body_arguments
        if not self._from_here():
            raise Forbidden("form_outdated")
        if self.request.headers.get("Content-Type", "").split(";")[0].strip().lower() == FORM:
            tornado.httputil.parse_body_arguments(FORM, body, given, {})
        self.request.arguments["_xsrf"] = given.get("_xsrf", [b""])  # from the form alone: no address may bear it
        try:
            self.check_xsrf_cookie()
        except tornado.web.HTTPError:
            raise Forbidden("form_outdated") from None

    def _from_here(self) -> bool:
        """Whether the browser names no other site as the one that sends this; old ones name none."""
        said = self.request.headers
        own, origin = self.request.host, said.get("Origin", f"//{self.request.host}")
        return origin.partition("//")[2] == own and said.get("Sec-Fetch-Site", "same-origin") == "same-origin"

    def field(self, name: str, most: int, *, least: int = 1) -> str:
        """A field of the form, in one line. Raises Invalid, naming it."""
        value = " ".join(self.get_body_argument(name, "").replace("\x7f", " ").split())
        if len(value) < least:
            raise Invalid("invalid_field", field=name, reason="missing" if not value else "string_too_short")
        if len(value) > most:
            raise Invalid("invalid_field", field=name, reason="string_too_long", max_length=str(most))
        return value

    def before(self) -> int | None:
        """The key that a page of a list begins below. Raises Invalid."""
        if not (given := self.get_query_argument("before", "")):
            return None
        if not (given.isascii() and given.isdecimal() and len(given) <= MOST_DIGITS):
            raise Invalid("invalid_field", field="before", reason="int_type")
        return int(given)

    # --- who, where, in which language ---

    def address(self) -> str:
        """Of who asks, as the connection or a trusted proxy says."""
        given = self.request.headers.get_list("X-Real-Ip")
        forwarded = given[0] if len(given) == 1 else None
        return client_address(self.request.remote_ip or "", forwarded, self.application.settings["trusted_proxies"])

    @property
    def by(self) -> By:
        return By(self.operator.name if self.operator else "", self.address(), self.request_id)

    def get_user_locale(self) -> tornado.locale.Locale | None:
        """As the link at the top of a page says, and said before; else the browser's."""
        chosen = self._wanted_language() or self.kept("lang")
        return tornado.locale.get(chosen) if chosen in LANGUAGES else None

    @property
    def language(self) -> str:
        return "zh" if self.locale.code.startswith("zh") else "en"

    # --- answers ---

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")

    def get_template_namespace(self) -> dict[str, Any]:
        return {
            **super().get_template_namespace(),
            "operator": self.operator,
            "lang": LANGUAGES[self.language],
            "other_language": self._other_language(),
            "said": self._said(),
            "money": money,
            "moment": moment,
            "stamp": rfc3339,
        }

    def show_page(self, template: str, **values: Any) -> None:
        """``template``: a file of ``templates/console``."""
        if wanted := self._wanted_language():
            self.keep("lang", wanted, YEAR)
        self.render(f"console/{template}", **values)

    def go(self, address: str, said: str = "") -> None:
        """POST, redirect, GET. ``said``: a key of SAID, which the next page tells once."""
        if said:
            self.keep("said", said)
        self.redirect(address, status=HTTPStatus.SEE_OTHER)

    def _wanted_language(self) -> str:
        """What the address asks for. Never raises, since a refusal is said in some language, too."""
        given = self.request.query_arguments.get("lang", [b""])[-1].decode("latin-1")
        return given if given in LANGUAGES else ""

    def _other_language(self) -> str:
        """This page's address in the other language."""
        kept = {name: values[-1] for name, values in self.request.query_arguments.items()}
        return "?" + urlencode({**kept, "lang": "en" if self.language == "zh" else "zh"})

    def _said(self) -> str:
        if not (said := SAID.get(self.kept("said"), "")):
            return ""
        self.drop("said")
        return self.locale.translate(said)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused):
            self.refuse(error)
        elif isinstance(error, DatabaseUnavailable):
            self.refuse(TryLater("database_unavailable"))
        else:
            fallback = "internal_error" if status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else "bad_request"
            self.refuse(Refused(BY_STATUS.get(status_code, fallback)))

    def refuse(self, error: Refused) -> None:
        self.refuse_on("refused.html", error)

    def refuse_on(self, template: str, error: Refused, **values: Any) -> None:
        """The refusal's status and words on a page."""
        self.set_status(WORDS[error.code].status)
        if "seconds" in error.details:
            self.set_header("Retry-After", error.details["seconds"])
        message = words_for(error.code, self.language, error.details)
        self.show_page(template, message=message, request_id=self.request_id, back=self.back, **values)


class Page(Bare):
    """A page for somebody who is signed in and has the role that it ``needs``."""

    needs = "viewer"
    does = ""  # what the audit log calls it, if it does something
    fresh = False  # whether it takes a code of the phone, of now, to do it

    async def enter(self) -> None:
        """Raises Unauthorized("signed_out"), Forbidden("role_missing")."""
        await super().enter()
        self.operator = self.current_user = await self.services.signin.signed(self.kept("ops"))
        if not self.operator.may(self.needs):
            if self.request.method == "POST":
                await self.services.audit.refused(self.doing(*self.path_args[:1]), "role_missing")
            raise Forbidden("role_missing")

    def doing(self, subject: str = "", words: str = "") -> Act:
        """What the audit log is told."""
        return Act(self.by, self.does, subject, words)

    async def witnessed(self, act: Act, call: Callable[[], Awaitable[T]]) -> T:
        """``call``, between two lines of the audit log. Raises what ``SignIn.confirm`` raises, where it is asked."""
        if self.fresh:
            await self._confirm(act)
        return await self.services.audit.witnessed(act, call)

    async def _confirm(self, act: Act) -> None:
        code = self.get_body_argument("code", "").replace(" ", "")
        try:
            await self.services.signin.confirm(self.by.operator, code, self.by)
        except Refused as error:
            await self.services.audit.refused(act, error.code)
            raise

    def refuse(self, error: Refused) -> None:
        if isinstance(error, Unauthorized):
            self.drop("ops")
            self.go("/ops/sign-in")
        else:
            super().refuse(error)


class MissingPage(Page):
    """Every address under ``/ops`` that is not in the list."""

    async def show(self, *_: str) -> None:
        raise tornado.web.HTTPError(HTTPStatus.NOT_FOUND)

    act = show


def money(fen: int) -> str:
    """¥1,234.50. Integers alone: no float is near money."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}¥{fen // 100:,}.{fen % 100:02}"


def moment(at: int | str) -> str:
    """Epoch seconds, or RFC 3339 text of ours, as a person in Beijing reads it."""
    time = datetime.fromtimestamp(at, BEIJING) if isinstance(at, int) else datetime.fromisoformat(at)
    return time.strftime("%Y-%m-%d %H:%M:%S")
