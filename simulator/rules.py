"""What a value may be: lengths in bytes, characters, order numbers, addresses, times. Shared by both field tables.

Pure. A rule returns a short Chinese reason, as WeChat's texts have it, or None; it must not know where a value stands.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_ORDER_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def text_problem(value: str, most: int, least: int = 1) -> str | None:
    """Bytes of UTF-8, characters of at most three bytes, no control characters (v2.md 1, v3.md 1)."""
    try:
        length = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        return "包含非UTF-8字符"
    if length > most:
        return f"字节数 {length}，大于最大值 {most}"
    if length < least:
        return f"字节数 {length}，小于最小值 {least}"
    if any(ord(character) > 0xFFFF for character in value):
        return "包含4字节UTF-8字符"
    if any(ord(character) < 0x20 and character not in "\t\r\n" for character in value):
        return "包含控制字符"
    return None


def order_number_problem(value: str) -> str | None:
    return None if _ORDER_NUMBER.fullmatch(value) else "只能是6至32位的数字、大小写字母和_-|*"


def refund_number_problem(value: str) -> str | None:
    return None if _REFUND_NUMBER.fullmatch(value) else "只能是1至64位的数字、大小写字母和_-|*@"


def address_problem(value: str) -> str | None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "不是IPv4或IPv6地址"
    return None


def notify_url_problem(value: str, https_only: bool) -> str | None:
    """v2.md 12.4 and v3.md 15.4, but for one thing: a simulator may be told a plain http address on loopback."""
    try:
        url = urlsplit(value)
        host = url.hostname
        url.port  # noqa: B018  raises on nonsense
    except ValueError:
        return "不是合法的URL"
    if not value.isascii() or re.search(r"[\s<>\"]", value) or not host or not url.path:
        return "必须是带路径的绝对URL"
    if "?" in value or "#" in value or url.username is not None:
        return "不能携带参数"
    if url.scheme == "https" or (url.scheme == "http" and (not https_only or is_loopback(host))):
        return None
    return "必须以https://开头"


def is_loopback(host: str) -> bool:
    """``localhost``, 127.0.0.0/8 or ::1, without a port."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_rfc3339(value: str) -> float:
    """Epoch seconds; ValueError if it is no such time."""
    if not _RFC3339.fullmatch(value):
        raise ValueError("not RFC 3339")
    return datetime.fromisoformat(value).timestamp()


def rfc3339_problem(value: str) -> str | None:
    try:
        parse_rfc3339(value)
    except (ValueError, OverflowError):
        return "不是RFC 3339时间"
    return None
