"""Which of WeChat's keys signs what (v3.md 6, 7): the public key's pair, or a platform certificate's.

Answers are signed with the kind that the request's ``Wechatpay-Serial`` asks for. Notifications follow a switch:
``as_ordered`` (the kind that the order's own request asked for), ``public_key``, ``certificate``, or ``alternate``.
While a merchant migrates, a share of what a certificate would sign is signed by the public key's pair all the same.
Of several certificates the newest that is effective signs, unless another is named. It must not sign anything itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from Crypto.PublicKey import RSA

from simulator import certificates
from simulator.clock import Clock
from simulator.entities import Certificate
from simulator.ledger import Ledger
from simulator.merchant import Merchant
from simulator.wishes import WishRefused

NOTIFY_KEYS = ("as_ordered", "public_key", "certificate", "alternate")
ANSWERS, NOTIFICATIONS = "answers", "notifications"

Signer = tuple[RSA.RsaKey, str]  # the private key, and what Wechatpay-Serial says


@dataclass
class Share:
    """So much of what passes, evenly spread and the same in every run: of 0.2 every fifth."""

    part: float = 0.0
    due: float = 0.0

    def takes(self) -> bool:
        self.due += self.part
        if self.due < 1 - 1e-9:
            return False
        self.due -= 1
        return True


class Keys:
    """The switches, and the keys by kind. The first certificate is the merchant's; more are kept in the ledger."""

    def __init__(self, merchant: Merchant, ledger: Ledger, clock: Clock) -> None:
        self.notify_key = "as_ordered"
        self.platform_certificates = True
        self.shares = {ANSWERS: Share(), NOTIFICATIONS: Share()}
        self._named: dict[str, str | None] = {ANSWERS: None, NOTIFICATIONS: None}
        self._merchant = merchant
        self._ledger = ledger
        self._clock = clock
        self._turn = 0
        if merchant.platform_serial_no not in ledger.certificates:
            ledger.keep(_first(merchant))

    def listed(self) -> list[Certificate]:
        """What GET /v3/certificates publishes, oldest first."""
        known = self._ledger.certificates.values() if self.platform_certificates else ()
        return sorted((one for one in known if not one.retired), key=lambda one: one.effective_at)

    def knows(self, serial: str) -> bool:
        """May a request name this key? (The certificate of a merchant that has none is still known.)"""
        certificate = self._ledger.certificates.get(serial)
        return serial == self._merchant.public_key_id or (certificate is not None and not certificate.retired)

    def kind_asked_for(self, wechatpay_serial: str) -> str:
        """The kind that a request asks to be answered with."""
        public = wechatpay_serial == self._merchant.public_key_id or not self.platform_certificates
        return "public_key" if public else "certificate"

    def opening(self, wechatpay_serial: str) -> RSA.RsaKey:
        """The private key for what a request encrypted with the key that it names."""
        certificate = self._ledger.certificates.get(wechatpay_serial)
        if certificate is not None:
            return _imported(certificate.private_key)
        return self._signer(self.kind_asked_for(wechatpay_serial), ANSWERS)[0]

    def for_answer(self, kind: str) -> Signer:
        """Who signs the answer to a request that asked for this kind."""
        return self._signer(self._migrated(kind, ANSWERS), ANSWERS)

    def for_notice(self, kind: str | None) -> Signer:
        """Who signs a notification of the kind that ``notice_kind`` gave."""
        return self._signer(kind, NOTIFICATIONS)

    def notice_kind(self, order_kind: str) -> str:
        """The kind that signs the next notification of an order whose request asked for ``order_kind``."""
        if self.notify_key == "alternate":
            self._turn += 1
            return "certificate" if self._turn % 2 else "public_key"
        return self._migrated(order_kind if self.notify_key == "as_ordered" else self.notify_key, NOTIFICATIONS)

    @property
    def current(self) -> Certificate:
        """The newest platform certificate that is effective."""
        effective = [one for one in self._ledger.certificates.values() if not one.retired and self._is_effective(one)]
        return max(effective, key=lambda one: one.effective_at)

    @property
    def stranger(self) -> RSA.RsaKey:
        """A private key that is not WeChat's."""
        return _imported(_stranger_pem())

    def add(self, effective_seconds: float) -> None:
        """Publish one more certificate; it signs from then on, counted in virtual seconds from now."""
        self._ledger.keep(certificates.platform(self._clock.now() + effective_seconds))

    def retire(self, serial: str) -> None:
        """Publish it no more; what it signed by name is signed by the newest."""
        certificate = self._listed(serial)
        if not any(self._is_effective(one) for one in self.listed() if one is not certificate):
            raise WishRefused("the last certificate that is effective cannot be retired")
        certificate.retired = True
        self._ledger.keep(certificate)
        self._named = {use: None if named == serial else named for use, named in self._named.items()}

    def name(self, use: str, serial: str | None) -> None:
        """Let this certificate sign answers or notifications; None: the newest that is effective."""
        self._named[use] = self._listed(serial).serial_no if serial is not None else None

    def published(self) -> dict[str, object]:
        shares = {"answer_share": self.shares[ANSWERS].part, "notify_share": self.shares[NOTIFICATIONS].part}
        switches = {"notify_key": self.notify_key, "platform_certificates": self.platform_certificates}
        return switches | shares | {"certificates": [self._shown(one) for one in self.listed()]}

    def _shown(self, certificate: Certificate) -> dict[str, object]:
        signs = [use for use in self._named if self._certificate(use) is certificate]
        shown = {"serial_no": certificate.serial_no, "certificate": certificate.certificate}
        return shown | {"effective_at": certificate.effective_at, "signs": signs}

    def _listed(self, serial: str) -> Certificate:
        certificate = next((one for one in self.listed() if one.serial_no == serial), None)
        if certificate is None:
            raise WishRefused("no such certificate; GET /_sim/keys lists them")
        return certificate

    def _is_effective(self, certificate: Certificate) -> bool:
        return certificate.effective_at <= self._clock.now()

    def _certificate(self, use: str) -> Certificate:
        named = self._named[use]
        return self._ledger.certificates[named] if named else self.current

    def _migrated(self, kind: str, use: str) -> str:
        return "public_key" if kind == "certificate" and self.shares[use].takes() else kind

    def _signer(self, kind: str | None, use: str) -> Signer:
        if kind == "certificate" and self.platform_certificates:
            certificate = self._certificate(use)
            return _imported(certificate.private_key), certificate.serial_no
        return self._merchant.wechatpay_key, self._merchant.public_key_id


def _first(merchant: Merchant) -> Certificate:
    text = merchant.platform_certificate
    return Certificate(merchant.platform_serial_no, text, merchant.platform_private_key, certificates.began(text))


@lru_cache(maxsize=64)
def _imported(pem: str) -> RSA.RsaKey:
    return RSA.import_key(pem)


@lru_cache(maxsize=1)
def _stranger_pem() -> str:
    return certificates.platform(0.0).private_key
