"""Who we are at WeChat: numbers and keys, read once at start and checked as far as they can be without the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import SecretStr

from settings.schema import Settings

# Keys that documentation and well-known articles print. Whoever uses one shares it with everybody.
SAMPLE_KEYS = {
    "192006250b4c09247ec02edce69f6a2d",  # v2 documentation, chapter 4_3
    "qazwsxedcrfvtgbyhnujmikolp111111",  # mini-program documentation, wx.requestPayment
    "8934e7d15453e97507ef794cf7b0519d",  # v2 documentation, older page
    "5YI2YwEdV56hCsNEoOGEeL17vRFcz3i6",  # a published test suite
    "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb",  # a published test suite
}


@dataclass(frozen=True, slots=True)
class V2Keys:
    """The files are PEM: the merchant's certificate and key for refunds, and whom to trust there."""

    api_key: SecretStr
    other_api_key: SecretStr | None  # accepted as well, while one key takes the other's place
    sign_type: str  # "MD5" or "HMAC-SHA256", for new payments
    cert_file: str | None
    key_file: str | None
    secapi_url: str | None
    ca_file: str | None
    folder: TemporaryDirectory[str] | None = None  # holds the simulator's files, and goes with this value


@dataclass(frozen=True, slots=True)
class V3Keys:
    """All PEM text. ``public_key`` and ``public_key_id`` are both given (public-key mode) or both empty."""

    api_key: SecretStr
    other_api_key: SecretStr | None  # as in V2Keys
    serial_no: str
    private_key: SecretStr
    public_key: str
    public_key_id: str


@dataclass(frozen=True, slots=True)
class Merchant:
    """Either generation may be None; the one of WECHAT_PAY_API is not."""

    appid: str
    app_secret: SecretStr
    mchid: str
    v2: V2Keys | None
    v3: V3Keys | None
    pay_url: str
    api_url: str


def simulated_merchant(settings: Settings, told: Mapping[str, Any]) -> Merchant:
    """The simulator's test merchant, from the answer of its ``GET /_sim/merchant``."""
    folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="pay-")
    cert, key, authority = (
        _put(folder, name, told[name]) for name in ("client_certificate", "client_private_key", "ca_certificate")
    )
    v2_key, sign_type = SecretStr(told["v2_api_key"]), settings.wechat_v2_sign_type
    v2 = V2Keys(v2_key, None, sign_type, cert, key, told["secapi_url"], authority, folder)
    v3 = V3Keys(
        SecretStr(told["v3_api_key"]),
        None,
        told["merchant_serial_no"],
        SecretStr(told["merchant_private_key"]),
        told["public_key"],
        told["public_key_id"],
    )
    secret = SecretStr(told["app_secret"])
    return Merchant(told["appid"], secret, told["mchid"], v2, v3, settings.simulator_url, settings.simulator_url)


def _put(folder: TemporaryDirectory[str], name: str, pem: str) -> str:
    path = Path(folder.name) / f"{name}.pem"
    path.touch(0o600)
    path.write_text(pem, "ascii")
    return str(path)


def read_merchant(settings: Settings, problems: list[str]) -> Merchant:
    """The live merchant. Appends what is wrong to ``problems``; the value is good only if nothing was appended."""
    _identity(settings, problems)
    v2 = _read_v2(settings, problems)
    v3 = _read_v3(settings, problems)
    if {"v2": v2, "v3": v3}[settings.wechat_pay_api] is None:
        problems.append(_missing(settings.wechat_pay_api))
    return Merchant(
        settings.wechat_app_id,
        settings.wechat_app_secret,
        settings.wechat_mch_id,
        v2,
        v3,
        settings.wechat_pay_url,
        settings.wechat_api_url,
    )


def _missing(api: str) -> str:
    names = {"v2": "WECHAT_V2_API_KEY", "v3": "WECHAT_V3_API_KEY, WECHAT_V3_SERIAL_NO and WECHAT_V3_PRIVATE_KEY_FILE"}[
        api
    ]
    return f"WECHAT_PAY_API is {api}, but its keys are not given: set {names}, or choose the other generation"


