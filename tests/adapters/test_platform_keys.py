"""Which key may verify, and when: WeChat's public key and its platform certificates, side by side."""

from __future__ import annotations

import pytest

from adapters.wechat_v3.codec import Certificate
from adapters.wechat_v3.platform_keys import PlatformKeys
from tests.adapters.known import NOW, PLATFORM_SERIAL, PUBLIC_KEY_ID, VERIFICATION

KEY = VERIFICATION[PLATFORM_SERIAL]
PUBLIC = {PUBLIC_KEY_ID: VERIFICATION[PUBLIC_KEY_ID]}


def certificate(serial="A1", expires_at=NOW + 1000):
    return Certificate(serial, KEY, expires_at)


def test_public_key_mode_needs_no_download():
    assert PlatformKeys(PUBLIC).at(NOW) == PUBLIC


def test_without_anything_there_is_nothing_to_verify_with():
    assert PlatformKeys({}).at(NOW) == {}


def test_both_kinds_are_held():
    keys = PlatformKeys(PUBLIC)
    keys.replace([certificate("A1"), certificate("A2")], NOW)
    assert set(keys.at(NOW)) == {PUBLIC_KEY_ID, "A1", "A2"}


def test_a_new_list_replaces_the_old_one_whole():
    keys = PlatformKeys(PUBLIC)
    keys.replace([certificate("A1"), certificate("A2")], NOW)
    keys.replace([certificate("A2"), certificate("A3")], NOW)
    assert set(keys.at(NOW)) == {PUBLIC_KEY_ID, "A2", "A3"}


@pytest.mark.parametrize("useless", [[], [certificate("A9", NOW)], [certificate("A9", NOW - 1)]])
def test_a_useless_list_leaves_everything_as_it_was(useless):
    keys = PlatformKeys({})
    keys.replace([certificate("A1")], NOW)
    keys.replace(useless, NOW)
    assert set(keys.at(NOW)) == {"A1"}


def test_an_expired_certificate_verifies_nothing():
    keys = PlatformKeys(PUBLIC)
    keys.replace([certificate("A1", NOW + 10), certificate("A2", NOW + 20)], NOW)
    assert set(keys.at(NOW + 9)) == {PUBLIC_KEY_ID, "A1", "A2"}
    assert set(keys.at(NOW + 10)) == {PUBLIC_KEY_ID, "A2"}
    assert set(keys.at(NOW + 20)) == {PUBLIC_KEY_ID}


def test_a_listed_certificate_never_takes_the_place_of_the_public_key():
    keys = PlatformKeys(PUBLIC)
    keys.replace([certificate(PUBLIC_KEY_ID)], NOW)
    assert keys.at(NOW)[PUBLIC_KEY_ID] is PUBLIC[PUBLIC_KEY_ID]


def test_what_was_handed_out_cannot_be_changed():
    keys = PlatformKeys(PUBLIC)
    keys.replace([certificate()], NOW)
    for mapping in (keys.at(NOW), keys.certificates):
        with pytest.raises(TypeError):
            mapping["A2"] = None
