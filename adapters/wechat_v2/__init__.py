"""WeChat Pay API v2: XML over POST, signed with MD5 or HMAC-SHA256."""

from adapters.wechat_v2.adapter import WechatV2
from adapters.wechat_v2.config import WechatV2Config

__all__ = ["WechatV2", "WechatV2Config"]
