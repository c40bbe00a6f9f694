"""Why a v3 signature does not hold. From the merchant's public key the hash inside the signature can be read, which
tells a wrong key from a wrong string at once; then the strings that people sign by mistake are compared with that hash.

Pure. It must not decide whether a signature holds; ``primitives.rsa_verify`` has done that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from Crypto.PublicKey import RSA

from simulator import v3wire
from simulator.primitives import recover_digest
from simulator.wire import Diagnosis, first_difference

_MOST_SHOWN = 2000
_DIGITS = re.compile(r"[0-9]{1,16}")
_NO_SIGNATURE = "not a base64 signature of an RSA-2048 key"


@dataclass(frozen=True)
class Request:
    """What was signed, by its parts. ``host`` is the Host header, to recognise a signed absolute URL."""

    method: str
    url: str
    timestamp: str
    nonce: str
    body: bytes
    host: str = ""

    def text(self, **changes: object) -> bytes:
        parts = vars(self) | changes
        return v3wire.request_string(*(parts[n] for n in ("method", "url", "timestamp", "nonce", "body")))


@dataclass(frozen=True)
class PayRequest:
    """The four parts of paySign (v3.md 10)."""

    appid: str
    timestamp: str
    nonce: str
    package: str

    def text(self, **changes: str) -> bytes:
        return v3wire.pay_string(**(vars(self) | changes))


def explain_request(key: RSA.RsaKey, request: Request, signature: str) -> Diagnosis:
    """Of an Authorization header."""
    return _explain(key, request.text(), _request_mistakes(request), signature)


def explain_pay(key: RSA.RsaKey, request: PayRequest, signature: str) -> Diagnosis:
    """Of a paySign."""
    return _explain(key, request.text(), _pay_mistakes(request), signature)


def _explain(key: RSA.RsaKey, ours: bytes, mistakes: Iterator[tuple[str, bytes]], signature: str) -> Diagnosis:
    shown = _shown(ours)
    found = recover_digest(key, signature)
    if found is None:
        return Diagnosis(_foreign(key, signature), shown)
    algorithm = found.algorithm.replace("-", "").lower()
    if found.algorithm != "SHA-256":
        same = hashlib.new(algorithm, ours).digest() == found.digest
        return Diagnosis(
            f"hashed with {found.algorithm} instead of SHA-256" + ("" if same else ", and another string"), shown
        )
    for cause, theirs in mistakes:
        if hashlib.sha256(theirs).digest() == found.digest:
            return Diagnosis(cause, shown, first_difference(ours, theirs))
    return Diagnosis("the right key signed another string: compare yours with this one", shown)


def _foreign(key: RSA.RsaKey, signature: str) -> str:
    if recover_digest(key, signature.replace("-", "+").replace("_", "/") + "=" * (-len(signature) % 4)):
        return "URL-safe or unpadded base64: use the standard alphabet with padding"
    if len(signature) != 344:
        return f"{_NO_SIGNATURE} ({len(signature)} characters instead of 344)"
    return "wrong private key (not the one of this merchant certificate), or not PKCS#1 v1.5 padding"


def _shown(text: bytes) -> str:
    readable = text.decode("utf-8", "backslashreplace")
    return readable if len(readable) <= _MOST_SHOWN else readable[:_MOST_SHOWN] + "..."


def _request_mistakes(request: Request) -> Iterator[tuple[str, bytes]]:
    ours = request.text()
    yield "the last line is not ended by a newline", ours[:-1]
    if not request.body:
        yield "the empty body line was left out: an empty body still has its newline", ours[:-2]
        yield "the empty body line was left out: an empty body still has its newline", ours[:-1]
        for text in (b"{}", b"null", b'""', b"None"):
            yield f"{text.decode()} was signed as the body, but none is sent", request.text(body=text)
    yield from _url_mistakes(request)
    yield from _body_mistakes(request)
    yield "the method was signed in lower case", request.text(method=request.method.lower())
    yield from _time_mistakes(request)
    yield "lines were ended by CR LF", ours.replace(b"\n", b"\r\n")
    yield "lines were joined by a literal backslash and n", ours.replace(b"\n", b"\\n")
    yield "nonce and timestamp were exchanged", request.text(timestamp=request.nonce, nonce=request.timestamp)


def _url_mistakes(request: Request) -> Iterator[tuple[str, bytes]]:
    for scheme in ("http", "https"):
        yield "the URL was signed with scheme and host", request.text(url=f"{scheme}://{request.host}{request.url}")
    for host in ("api.mch.weixin.qq.com", "api.wechatpay.cn"):
        yield "the URL was signed with WeChat's scheme and host", request.text(url=f"https://{host}{request.url}")
    yield "the URL was signed with the host", request.text(url=request.host + request.url)
    path, question, query = request.url.partition("?")
    yield "the query was left out of the signed URL", request.text(url=path)
    yield "the URL was signed percent-decoded", request.text(url=unquote(request.url))
    yield "the URL was signed without its leading slash", request.text(url=request.url[1:])
    yield "the URL was signed without /v3", request.text(url=request.url.removeprefix("/v3"))
    if question:
        ordered = "&".join(sorted(query.split("&")))
        yield "the query was reordered before signing", request.text(url=f"{path}?{ordered}")


def _body_mistakes(request: Request) -> Iterator[tuple[str, bytes]]:
    if not request.body:
        return
    yield "the body was not signed: an empty line stood in its place", request.text(body=b"")
    try:
        value = v3wire.load_json(request.body)
    except v3wire.JsonRefused:
        return
    for escaped in (True, False):
        for separators in ((",", ":"), (", ", ": ")):
            for ordered in (True, False):
                text = json.dumps(value, ensure_ascii=escaped, separators=separators, sort_keys=ordered)
                other = request.text(body=text.encode("utf-8", "surrogatepass"))
                yield "the body was serialised twice: sign and send the same bytes", other
    yield "the body was signed with white space around it", request.text(body=request.body + b"\n")


def _time_mistakes(request: Request) -> Iterator[tuple[str, bytes]]:
    if not _DIGITS.fullmatch(request.timestamp):
        return
    moment = int(request.timestamp)
    yield "the timestamp was signed in milliseconds", request.text(timestamp=str(moment * 1000))
    for shift in (*range(-30, 0), *range(1, 31)):
        cause = "another timestamp was signed than is sent: take the time once"
        yield cause, request.text(timestamp=str(moment + shift))


def _pay_mistakes(request: PayRequest) -> Iterator[tuple[str, bytes]]:
    ours = request.text()
    bare = request.package.removeprefix("prepay_id=")
    yield "package was signed without prepay_id=", request.text(package=bare)
    yield "the last line is not ended by a newline", ours[:-1]
    yield "package was signed without prepay_id= and the last newline", request.text(package=bare)[:-1]
    swapped = request.text(timestamp=request.nonce, nonce=request.timestamp)
    yield "nonceStr and timeStamp were exchanged", swapped
    yield "the appId was left out", request.text(appid="")
    fields = {
        "appId": request.appid,
        "nonceStr": request.nonce,
        "package": request.package,
        "signType": "RSA",
        "timeStamp": request.timestamp,
    }
    yield "the v2 string (name=value&...) was signed", "&".join(f"{k}={v}" for k, v in sorted(fields.items())).encode()
    yield "signType was signed as a fifth line", ours + b"RSA\n"
    yield "lines were ended by CR LF", ours.replace(b"\n", b"\r\n")
    yield "lines were joined by a literal backslash and n", ours.replace(b"\n", b"\\n")
    if _DIGITS.fullmatch(request.timestamp):
        moment = int(request.timestamp)
        yield "timeStamp was signed in milliseconds", request.text(timestamp=str(moment * 1000))
        yield "timeStamp was signed in seconds but sent in milliseconds", request.text(timestamp=str(moment // 1000))
