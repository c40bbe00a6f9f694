"""Why a v2 signature does not hold: tries the mistakes people make until one yields the signature that was sent.

Pure. It is handed the secrets to try them, and shows none: every string comes back with ``key=***``. It must not decide
whether a signature holds; ``v2wire.verify`` has done that.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from simulator import v2wire
from simulator.primitives import hmac_upper, md5_upper
from simulator.wire import Diagnosis, first_difference

Fields = Mapping[str, str]
_MASK = "***"


@dataclass(frozen=True)
class Keys:
    """The right key, and keys of this merchant that people put in its place: cause -> key."""

    right: str
    wrong: Mapping[str, str]


@dataclass(frozen=True)
class _Mistake:
    cause: str
    build: Callable[[Fields], str]  # fields -> the string without the key


def explain(fields: Fields, keys: Keys, sign_type: str, given: str) -> Diagnosis:
    """The likely cause, our string, and where theirs parts from it when the mistake was found."""
    signed = {name: value for name, value in fields.items() if name != "sign"}
    ours = v2wire.sign_string(signed, _MASK)
    if given.upper() == v2wire.sign(signed, keys.right, sign_type):
        return Diagnosis("the signature is right but in lower case: it must be upper-case hex", ours)
    for cause, theirs in _tries(signed, keys, sign_type, given.upper()):
        return Diagnosis(cause, ours, first_difference(ours.encode(), theirs.encode("utf-8", "replace")))
    return Diagnosis(_by_length(given, sign_type), ours)


def _by_length(given: str, sign_type: str) -> str:
    expected = 32 if sign_type == "MD5" else 64
    if not given:
        return "the signature is missing"
    if len(given) != expected:
        return f"{len(given)} characters, but {sign_type} gives {expected}: another algorithm, or cut off"
    return "wrong API v2 key, or a value changed after it was signed"


def _tries(fields: Fields, keys: Keys, sign_type: str, given: str) -> Iterator[tuple[str, str]]:
    """(cause, masked string) of every mistake that gives ``given``, the plainest first."""
    other = "HMAC-SHA256" if sign_type == "MD5" else "MD5"
    plain = v2wire.sign_string(fields, keys.right)
    shown = v2wire.sign_string(fields, _MASK)
    if v2wire.digest(plain, keys.right, other) == given:
        yield f"signed with {other}, but the sign type is {sign_type}", shown
    yield from _keyless(plain.rpartition("&key=")[0], keys.right, given)
    for cause, wrong in keys.wrong.items():
        if given in _digests(v2wire.sign_string(fields, wrong), wrong):
            yield f"wrong key: {cause}", shown
    for mistake in _mistakes(fields, sign_type):
        text = mistake.build(fields)
        if given in _digests(f"{text}&key={keys.right}", keys.right):
            yield mistake.cause, f"{text}&key={_MASK}"


def _digests(text: str, key: str) -> tuple[str, str]:
    return v2wire.digest(text, key, "MD5"), v2wire.digest(text, key, "HMAC-SHA256")


def _keyless(text: str, key: str, given: str) -> Iterator[tuple[str, str]]:
    message = text.encode("utf-8")
    if hmac_upper(key.encode(), message) == given:
        yield "HMAC without &key= at the end of the string: the key belongs there too", text
    if md5_upper(message) == given:
        yield "MD5 without &key= at the end of the string", text
    if given in (md5_upper(message + key.encode()), hmac_upper(key.encode(), message + key.encode())):
        yield "the key was appended without &key=", text + _MASK
    if given in (md5_upper(message + b"&" + key.encode()), hmac_upper(key.encode(), message + b"&" + key.encode())):
        yield "the key was appended without key=", f"{text}&{_MASK}"


def _mistakes(fields: Fields, sign_type: str) -> Iterator[_Mistake]:
    yield _Mistake("empty values were signed: leave them out", lambda f: _join(f, empty=True))
    if "sign_type" in fields:
        yield _Mistake("sign_type is sent but was not signed", lambda f: _join(_without(f, "sign_type")))
    else:
        yield _Mistake("sign_type was signed but is not sent", lambda f: _join({**f, "sign_type": sign_type}))
    for cause, change in _VALUE_MISTAKES:
        yield _Mistake(cause, lambda f, change=change: _join({k: change(v) for k, v in f.items()}))  # type: ignore[misc]
    yield _Mistake("names were not sorted", lambda f: _join(f, order=list))
    yield _Mistake("names were sorted without regard to case", lambda f: _join(f, order=_caseless))
    yield from _name_mistakes(fields)
    for name in fields:
        yield _Mistake(f"{name} is sent but was not signed", lambda f, name=name: _join(_without(f, name)))  # type: ignore[misc]


_VALUE_MISTAKES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("values were URL-encoded before signing", lambda v: quote(v, safe="")),
    ("values were URL-encoded (form style) before signing", quote_plus),
    ("values were URL-decoded before signing", unquote),
    ("values were URL-decoded (form style) before signing", unquote_plus),
    ("values were XML-escaped before signing", lambda v: html.escape(v, quote=False)),
    ("values were trimmed before signing", str.strip),
    ("values were lower-cased before signing", str.lower),
)


def _name_mistakes(fields: Fields) -> Iterator[_Mistake]:
    """paySign: the five names and their cases (v2.md 5)."""
    if "appId" not in fields:
        return
    yield _Mistake("appid instead of appId was signed", lambda f: _join(_renamed(f, appId="appid")))
    yield _Mistake("timestamp instead of timeStamp was signed", lambda f: _join(_renamed(f, timeStamp="timestamp")))
    yield _Mistake("all names were signed in lower case", lambda f: _join({k.lower(): v for k, v in f.items()}))
    yield _Mistake(
        "package was signed without prepay_id=",
        lambda f: _join({**f, "package": f["package"].removeprefix("prepay_id=")}),
    )
    for sign_type in v2wire.SIGN_TYPES:
        yield _Mistake(
            f"signType {sign_type} was signed, but {fields.get('signType')} is sent",
            lambda f, sign_type=sign_type: _join({**f, "signType": sign_type}),  # type: ignore[misc]
        )


def _join(fields: Fields, empty: bool = False, order: Callable[[Fields], list[str]] = sorted) -> str:
    return "&".join(f"{name}={fields[name]}" for name in order(fields) if empty or fields[name] != "")


def _caseless(fields: Fields) -> list[str]:
    return sorted(fields, key=str.lower)


def _without(fields: Fields, name: str) -> Fields:
    return {k: v for k, v in fields.items() if k != name}


def _renamed(fields: Fields, **names: str) -> Fields:
    return {names.get(k, k): v for k, v in fields.items()}
