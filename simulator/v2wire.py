"""API v2 on the wire: flat XML and the keyed signature (v2.md 2 and 3).

Pure: bytes, fields and keys in; fields and bytes out. It must not know routes, orders or the clock. The reader is the
standard library's expat with everything switched off that WeChat's messages do not need.
"""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Mapping

from simulator import primitives
from simulator.wire import GENUINE, Seal

SIGN_TYPES = ("MD5", "HMAC-SHA256")
_MAX_ELEMENTS = 200
_STRANGERS_KEY = "SIMforger" * 4


class XmlRefused(Exception):
    """Not a message of API v2. ``code`` is WeChat's word for it (v2.md 4)."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class _FlatReader:
    """Collects ``<root><name>text</name>...</root>``; anything else raises ``XmlRefused`` out of expat."""

    def __init__(self, root: str) -> None:
        self.fields: dict[str, str] = {}
        self._root = root
        self._open: list[str] = []
        self._text: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if attributes:
            raise _malformed(f"element {name} has attributes")
        if not self._open and name != self._root:
            raise _malformed(f"root element is not {self._root}")
        if len(self._open) == 2:
            raise _malformed(f"element {name} is nested")
        if self._open and name in self.fields:
            raise _malformed(f"element {name} appears twice")
        if len(self.fields) >= _MAX_ELEMENTS:
            raise _malformed("too many elements")
        self._open.append(name)
        self._text = []

    def end(self, name: str) -> None:
        if len(self._open) == 2:
            self.fields[name] = "".join(self._text)
        self._open.pop()

    def text(self, data: str) -> None:
        if len(self._open) == 2:
            self._text.append(data)
        elif data.strip(" \t\r\n"):
            raise _malformed("text outside the elements")


def _malformed(why: str) -> XmlRefused:
    return XmlRefused("XML_FORMAT_ERROR", why)


def _refuse(what: str) -> object:
    def refuse(*_: object) -> None:
        raise _malformed(f"{what} is not allowed")

    return refuse


def _declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding and encoding.lower() not in ("utf-8", "utf8"):
        raise XmlRefused("NOT_UTF8", "declared in another encoding than UTF-8")


def parse_xml(body: bytes, root: str = "xml") -> dict[str, str]:
    """Fields of a flat message. Refuses DTD, comments, attributes, nesting, repeats, a BOM and all but UTF-8.

    Raises ``XmlRefused``. Values are as written: not trimmed, not decoded further.
    """
    if not body:
        raise XmlRefused("POST_DATA_EMPTY", "the body is empty")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise XmlRefused("NOT_UTF8", "the body is not UTF-8") from error
    if body.startswith(b"\xef\xbb\xbf"):
        raise _malformed("the body begins with a byte order mark")
    reader = _FlatReader(root)
    try:
        _parser(reader).Parse(body, True)
    except xml.parsers.expat.ExpatError as error:
        raise _malformed(f"not well-formed: {error}") from error
    return reader.fields


def _parser(reader: _FlatReader) -> xml.parsers.expat.XMLParserType:
    parser = xml.parsers.expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.XmlDeclHandler = _declaration
    for handler, what in (
        ("StartDoctypeDeclHandler", "a DTD"),
        ("EntityDeclHandler", "an entity"),
        ("CommentHandler", "a comment"),
        ("ProcessingInstructionHandler", "a processing instruction"),
    ):
        setattr(parser, handler, _refuse(what))
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    return parser


def write_xml(fields: Mapping[str, str], plain_integers: bool = False, root: str = "xml") -> bytes:
    """``<xml>`` (or another root) with CDATA values, or integers bare, as WeChat writes both (v2.md 3)."""
    lines = [f"<{name}>{_value(value, plain_integers)}</{name}>" for name, value in fields.items()]
    return (f"<{root}>" + "\n".join(lines) + f"</{root}>").encode("utf-8")


def _value(value: str, plain_integers: bool) -> str:
    if plain_integers and value.isascii() and value.isdigit():
        return value
    return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def sign_string(fields: Mapping[str, str], key: str) -> str:
    """The string of v2.md 2.1, steps 1 to 5."""
    pairs = [f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != ""]
    return "&".join([*pairs, f"key={key}"])


def digest(text: str, key: str, sign_type: str) -> str:
    """Step 6: MD5 or HMAC-SHA256 of a string that already ends with the key."""
    message = text.encode("utf-8")
    if sign_type == "MD5":
        return primitives.md5_upper(message)
    if sign_type == "HMAC-SHA256":
        return primitives.hmac_upper(key.encode("utf-8"), message)
    raise ValueError(f"no sign type {sign_type}")


def sign(fields: Mapping[str, str], key: str, sign_type: str) -> str:
    """The ``sign`` (or ``paySign``) of these fields: 32 or 64 upper-case hex characters."""
    return digest(sign_string(fields, key), key, sign_type)


def verify(fields: Mapping[str, str], key: str, sign_type: str) -> None:
    """Raise ``primitives.Forged`` unless ``fields["sign"]`` holds; a missing one does not."""
    if not primitives.same(fields.get("sign", ""), sign(fields, key, sign_type)):
        raise primitives.Forged("v2 signature does not hold")


def sealed(fields: Mapping[str, str], key: str, sign_type: str, seal: Seal = GENUINE) -> dict[str, str]:
    """The fields with their ``sign`` appended, or with what ``seal`` wants instead."""
    if seal.kind == "missing":
        return dict(fields)
    if seal.kind == "forged":
        return {**fields, "sign": sign(fields, _STRANGERS_KEY, sign_type)}
    genuine = sign(fields, key, sign_type)
    return {**fields, "sign": genuine if seal.kind == "genuine" else _broken(genuine)}


def _broken(genuine: str) -> str:
    return ("1" if genuine[0] == "0" else "0") + genuine[1:]
