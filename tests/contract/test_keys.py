"""WeChat's certificates come and go (v3.md 6): a refresh takes over the whole list, or changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.errors import BadSignature, NotFound, OutcomeUnknown, Throttled
from tests.contract.conftest import WAYS, Shop
from tests.contract.uses import error_of

DAY = 86_400


def refresh(adapter):
    return adapter.refresh_keys()


@pytest.fixture(params=[way for way in WAYS if way.certificates], ids=lambda way: way.name)
def own(request, gateway, files) -> Iterator[Shop]:
    """A shop of this test's own, which has fetched the certificates that there are: the others hold on to theirs."""
    gateway.clear_faults()
    gateway.put("keys", {"notify_key": "certificate", "platform_certificates": True})
    shop = Shop(gateway, request.param, files)
    yield shop
    shop.close()
    gateway.clear_faults()
    gateway.put("keys", {"platform_certificates": True})
    for listed in gateway.get("keys")["certificates"][1:]:
        gateway.put("keys", {"retire_certificate": listed["serial_no"]})


def published(gateway) -> str:
    """One more, a day before it takes effect; its serial number."""
    listed = gateway.put("keys", {"new_certificate": {"effective_seconds": DAY}})["certificates"]
    return str(listed[-1]["serial_no"])


def notices(shop):
    """A notification of one payment by each certificate that is listed, oldest first."""
    attempt = shop.paid()
    made = []
    for listed in shop.gateway.get("keys")["certificates"]:
        shop.gateway.put("keys", {"notifications_by": listed["serial_no"]})
        made.append(shop.notice(out_trade_no=attempt.out_trade_no))
    shop.gateway.put("keys", {"notifications_by": None})
    return made


def test_a_new_one_verifies_beside_the_old_one_from_the_refresh_on(own):
    published(own.gateway)
    old, new = notices(own)
    last = own.gateway.get("exchanges")["exchanges"][-1]
    assert own.parse(*old).kind == "payment"
    with pytest.raises(BadSignature, match="unknown serial"):
        own.parse(*new)
    assert own.gateway.get("exchanges")["exchanges"][-1] == last  # an unknown serial makes nobody ask
    own.call(refresh)
    assert [own.parse(*notice).report for notice in (old, new)] == [own.parse(*old).report] * 2


def test_one_that_is_published_no_more_verifies_no_more(own):
    serial = published(own.gateway)
    old, new = notices(own)
    own.call(refresh)
    assert own.parse(*new).kind == "payment"
    own.gateway.put("keys", {"retire_certificate": serial})
    own.call(refresh)
    assert own.parse(*old).kind == "payment"
    with pytest.raises(BadSignature, match="unknown serial"):
        own.parse(*new)


@pytest.mark.parametrize("fault", ["unsigned", "bad_signature", "signtest", "stale", "wrong_serial", "tamper", "empty"])
def test_a_list_that_cannot_be_believed_leaves_every_key_as_it_was(own, fault):
    """Also when what it lists would be news."""
    published(own.gateway)
    old, new = notices(own)
    own.fault("certificates", fault, **({"field": "ciphertext"} if fault == "tamper" else {}))
    assert type(error_of(own, refresh)) is OutcomeUnknown
    assert own.parse(*old).kind == "payment"
    with pytest.raises(BadSignature, match="unknown serial"):
        own.parse(*new)


@pytest.mark.parametrize("fault", ["drop_before", "http_500_before", "frequency_limited", "system_error", "truncate"])
def test_a_refresh_that_fails_leaves_every_key_as_it_was(own, fault):
    (old,) = notices(own)
    own.fault("certificates", fault)
    assert type(error_of(own, refresh)) in (OutcomeUnknown, Throttled)
    assert own.parse(*old).kind == "payment"


def test_an_empty_list_leaves_every_key_as_it_was(own):
    (old,) = notices(own)
    own.gateway.put("keys", {"platform_certificates": False})
    if own.way.public_key:  # a merchant may have no certificates
        own.call(refresh)
    else:
        assert type(error_of(own, refresh)) is NotFound
    assert own.parse(*old).kind == "payment"
