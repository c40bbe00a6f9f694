"""What ``self_check`` makes of the keys we hold and of an answer's Date. It asks nobody itself."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from adapters.base import Check
from adapters.transport import Response
from adapters.wechat_v3.platform_keys import PlatformKeys

ALARMING_SKEW = 60  # seconds between WeChat's clock and ours (money.md F60); from 300 on nothing verifies
SOON = 30 * 86_400


def of_keys(keys: PlatformKeys, now: int, *, public: bool) -> Check:
    """``public``: WeChat's public key is held, so that platform certificates may end without harm."""
    ends = max((each.expires_at for each in keys.certificates.values()), default=0)
    if not public and ends - now < SOON:
        return Check("wechat_v3 keys", False, "every platform certificate expires within 30 days or is expired")
    held = len(keys.at(now))
    return Check("wechat_v3 keys", held > 0, f"{held} verification key(s)")


def of_clock(response: Response, now: float) -> Check:
    try:
        theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return Check("wechat_v3 clock", False, "the answer has no usable Date header to compare our clock with")
    skew = round(now - theirs)
    return Check("wechat_v3 clock", abs(skew) <= ALARMING_SKEW, f"our clock is {skew:+d} s from WeChat's; keep NTP")
