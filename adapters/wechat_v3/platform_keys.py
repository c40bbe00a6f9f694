"""The keys that WeChat's signatures are verified with: its public key, and the platform certificates downloaded so far.

It fetches nothing. An unknown serial stays unknown until the next refresh, whoever sends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from adapters.wechat_v3.codec import Certificate, Keys


class PlatformKeys:
    """Both kinds side by side, chosen by the serial that a message names: during a migration they arrive mixed."""

    def __init__(self, public_key: Mapping[str, RSAPublicKey]) -> None:
        self._public_key = dict(public_key)
        self._certificates: Mapping[str, Certificate] = MappingProxyType({})

    @property
    def certificates(self) -> Mapping[str, Certificate]:
        return self._certificates

    def at(self, now: int) -> Keys:
        """The keys that may verify at ``now`` (epoch seconds): expired certificates may not."""
        valid = {serial: each.key for serial, each in self._certificates.items() if now < each.expires_at}
        return MappingProxyType({**valid, **self._public_key})

    def newest(self, now: int) -> str | None:
        """The serial of the valid certificate that lasts longest: the one to name to WeChat (v3.md 6)."""
        valid = [each for each in self._certificates.values() if now < each.expires_at]
        return max(valid, key=lambda each: each.expires_at).serial_no if valid else None

    def replace(self, listed: Iterable[Certificate], now: int) -> None:
        """Take over WeChat's whole list. A list without a single valid certificate changes nothing."""
        valid = {each.serial_no: each for each in listed if now < each.expires_at}
        if valid:
            self._certificates = MappingProxyType(valid)
