"""Access tokens at rest: readable with AppSecret alone, so that a copy of the database gives none away. Pure.

AES-SIV (RFC 5297) under a key of its own, derived from AppSecret: without a nonce, so that equal tokens stay equal and
can be compared sealed. Whoever has AppSecret could fetch a token anyway; nobody else learns anything.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.errors import TokenRefused


class Vault:
    def __init__(self, app_secret: str, appid: str) -> None:
        key = HKDF(SHA256(), 64, salt=None, info=b"access token at rest").derive(app_secret.encode())
        self._cipher = AESSIV(key)
        self._bound_to = [appid.encode()]

    def seal(self, token: str) -> str:
        """ASCII, a little longer than the token."""
        return base64.urlsafe_b64encode(self._cipher.encrypt(token.encode(), self._bound_to)).decode()

    def open(self, sealed: str) -> str:
        """Raises TokenRefused if it was sealed under another AppSecret or is none: another token is needed."""
        try:
            return self._cipher.decrypt(base64.urlsafe_b64decode(sealed), self._bound_to).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise TokenRefused("the stored access token cannot be opened") from None
