"""Cryptography of the simulator, on pycryptodome and hashlib: RSA-SHA256, RSA-OAEP, AES-256-GCM and -ECB, MD5, HMAC.

Pure: keys and bytes in, bytes and text out. It must not know fields, headers or files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15
from Crypto.Util.Padding import pad, unpad


class Forged(Exception):
    """A signature or an authentication tag does not hold."""


# DigestInfo prefixes of PKCS#1 v1.5 (RFC 8017, 9.2): what stands before the hash inside a signature.
_DIGEST_INFO = {
    "SHA-256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "SHA-1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "MD5": bytes.fromhex("3020300c06082a864886f70d020505000410"),
    "SHA-512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


@dataclass(frozen=True, slots=True)
class SignedDigest:
    """What a signature says was signed: the hash algorithm's name and the hash."""

    algorithm: str
    digest: bytes


def rsa_sign(key: RSA.RsaKey, message: bytes) -> str:
    """Base64 of RSASSA-PKCS1-v1_5 with SHA-256 (v3.md 3)."""
    return base64.b64encode(pkcs1_15.new(key).sign(SHA256.new(message))).decode("ascii")


def rsa_verify(key: RSA.RsaKey, message: bytes, signature: str) -> None:
    """Raise ``Forged`` unless ``signature`` (base64) is ``key``'s over ``message``."""
    try:
        pkcs1_15.new(key).verify(SHA256.new(message), base64.b64decode(signature, validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise Forged("RSA signature does not hold") from error


def recover_digest(key: RSA.RsaKey, signature: str) -> SignedDigest | None:
    """The hash inside a signature made by ``key``'s owner; None if another key made it (or it is no signature).

    This tells "wrong key" from "right key, other string", which a plain verification cannot.
    """
    try:
        raw = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(raw) != key.size_in_bytes():
        return None
    block = pow(int.from_bytes(raw, "big"), int(key.e), int(key.n)).to_bytes(key.size_in_bytes(), "big")
    padding, separator, info = block[2:].partition(b"\x00")
    if block[:2] != b"\x00\x01" or not separator or padding.strip(b"\xff"):
        return None
    for algorithm, prefix in _DIGEST_INFO.items():
        if info.startswith(prefix):
            return SignedDigest(algorithm, info[len(prefix) :])
    return None


def gcm_encrypt(key: bytes, nonce: bytes, associated_data: bytes, plaintext: bytes) -> str:
    """AEAD_AES_256_GCM (v3.md 8): base64 of ciphertext and 16-byte tag."""
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=16)
    cipher.update(associated_data)
    ciphertext, tag = cipher.encrypt_and_digest(plaintext)
    return base64.b64encode(ciphertext + tag).decode("ascii")


def gcm_decrypt(key: bytes, nonce: bytes, associated_data: bytes, ciphertext: str) -> bytes:
    """The plaintext of ``gcm_encrypt``; raises ``Forged`` if the tag does not hold."""
    try:
        raw = base64.b64decode(ciphertext, validate=True)
        cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=16)
        cipher.update(associated_data)
        return cipher.decrypt_and_verify(raw[:-16], raw[-16:])
    except (ValueError, binascii.Error) as error:
        raise Forged("GCM tag does not hold") from error


def ecb_encrypt(key: bytes, plaintext: bytes) -> str:
    """AES-256-ECB with PKCS#7 (v2.md 12.2): base64."""
    return base64.b64encode(AES.new(key, AES.MODE_ECB).encrypt(pad(plaintext, AES.block_size))).decode("ascii")


def ecb_decrypt(key: bytes, ciphertext: str) -> bytes:
    """The plaintext of ``ecb_encrypt``; raises ``Forged`` if its padding does not hold."""
    try:
        return unpad(AES.new(key, AES.MODE_ECB).decrypt(base64.b64decode(ciphertext, validate=True)), AES.block_size)
    except (ValueError, binascii.Error) as error:
        raise Forged("ECB padding does not hold") from error


def oaep_decrypt(key: RSA.RsaKey, ciphertext: str) -> bytes:
    """The plaintext of a sensitive field (v3.md 8): RSAES-OAEP with SHA-1. Raises ``Forged``."""
    try:
        return PKCS1_OAEP.new(key).decrypt(base64.b64decode(ciphertext, validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise Forged("OAEP padding does not hold") from error


def md5_upper(message: bytes) -> str:
    """Upper-case hex of MD5, 32 characters (v2.md 2.1)."""
    return hashlib.md5(message).hexdigest().upper()


def hmac_upper(key: bytes, message: bytes) -> str:
    """Upper-case hex of HMAC-SHA256, 64 characters (v2.md 2.1)."""
    return hmac.new(key, message, hashlib.sha256).hexdigest().upper()


def same(left: str, right: str) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(left.encode("utf-8"), right.encode("utf-8"))
