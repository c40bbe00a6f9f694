"""Reading the settings, and saying all that is wrong with them at once. Opens files; never the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
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
    settings = _beside_the_file(settings)
    problems += _check_urls(settings)
    if 0 < len(settings.merchant_api_key.get_secret_value()) < 32:
        problems.append("MERCHANT_API_KEY: too easy to guess; use at least 32 random characters: openssl rand -hex 32")
    try:
        _ = settings.proxies
    except ValueError as error:
        problems.append(f"TRUSTED_PROXIES: {error}; write addresses or networks such as 10.0.0.0/8")
    merchant = None
    if not settings.simulator_mode:
        merchant = read_merchant(settings, problems)
    if problems:
        raise SettingsError(problems)
    return settings, merchant


def exposed_files(settings: Settings) -> list[Path]:
    """Settings files of a live merchant that everybody on this machine can read."""
    files = [] if settings.simulator_mode else [path for path in _files() if path.is_file()]
    return [path for path in files if path.stat().st_mode & 0o007]


def _files() -> list[Path]:
    """Later files win over earlier ones, the environment over all."""
    named = os.environ.get("PAY_CONFIG")
    return [*([Path(named)] if named else []), Path(".env")]


def _parse() -> tuple[Settings, list[str]]:
    """The settings, with the default wherever something is wrong: so everything else can be checked as well."""
    named = os.environ.get("PAY_CONFIG")
    problems = [f"PAY_CONFIG names {named}, which is not a file"] if named and not Path(named).is_file() else []
    files: list[Path] | None = _files()
    try:
        return _read(files), problems
    except (UnicodeDecodeError, OSError):
        problems.append(f"{' or '.join(map(str, _files()))}: not a readable text file in UTF-8")
        files = None
    except ValidationError as error:
        return _without(error, files, problems)
    try:
        return _read(files), problems
    except ValidationError as error:
        return _without(error, files, problems)


def _without(error: ValidationError, files: list[Path] | None, problems: list[str]) -> tuple[Settings, list[str]]:
    wrong = error.errors(include_input=False, include_url=False)
    problems += [f"{str(item['loc'][0]).upper()}: {item['msg']}" for item in wrong]
    names = {str(item["loc"][0]) for item in wrong}
    fields = Settings.model_fields
    defaults = {name: fields[name].get_default(call_default_factory=True, validated_data={}) for name in names}
    return _read(files, **defaults), problems


def _read(files: list[Path] | None, **fixed: Any) -> Settings:
    return Settings(_env_file=files, _env_file_encoding="utf-8", **fixed)  # type: ignore[call-arg]  # not fields


def _beside_the_file(settings: Settings) -> Settings:
    """A key file's relative path counts from the folder of ``PAY_CONFIG``, so that secrets can be handed over as one
    folder, wherever it then is: systemd's credentials, a container's secrets."""
    if not (named := os.environ.get("PAY_CONFIG")):
        return settings
    files = {name: getattr(settings, name) for name in Settings.model_fields if name.endswith("_file")}
    return settings.model_copy(update={name: Path(named).parent / file for name, file in files.items() if file})


def _check_urls(settings: Settings) -> list[str]:
    named = {
        "PUBLIC_URL": settings.public_url,
        "WECHAT_PAY_URL": settings.wechat_pay_url,
        "WECHAT_API_URL": settings.wechat_api_url,
        "SIMULATOR_URL": settings.simulator_url,
        **({"WECHAT_V2_SECAPI_URL": settings.wechat_v2_secapi_url} if settings.wechat_v2_secapi_url else {}),
    }
    problems = [problem for name, url in named.items() if (problem := _url_problem(name, url))]
    if not _is_database(settings.database_url.get_secret_value()):
        problems.append("DATABASE_URL: use sqlite:///file or mysql://user:password@host:3306/name")
    live = not settings.simulator_mode and not problems
    if live and _is_local(settings.public_url) and not _is_local(settings.wechat_pay_url):
        problems.append("PUBLIC_URL: WeChat cannot reach this machine by a loopback address; give the public one")
    return problems


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def _is_database(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("sqlite", "mysql") and (parts.port is None or parts.port > 0) and bool(parts.path)
    except ValueError:
        return False


def _url_problem(name: str, url: str) -> str:
    """The rules of a notify URL (v2.md 12.4) hold for the address it is built from."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if it is no number
    except ValueError:
        return f"{name}: not an address; write one such as https://pay.example.com"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{name}: write an absolute address such as https://pay.example.com"
    if parts.query or parts.fragment or "?" in url:
        return f"{name}: must not have a query string or fragment; WeChat refuses notify URLs with one"
    if parts.username or parts.password:
        return f"{name}: must not carry a user name or password"
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return f"{name}: use https (plain http is for this machine alone)"
    return ""
