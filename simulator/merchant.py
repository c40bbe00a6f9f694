"""The test merchant: who it is, its keys and WeChat's, made at start or kept in ``DIR/merchant.json``.

It must not sign, verify or encrypt anything of the wire. Everything is obviously a test: the appid is ``wxsim...``, the
secrets begin with ``SIM``; what looks like a real merchant's is refused.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from simulator import certificates
from simulator.files import write_private

_ALPHANUMERIC = string.ascii_letters + string.digits
_SYMMETRIC = {
    "app_secret": re.compile(r"[0-9A-Za-z_-]{16,64}"),
    "v2_api_key": re.compile(r"[0-9A-Za-z]{32}"),
    "v3_api_key": re.compile(r"[!-~]{32}"),
}
_API_KEYS = {"v2_api_key": "SIMv2", "v3_api_key": "SIMv3"}
_WECHATS_OWN = ("platform_private_key", "public_key_private_key", "secapi_private_key", "secapi_certificate")
_TLS_NAMES = ("secapi_private_key", "secapi_certificate")  # a merchant.json of an older simulator has none
_OWN_APPID = re.compile(r"wxsim[0-9a-z]{13}")
_OWN_MCHID = re.compile(r"19000[0-9]{5}")


class MerchantRefused(Exception):
    """``merchant.json`` cannot be used; the text says why and never quotes a value."""


@dataclass(repr=False)
class Merchant:
    """Everything both sides know of each other. PEM texts for keys and certificates; never printed.

    Nothing of it changes but the two API keys, by ``change_keys``.
    """

    appid: str
    app_secret: str
    mchid: str
    v2_api_key: str
    v3_api_key: str
    merchant_serial_no: str
    merchant_private_key: str
    merchant_certificate: str
    platform_serial_no: str
    platform_private_key: str
    platform_certificate: str
    public_key_id: str
    public_key_private_key: str
    public_key: str
    ca_certificate: str
    secapi_private_key: str
    secapi_certificate: str

    def published(self) -> dict[str, str]:
        """What ``GET /_sim/merchant`` gives: all but WeChat's own private keys (contract.md, Simulator).

        The client certificate of v2's mutual TLS is the API certificate, as at WeChat.
        """
        shown = {name: value for name, value in asdict(self).items() if name not in _WECHATS_OWN}
        client = {"client_certificate": self.merchant_certificate, "client_private_key": self.merchant_private_key}
        return shown | client

    @cached_property
    def verifying_key(self) -> RSA.RsaKey:
        """The merchant's public key, as WeChat has it."""
        return RSA.import_key(self.merchant_private_key).public_key()

    @cached_property
    def wechatpay_key(self) -> RSA.RsaKey:
        return RSA.import_key(self.public_key_private_key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that may appear nowhere but in ``published``."""
        return (self.app_secret, self.v2_api_key, self.v3_api_key, self.merchant_private_key)

    def change_keys(self, changed: Mapping[str, str | None]) -> None:
        """New API keys as set in the merchant platform; None: one that is made here. Raises ``MerchantRefused``."""
        given = {name: value for name, value in changed.items() if value is not None}
        _check(given)
        for name in changed:
            setattr(self, name, given.get(name) or _API_KEYS[name] + _random(_ALPHANUMERIC, 27))

    def __repr__(self) -> str:
        return f"<Merchant {self.mchid}>"


def looks_real(kind: str, value: str) -> bool:
    """Would this appid, mchid, serial or secret pass for a real merchant's? (The simulator's own never do.)"""
    patterns = {
        "appid": r"wx[0-9a-f]{16}",
        "mchid": r"[0-9]{8,10}",
        "serial": r"[0-9A-F]{40}",
        "secret": r"[0-9a-f]{32}",
    }
    return re.fullmatch(patterns[kind], value) is not None


def load(path: Path | None) -> Merchant:
    """The merchant kept at ``path``, completed by fresh values and written back; all fresh without a path."""
    preset = _read(path) if path is not None and path.exists() else {}
    merchant = _complete(preset)
    if path is not None and asdict(merchant) != preset:
        keep(path, merchant)
    return merchant


def keep(path: Path, merchant: Merchant) -> None:
    write_private(path, json.dumps(asdict(merchant), indent=1))


def _read(path: Path) -> dict[str, str]:
    try:
        preset = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MerchantRefused("merchant.json cannot be read as JSON") from error
    known = {field.name for field in fields(Merchant)}
    if (
        not isinstance(preset, dict)
        or not preset.keys() <= known
        or not all(isinstance(v, str) for v in preset.values())
    ):
        raise MerchantRefused("merchant.json must be an object of texts with the names of GET /_sim/merchant")
    try:
        _check(preset)
    except MerchantRefused as refused:
        raise MerchantRefused(f"merchant.json: {refused}") from refused
    return preset


def _check(preset: Mapping[str, str]) -> None:
    for name, pattern in _SYMMETRIC.items():
        value = preset.get(name)
        if value is None:
            continue
        if not pattern.fullmatch(value):
            raise MerchantRefused(f"{name} does not have the form {pattern.pattern}")
        if looks_real("secret", value):
            raise MerchantRefused(f"{name} looks like a real secret; the simulator takes test values only")
    for name, own in (("appid", _OWN_APPID), ("mchid", _OWN_MCHID)):
        if name in preset and not own.fullmatch(preset[name]):
            raise MerchantRefused(f"{name} is not one of the simulator's own ({own.pattern})")
    asymmetric = {field.name for field in fields(Merchant)} - _SYMMETRIC.keys() - {"appid", "mchid", *_TLS_NAMES}
    if preset.keys() & asymmetric and not asymmetric <= preset.keys():
        raise MerchantRefused("either all keys and certificates, or none of them")


def _complete(preset: Mapping[str, str]) -> Merchant:
    values = {
        "appid": "wxsim" + _random(string.ascii_lowercase + string.digits, 13),
        "app_secret": "SIMsecret" + _random(_ALPHANUMERIC, 23),
        "mchid": "19000" + _random(string.digits, 5),
        **{name: prefix + _random(_ALPHANUMERIC, 27) for name, prefix in _API_KEYS.items()},
        **preset,
    }
    if "merchant_private_key" not in values:
        values |= _make_keys(values["mchid"])
    if not values.keys() >= set(_TLS_NAMES):
        values |= _another_authority(values["ca_certificate"])
    return Merchant(**values)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _make_keys(mchid: str) -> dict[str, str]:
    """Three RSA-2048 pairs and two certificates. The CA is elliptic, which costs nothing to make."""
    authority = ec.generate_private_key(ec.SECP256R1())
    merchant, platform, public = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))
    ca = certificates.certificate("Simulator CA", authority.public_key(), authority, ca=True)
    merchant_certificate = certificates.certificate(mchid, merchant.public_key(), authority)
    platform_certificate = certificates.certificate(certificates.PLATFORM, platform.public_key(), authority)
    return {
        "merchant_serial_no": certificates.serial(merchant_certificate),
        "merchant_private_key": certificates.private_pem(merchant),
        "merchant_certificate": certificates.pem(merchant_certificate),
        "platform_serial_no": certificates.serial(platform_certificate),
        "platform_private_key": certificates.private_pem(platform),
        "platform_certificate": certificates.pem(platform_certificate),
        "public_key_id": f"PUB_KEY_ID_01{mchid}{_random(string.digits, 22)}",
        "public_key_private_key": certificates.private_pem(public),
        "public_key": certificates.public_pem(public),
        "ca_certificate": certificates.pem(ca),
        **_tls_server(authority),
    }


def _another_authority(ca_certificate: str) -> dict[str, str]:
    """For a merchant that was kept before there was mutual TLS: the first authority's key is gone, so there are two."""
    authority = ec.generate_private_key(ec.SECP256R1())
    second = certificates.certificate("Simulator CA", authority.public_key(), authority, ca=True)
    return {"ca_certificate": ca_certificate + certificates.pem(second), **_tls_server(authority)}


def _tls_server(authority: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificates.certificate("Simulator secapi", key.public_key(), authority, hosts=certificates.HOSTS)
    return {"secapi_private_key": certificates.private_pem(key), "secapi_certificate": certificates.pem(certificate)}
