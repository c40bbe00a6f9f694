"""The merchant of the benchmarks: fresh keys, WeChat's side as well as ours, in files of a folder."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

APPID, MCHID = "wxbenchbenchbench0", "1900000001"
SERIAL_NO, PUBLIC_KEY_ID = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", "PUB_KEY_ID_0119000000012026112100000001"
FILES = ("platform.pem", "apiclient_key.pem", "pub_key.pem", "stub.pem", "ca.pem")


class Merchant:
    """``folder`` holds everything, so that another process can have the same merchant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "api_keys").exists():
            _make(folder)
        self.v2_api_key, self.v3_api_key, self.app_secret = (folder / "api_keys").read_text("ascii").split()
        self.ca_file = str(folder / "ca.pem")

    @property
    def platform_key(self) -> RSAPrivateKey:
        """What WeChat signs with."""
        return _read(self.folder / "platform.pem")

    @property
    def private_key(self) -> RSAPrivateKey:
        """What we sign with."""
        return _read(self.folder / "apiclient_key.pem")

    def environ(self, gateway: str) -> dict[str, str]:
        """The settings of a server with this merchant, whose WeChat stands at ``gateway``."""
        return {
            "WECHAT_APP_ID": APPID,
            "WECHAT_APP_SECRET": self.app_secret,
            "WECHAT_MCH_ID": MCHID,
            "WECHAT_V2_API_KEY": self.v2_api_key,
            "WECHAT_V3_API_KEY": self.v3_api_key,
            "WECHAT_V3_SERIAL_NO": SERIAL_NO,
            "WECHAT_V3_PRIVATE_KEY_FILE": str(self.folder / "apiclient_key.pem"),
            "WECHAT_V3_PUBLIC_KEY_FILE": str(self.folder / "pub_key.pem"),
            "WECHAT_V3_PUBLIC_KEY_ID": PUBLIC_KEY_ID,
            "WECHAT_PAY_URL": gateway,
            "WECHAT_API_URL": gateway,
            "SSL_CERT_FILE": self.ca_file,
        }


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    platform, ours, authority = (generate_private_key(65537, 2048) for _ in range(3))
    _write(folder / "platform.pem", _pem(platform))
    _write(folder / "apiclient_key.pem", _pem(ours))
    public = platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(folder / "pub_key.pem", public)
    certificate = _certificate(authority)
    _write(folder / "ca.pem", certificate)
    _write(folder / "stub.pem", certificate + _pem(authority))
    _write(folder / "api_keys", "\n".join(secrets.token_hex(16) for _ in range(3)).encode())


def _certificate(key: RSAPrivateKey) -> bytes:
    """For 127.0.0.1, signed by itself: authority and server in one."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway stub")])
    today = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return built.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o400)


def _read(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key
