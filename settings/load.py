"""Reading the settings, and saying all that is wrong with them at once. Opens files; never the network."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from settings.merchant import Merchant, read_merchant
from settings.schema import Settings

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class SettingsError(Exception):
    """The program cannot start. ``problems`` has one sentence each: which setting, what is wrong, what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} setting{'s' if count > 1 else ''} must be mended before the server can start:"
        return "\n".join([head, *(f"  - {problem}" for problem in self.problems)])


def load() -> tuple[Settings, Merchant | None]:
    """Settings and, in live mode, the merchant with its keys read. Raises SettingsError with every problem found."""
    settings, problems = _parse()
    if settings is None:
        raise SettingsError(problems)
    problems += _check_urls(settings)
    if 0 < len(settings.merchant_api_key.get_secret_value()) < 32:
        problems.append("MERCHANT_API_KEY: too easy to guess; use at least 32 random characters: openssl rand -hex 32")
    merchant = None
    if not settings.simulator_mode:
        merchant = read_merchant(settings, problems)
    if problems:
        raise SettingsError(problems)
    return settings, merchant


def _parse() -> tuple[Settings | None, list[str]]:
    files: list[Path] = []
    problems: list[str] = []
    named = os.environ.get("PAY_CONFIG")
    if named and not Path(named).is_file():
        problems.append(f"PAY_CONFIG names {named}, which is not a file")
    elif named:
        files.append(Path(named))
    files.append(Path(".env"))  # later files win over earlier ones, the environment over all
    try:
        return Settings(_env_file=files, _env_file_encoding="utf-8"), problems  # type: ignore[call-arg]
    except ValidationError as error:
        lines = [f"{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False)]
        return None, problems + lines


def _check_urls(settings: Settings) -> list[str]:
    named = {
        "PUBLIC_URL": settings.public_url,
        "WECHAT_PAY_URL": settings.wechat_pay_url,
        "WECHAT_API_URL": settings.wechat_api_url,
        "SIMULATOR_URL": settings.simulator_url,
        **({"WECHAT_V2_SECAPI_URL": settings.wechat_v2_secapi_url} if settings.wechat_v2_secapi_url else {}),
    }
    problems = [problem for name, url in named.items() if (problem := _url_problem(name, url))]
    scheme = settings.database_url.get_secret_value().split(":", 1)[0]
    if scheme not in ("sqlite", "mysql"):
        problems.append("DATABASE_URL: use sqlite:///file or mysql://user:password@host:3306/name")
    return problems


def _url_problem(name: str, url: str) -> str:
    """The rules of a notify URL (v2.md 12.4) hold for the address it is built from."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{name}: write an absolute address such as https://pay.example.com"
    if parts.query or parts.fragment or "?" in url:
        return f"{name}: must not have a query string or fragment; WeChat refuses notify URLs with one"
    if parts.username or parts.password:
        return f"{name}: must not carry a user name or password"
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return f"{name}: use https (plain http is for this machine alone)"
    return ""
