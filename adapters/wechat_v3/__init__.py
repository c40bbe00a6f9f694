"""WeChat Pay API v3: JSON, signed with RSA-SHA256, notifications sealed with AES-256-GCM."""

from adapters.wechat_v3.adapter import WechatV3
from adapters.wechat_v3.config import WechatV3Config

__all__ = ["WechatV3", "WechatV3Config"]
