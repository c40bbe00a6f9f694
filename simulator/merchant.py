"""The test merchant: who it is, its keys and WeChat's, made at start or kept in ``DIR/merchant.json``.

It must not sign, verify or encrypt anything of the wire. Making RSA keys and X.509 certificates is the one thing that
uses ``cryptography``: pycryptodome cannot make certificates. Everything is obviously a test: the appid is ``wxsim...``,
the secrets begin with ``SIM``; what looks like a real merchant's is refused.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from Crypto.PublicKey import RSA
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from simulator.files import write_private

_ALPHANUMERIC = string.ascii_letters + string.digits
_SYMMETRIC = {
    "app_secret": re.compile(r"[0-9A-Za-z_-]{16,64}"),
    "v2_api_key": re.compile(r"[0-9A-Za-z]{32}"),
    "v3_api_key": re.compile(r"[!-~]{32}"),
}
_WECHATS_OWN = ("platform_private_key", "public_key_private_key", "secapi_private_key", "secapi_certificate")
_TLS_NAMES = ("secapi_private_key", "secapi_certificate")  # a merchant.json of an older simulator has none
_OWN_APPID = re.compile(r"wxsim[0-9a-z]{13}")
_OWN_MCHID = re.compile(r"19000[0-9]{5}")


_HOSTS = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


class MerchantRefused(Exception):
    """``merchant.json`` cannot be used; the text says why and never quotes a value."""


@dataclass(frozen=True, repr=False)
class Merchant:
    """Everything both sides know of each other. PEM texts for keys and certificates; never printed."""

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
    def platform_key(self) -> RSA.RsaKey:
        return RSA.import_key(self.platform_private_key)

    @cached_property
    def wechatpay_key(self) -> RSA.RsaKey:
        return RSA.import_key(self.public_key_private_key)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Values that may appear nowhere but in ``published``."""
        return (self.app_secret, self.v2_api_key, self.v3_api_key, self.merchant_private_key)

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
        write_private(path, json.dumps(asdict(merchant), indent=1))
    return merchant


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
    _check(preset)
    return preset


def _check(preset: Mapping[str, str]) -> None:
    for name, pattern in _SYMMETRIC.items():
        value = preset.get(name)
        if value is None:
            continue
        if not pattern.fullmatch(value):
            raise MerchantRefused(f"{name} in merchant.json does not have the form {pattern.pattern}")
        if looks_real("secret", value):
            raise MerchantRefused(
                f"{name} in merchant.json looks like a real secret; the simulator takes test values only"
            )
    for name, own in (("appid", _OWN_APPID), ("mchid", _OWN_MCHID)):
        if name in preset and not own.fullmatch(preset[name]):
            raise MerchantRefused(f"{name} in merchant.json is not one of the simulator's own ({own.pattern})")
    asymmetric = {field.name for field in fields(Merchant)} - _SYMMETRIC.keys() - {"appid", "mchid", *_TLS_NAMES}
    if preset.keys() & asymmetric and not asymmetric <= preset.keys():
        raise MerchantRefused("merchant.json must hold all keys and certificates, or none of them")


def _complete(preset: Mapping[str, str]) -> Merchant:
    values = {
        "appid": "wxsim" + _random(string.ascii_lowercase + string.digits, 13),
        "app_secret": "SIMsecret" + _random(_ALPHANUMERIC, 23),
        "mchid": "19000" + _random(string.digits, 5),
        "v2_api_key": "SIMv2" + _random(_ALPHANUMERIC, 27),
        "v3_api_key": "SIMv3" + _random(_ALPHANUMERIC, 27),
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
    ca = _certificate("Simulator CA", authority.public_key(), authority, ca=True)
    merchant_certificate = _certificate(mchid, merchant.public_key(), authority)
    platform_certificate = _certificate("Simulator WeChat Pay platform", platform.public_key(), authority)
    return {
        "merchant_serial_no": _serial(merchant_certificate),
        "merchant_private_key": _private_pem(merchant),
        "merchant_certificate": _pem(merchant_certificate),
        "platform_serial_no": _serial(platform_certificate),
        "platform_private_key": _private_pem(platform),
        "platform_certificate": _pem(platform_certificate),
        "public_key_id": f"PUB_KEY_ID_01{mchid}{_random(string.digits, 22)}",
        "public_key_private_key": _private_pem(public),
        "public_key": _public_pem(public),
        "ca_certificate": _pem(ca),
        **_tls_server(authority),
    }


def _another_authority(ca_certificate: str) -> dict[str, str]:
    """For a merchant that was kept before there was mutual TLS: the first authority's key is gone, so there are two."""
    authority = ec.generate_private_key(ec.SECP256R1())
    second = _certificate("Simulator CA", authority.public_key(), authority, ca=True)
    return {"ca_certificate": ca_certificate + _pem(second), **_tls_server(authority)}


def _tls_server(authority: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("Simulator secapi", key.public_key(), authority, hosts=_HOSTS)
    return {"secapi_private_key": _private_pem(key), "secapi_certificate": _pem(certificate)}


def _certificate(
    name: str,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    authority: ec.EllipticCurvePrivateKey,
    ca: bool = False,
    hosts: tuple[x509.GeneralName, ...] = (),
) -> x509.Certificate:
    """Five years, 40-digit serial, names that say TEST ONLY (v3.md 2)."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Simulator CA"))
        .public_key(key)
        .serial_number(secrets.randbelow(2**158) + 2**158)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=5 * 365))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
    )
    if ca:
        builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(authority, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST ONLY local simulator"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:040X}"


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _public_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode("ascii")
