"""RSA keys and X.509 certificates, made afresh. The one thing here that uses ``cryptography``: pycryptodome cannot make
certificates. Names say TEST ONLY. It must not sign, verify or encrypt anything of the wire.
"""

from __future__ import annotations

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from simulator.entities import Certificate

PLATFORM = "Simulator WeChat Pay platform"
HOSTS = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


def platform(effective_at: float) -> Certificate:
    """One more platform certificate, of an authority that nobody keeps. By its own dates it is valid from yesterday on,
    whatever virtual time says: those are compared with another machine's clock.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = certificate(PLATFORM, key.public_key(), ec.generate_private_key(ec.SECP256R1()))
    return Certificate(serial(made), pem(made), private_pem(key), effective_at)


def began(text: str) -> float:
    """Epoch seconds from which the certificate in this PEM text is valid by its own dates."""
    return x509.load_pem_x509_certificate(text.encode("ascii")).not_valid_before_utc.timestamp()


def certificate(
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


def serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:040X}"


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def public_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode("ascii")
