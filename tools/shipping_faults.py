"""Faults of access tokens and shipping that ``tools/mutants.py`` plants, as data; of the same form as in
``protocol_faults``.

``TESTS`` are the tests that must notice. Nothing here runs anything.
"""

from __future__ import annotations

from tools.protocol_faults import Fault

FILES = {
    "codes": "adapters/errcodes.py",
    "ship": "adapters/shipping.py",
    "vault": "adapters/vault.py",
}
TESTS = ("shipping",)

_ORDER = '"order_key": {"order_number_type": TRANSACTION_ID, "transaction_id": shipment.provider_transaction_id},'
_TIME = '"upload_time": datetime.fromtimestamp(shipment.at, BEIJING).isoformat(timespec="milliseconds"),'
_BODY = 'body = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()'
_KIND = "kind = table.get(errcode, OutcomeUnknown) if type(errcode) is int else OutcomeUnknown"
_ABOUT = 'if not isinstance(order, dict) or order.get("transaction_id") != provider_transaction_id:'
_WHOLE = "unified = shipment.all_delivered and len(shipment.parcels) == 1"
_SEALED = "return AccessToken(self._vault.seal(token, self.appid), min(life, LONGEST_LIFE))"
_CIPHER = "self._cipher = AESSIV(HKDF(SHA256(), 64, salt=None, info=purpose.encode()).derive(app_secret.encode()))"
_QUOTED = "quoted = any(secret and secret in message for secret in secrets)"
_NAMED = 'name = NAMES.get(number, "") if parcels and type(number) is int else ""'

FAULTS = [
    Fault(
        "ship",
        "the order named by another kind of number",
        "TRANSACTION_ID = 2  # order_number_type",
        "TRANSACTION_ID = 1",
    ),
    Fault("ship", "the order not named", _ORDER, '"order_key": {"order_number_type": TRANSACTION_ID},'),
    Fault("ship", "seconds alone", _TIME, _TIME.replace('timespec="milliseconds"', "")),
    Fault(
        "ship", "in another zone", "BEIJING = timezone(timedelta(hours=8))", "BEIJING = timezone(timedelta(hours=0))"
    ),
    Fault("ship", "escaped text", _BODY, _BODY.replace("ensure_ascii=False, ", "")),
    Fault("ship", "several parcels in one", _WHOLE, "unified = shipment.all_delivered"),
    Fault("ship", "a first parcel for the last", _WHOLE, "unified = len(shipment.parcels) == 1"),
    Fault(
        "ship", "an empty key sent", "return {name: value for name, value in wanted.items() if value}", "return wanted"
    ),
    Fault("ship", "another order's shipping", _ABOUT, "if not isinstance(order, dict):"),
    Fault("ship", "a form that is no number", _NAMED, 'name = NAMES.get(int(number), "") if parcels else ""'),
    Fault(
        "ship",
        "a race taken for a refusal",
        "10060001: NotReady,  # the order reaches shipping some seconds after its payment",
        "10060001: Rejected,",
    ),
    Fault("ship", "shipped already, and nobody looks", "10060002: Conflict,  # shipped already", "10060002: Rejected,"),
    Fault("ship", "an expired token taken for a refusal", "42001: TokenRefused,  # expired", "42001: Rejected,"),
    Fault("ship", "the token in the clear", _SEALED, _SEALED.replace("self._vault.seal(token, self.appid)", "token")),
    Fault("ship", "a token for ever", _SEALED, _SEALED.replace("min(life, LONGEST_LIFE)", "life")),
    Fault(
        "ship",
        "a token that is quoted",
        "return await self._post(name, path, asked, table, (token,))",
        "return await self._post(name, path, asked, table, ())",
    ),
    Fault("codes", "a quoted secret passed on", _QUOTED, "quoted = False"),
    Fault("codes", "any word for a number", _KIND, "kind = table.get(int(errcode), OutcomeUnknown)"),
    Fault(
        "codes",
        "an unknown code is final",
        _KIND,
        _KIND.replace("table.get(errcode, OutcomeUnknown)", "table.get(errcode, PaymentError)"),
    ),
    Fault("codes", "any status", "if response.status != 200:", "if response.status >= 600:"),
    Fault(
        "vault",
        "bound to nobody",
        "return base64.urlsafe_b64encode(self._cipher.encrypt(secret.encode(), [owner.encode()])).decode()",
        'return base64.urlsafe_b64encode(self._cipher.encrypt(secret.encode(), [b""])).decode()',
    ),
    Fault("vault", "a key that everybody has", _CIPHER, _CIPHER.replace("app_secret.encode()", 'b""')),
    Fault("vault", "one key for every purpose", _CIPHER, _CIPHER.replace("purpose.encode()", 'b""')),
    Fault(
        "vault",
        "a broken seal is no refusal",
        "except (InvalidTag, ValueError, binascii.Error):",
        "except binascii.Error:",
    ),
]
