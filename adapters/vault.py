"""Secrets at rest: readable with AppSecret alone, so that a copy of the database gives none away. Pure.

AES-SIV (RFC 5297) under a key of its own for each purpose, derived from AppSecret: without a nonce, so that equal
secrets of one owner stay equal and can be compared sealed. Whoever has AppSecret could fetch an access token anyway;
nobody else learns anything.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ACCESS_TOKEN = "access token at rest"  # noqa: S105 - what the key is for
PHONE = "operator's phone at rest"


class Vault:
    def __init__(self, app_secret: str, purpose: str) -> None:
        self._cipher = AESSIV(HKDF(SHA256(), 64, salt=None, info=purpose.encode()).derive(app_secret.encode()))

    def seal(self, secret: str, owner: str) -> str:
        """ASCII, a little longer than the secret. Opens for the same ``owner`` alone: an appid, an operator's name."""
        return base64.urlsafe_b64encode(self._cipher.encrypt(secret.encode(), [owner.encode()])).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Raises ValueError if it was sealed under another AppSecret, for another owner, or is nothing sealed."""
        try:
            return self._cipher.decrypt(base64.urlsafe_b64decode(sealed), [owner.encode()]).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise ValueError("it was not sealed here") from None