def _identity(settings: Settings, problems: list[str]) -> None:
    wanted = {
        "WECHAT_APP_ID": settings.wechat_app_id,
        "WECHAT_APP_SECRET": settings.wechat_app_secret.get_secret_value(),
        "WECHAT_MCH_ID": settings.wechat_mch_id,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        problems.append(f"{', '.join(missing)}: missing; give all of {', '.join(wanted)}, or none for simulator mode")
    if settings.wechat_mch_id and not re.fullmatch(r"[0-9]{6,32}", settings.wechat_mch_id):
        problems.append("WECHAT_MCH_ID: a merchant number is digits only")
    if settings.wechat_app_id and not re.fullmatch(r"wx[0-9A-Za-z]{8,30}", settings.wechat_app_id):
        problems.append("WECHAT_APP_ID: an appid begins with wx and has letters and digits only")


def _weak(key: str) -> str:
    if key in SAMPLE_KEYS:
        return "is the example of the documentation, which everybody knows; set your own on the merchant platform"
    if len(set(key)) < 5:
        return "has hardly any different characters; set a random one on the merchant platform"
    return ""


def _check_keys(name: str, key: SecretStr, other: SecretStr, misfit: Callable[[str], str]) -> list[str]:
    """What is wrong with an API key, and with the one that is accepted beside it. ``misfit`` knows their form."""
    main, second = key.get_secret_value(), other.get_secret_value()
    named = {name: main, f"{name}_OTHER": second}
    problems = [f"{each}: {wrong}" for each, value in named.items() if value and (wrong := misfit(value))]
    if second and not main:
        problems.append(f"{name}_OTHER: a second key, and there is no first; set {name}")
    elif second and second == main:
        problems.append(f"{name}_OTHER: the same key as {name}; leave it out unless the key is being changed")
    return problems


def _v2_misfit(key: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z]{32}", key):
        return f"must be 32 letters and digits; this one has {len(key)} characters"
    return _weak(key)


def _v3_misfit(key: str) -> str:
    return _weak(key) if len(key.encode()) == 32 else f"must be 32 bytes; this one has {len(key.encode())}"


def _given(key: SecretStr) -> SecretStr | None:
    return key if key.get_secret_value() else None


def _read_v2(settings: Settings, problems: list[str]) -> V2Keys | None:
    for name, path in (
        ("WECHAT_V2_CERT_FILE", settings.wechat_v2_cert_file),
        ("WECHAT_V2_KEY_FILE", settings.wechat_v2_key_file),
    ):
        if path is not None:
            _read_file(name, path, problems, secret=name.endswith("KEY_FILE"))
    if bool(settings.wechat_v2_cert_file) != bool(settings.wechat_v2_key_file):
        problems.append("WECHAT_V2_CERT_FILE and WECHAT_V2_KEY_FILE: give both or neither")
    key, other = settings.wechat_v2_api_key, settings.wechat_v2_api_key_other
    problems += _check_keys("WECHAT_V2_API_KEY", key, other, _v2_misfit)
    if not _given(key):
        return None
    return V2Keys(
        key,
        _given(other),
        settings.wechat_v2_sign_type,
        _text(settings.wechat_v2_cert_file),
        _text(settings.wechat_v2_key_file),
        settings.wechat_v2_secapi_url or None,
        _text(settings.wechat_v2_secapi_ca_file),
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _read_v3(settings: Settings, problems: list[str]) -> V3Keys | None:
    given = {
        "WECHAT_V3_API_KEY": bool(settings.wechat_v3_api_key.get_secret_value()),
        "WECHAT_V3_SERIAL_NO": bool(settings.wechat_v3_serial_no),
        "WECHAT_V3_PRIVATE_KEY_FILE": settings.wechat_v3_private_key_file is not None,
    }
    public = _read_public_key(settings, problems)
    key, other = settings.wechat_v3_api_key, settings.wechat_v3_api_key_other
    problems += _check_keys("WECHAT_V3_API_KEY", key, other, _v3_misfit)
    if not any(given.values()):
        return None
    problems += [
        f"{name}: missing; API v3 needs all of {', '.join(given)}" for name, there in given.items() if not there
    ]
    if settings.wechat_v3_serial_no and not re.fullmatch(r"[0-9A-Fa-f]{1,64}", settings.wechat_v3_serial_no):
        problems.append("WECHAT_V3_SERIAL_NO: a serial number is hexadecimal digits only")
    private = _read_private_key(settings, problems)
    return V3Keys(
        key,
        _given(other),
        settings.wechat_v3_serial_no.upper(),
        SecretStr(private),
        public,
        settings.wechat_v3_public_key_id,
    )


def _read_file(name: str, path: Path, problems: list[str], *, secret: bool) -> str:
    try:
        text = path.read_text("ascii")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a PEM text file"
        problems.append(f"{name}: cannot read {path}: {reason}")
        return ""
    if secret and mode & 0o007:  # the group may read: systemd hands credentials over that way
        problems.append(f"{name}: everybody on this machine can read {path}; run: chmod 400 {path}")
    return text


def _read_private_key(settings: Settings, problems: list[str]) -> str:
    path = settings.wechat_v3_private_key_file
    if path is None or not (pem := _read_file("WECHAT_V3_PRIVATE_KEY_FILE", path, problems, secret=True)):
        return ""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        problems.append(
            f"WECHAT_V3_PRIVATE_KEY_FILE: {path} is not an unencrypted RSA private key in PEM form (apiclient_key.pem)"
        )
        return ""
    _match_certificate(settings, key, path, problems)
    return pem


def _match_certificate(settings: Settings, key: RSAPrivateKey, key_path: Path, problems: list[str]) -> None:
    """The merchant's own certificate tells whether key and serial number belong together."""
    beside = key_path.with_name("apiclient_cert.pem")
    fallbacks = [settings.wechat_v2_cert_file, beside if beside.is_file() else None]
    path = settings.wechat_v3_cert_file or next((found for found in fallbacks if found), None)
    if path is None or not (pem := _read_file("WECHAT_V3_CERT_FILE", path, problems, secret=False)):
        return
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        problems.append(f"WECHAT_V3_CERT_FILE: {path} is not a certificate in PEM form (apiclient_cert.pem)")
        return
    if certificate.public_key() != key.public_key():
        problems.append(f"WECHAT_V3_PRIVATE_KEY_FILE: {key_path} is not the key of the certificate {path}")
    serial = f"{certificate.serial_number:X}"
    if settings.wechat_v3_serial_no and serial != settings.wechat_v3_serial_no.upper().lstrip("0"):
        problems.append(f"WECHAT_V3_SERIAL_NO: the certificate {path} has the serial number {serial}; use that")


def _read_public_key(settings: Settings, problems: list[str]) -> str:
    path, key_id = settings.wechat_v3_public_key_file, settings.wechat_v3_public_key_id
    if (path is None) != (not key_id):
        problems.append(
            "WECHAT_V3_PUBLIC_KEY_FILE and WECHAT_V3_PUBLIC_KEY_ID: give both, or neither for platform certificates"
        )
    if key_id and not re.fullmatch(r"PUB_KEY_ID_[0-9A-Za-z]+", key_id):
        problems.append("WECHAT_V3_PUBLIC_KEY_ID: must begin with PUB_KEY_ID_; copy it from the merchant platform")
    if path is None or not (pem := _read_file("WECHAT_V3_PUBLIC_KEY_FILE", path, problems, secret=False)):
        return ""
    try:
        good = isinstance(load_pem_public_key(pem.encode()), RSAPublicKey)
    except ValueError:
        good = False
    if not good:
        problems.append(f"WECHAT_V3_PUBLIC_KEY_FILE: {path} is not an RSA public key in PEM form (pub_key.pem)")
    return pem
