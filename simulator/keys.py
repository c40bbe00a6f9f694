"""Which of WeChat's keys signs what (v3.md 7): the public key's pair or the platform certificate's.

Answers are signed as the request's ``Wechatpay-Serial`` asks. Notifications follow a switch:
``as_ordered`` (the kind that the order's own request asked for), ``public_key``, ``certificate``, or ``alternate``
(both arrive mixed, as during WeChat's migration). It must not sign anything itself.
"""

from __future__ import annotations

from Crypto.PublicKey import RSA

from simulator.merchant import Merchant

NOTIFY_KEYS = ("as_ordered", "public_key", "certificate", "alternate")


class Keys:
    """The switch, and the keys by name."""

    def __init__(self, merchant: Merchant) -> None:
        self.notify_key = "as_ordered"
        self.platform_certificates = True
        self._merchant = merchant
        self._turn = 0

    def named(self, name: str | None) -> tuple[RSA.RsaKey, str]:
        """(private key, serial) of ``certificate``; of the public key's pair for any other name."""
        if name == "certificate" and self.platform_certificates:
            return self._merchant.platform_key, self._merchant.platform_serial_no
        return self._merchant.wechatpay_key, self._merchant.public_key_id

    def kind_asked_for(self, wechatpay_serial: str) -> str:
        """The kind that a request asks to be answered with."""
        public = wechatpay_serial == self._merchant.public_key_id or not self.platform_certificates
        return "public_key" if public else "certificate"

    def for_notice(self, order_kind: str) -> str:
        """The kind that signs the next notification of an order whose request asked for ``order_kind``."""
        if self.notify_key == "alternate":
            self._turn += 1
            return "certificate" if self._turn % 2 else "public_key"
        return order_kind if self.notify_key == "as_ordered" else self.notify_key

    def published(self) -> dict[str, object]:
        return {"notify_key": self.notify_key, "platform_certificates": self.platform_certificates}
