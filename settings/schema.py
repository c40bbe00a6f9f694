"""The settings by name, type and default: one field a row of the documentation. Reads no file, checks no key."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

WEIXIN_PAY = "https://api.mch.weixin.qq.com"
WEIXIN_API = "https://api.weixin.qq.com"
ROLE = "(api|notify|jobs|ops)"


class Settings(BaseSettings):
    """Environment > ``.env`` > the file that ``PAY_CONFIG`` names > these defaults. Empty counts as not given."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, case_sensitive=False
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///var/pay.db"), description="`sqlite:///file` or `mysql://user:password@host:3306/name`"
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    processes: int = Field(1, ge=1, le=64, description="server processes sharing the port")
    roles: str = Field(
        "api,notify,jobs,ops",
        pattern=f"^{ROLE}(,{ROLE})*$",
        description="what this process does, so that the work can be split over processes and machines",
    )
    public_url: str = Field(
        default_factory=lambda data: f"http://127.0.0.1:{data.get('port', 8000)}",
        description="how WeChat reaches this server; notify URLs are built from it",
    )

    wechat_app_id: str = Field("", description="the mini-program's appid; unset with the next two: simulator mode")
    wechat_app_secret: SecretStr = Field(SecretStr(""), description="the mini-program's AppSecret")
    wechat_mch_id: str = Field("", description="the merchant number")
    wechat_pay_api: Literal["v2", "v3"] = Field("v3", description="the API generation of **new** payments")

    wechat_v2_api_key: SecretStr = Field(SecretStr(""), description="API v2 key, 32 letters and digits")
    wechat_v2_api_key_other: SecretStr = Field(
        SecretStr(""), description="during a change-over: a second API v2 key that is accepted from WeChat"
    )
    wechat_v2_sign_type: Literal["MD5", "HMAC-SHA256"] = Field("MD5", description="signature of **new** v2 payments")
    wechat_v2_cert_file: Path | None = Field(
        None, description="client certificate (`apiclient_cert.pem`) for v2 refunds"
    )
    wechat_v2_key_file: Path | None = Field(None, description="its private key (`apiclient_key.pem`)")

    wechat_v2_secapi_url: str = Field(
        "", description="where v2 refunds go, if not to `WECHAT_PAY_URL` (the simulator's)"
    )
    wechat_v2_secapi_ca_file: Path | None = Field(
        None, description="whom to trust there, if not the system's authorities"
    )

    wechat_v3_api_key: SecretStr = Field(SecretStr(""), description="APIv3 key, 32 bytes")
    wechat_v3_api_key_other: SecretStr = Field(
        SecretStr(""), description="during a change-over: a second APIv3 key that is accepted from WeChat"
    )
    wechat_v3_serial_no: str = Field("", description="serial number of the merchant API certificate")
    wechat_v3_private_key_file: Path | None = Field(None, description="merchant API private key (`apiclient_key.pem`)")
    wechat_v3_cert_file: Path | None = Field(
        None, description="merchant API certificate, to check serial and key against; looked for beside the key"
    )
    wechat_v3_public_key_file: Path | None = Field(None, description="WeChat Pay public key (`pub_key.pem`)")
    wechat_v3_public_key_id: str = Field("", description="its id, `PUB_KEY_ID_…`; without both: platform certificates")

    wechat_pay_url: str = Field(WEIXIN_PAY, description="WeChat Pay's address")
    wechat_api_url: str = Field(WEIXIN_API, description="the mini-program API's address")
    order_expires_minutes: int = Field(
        30, ge=1, le=60 * 24 * 7, description="an unpaid order is closed, at WeChat first"
    )

    late_payment: Literal["refund", "keep"] = Field(
        "refund",
        description="what becomes of money that comes after the order was closed: back by itself, or a person decides",
    )
    merchant_api_key: SecretStr = Field(
        SecretStr(""),
        description="opens `/merchant/...` to the merchant's own systems; at least 32 characters; unset: closed",
    )
    ops_refund_limit_fen: int = Field(
        50_000, ge=0, description="what one operator may give back of a payment in the console; more needs an approver"
    )

    trusted_proxies: str = Field(
        "127.0.0.1,::1", description="addresses or networks whose `X-Real-Ip` is believed, separated by commas"
    )
    limit_logins: int = Field(30, ge=0, description="logins a minute from one address; 0: any number, as below")
    limit_all_logins: int = Field(200, ge=0, description="logins a second from all addresses, in each process")
    limit_orders: int = Field(20, ge=0, description="new orders a minute of one user")
    limit_pays: int = Field(20, ge=0, description="payments begun and cancels a minute of one user")
    limit_syncs: int = Field(30, ge=0, description="questions to WeChat a minute of one user")
    limit_reads: int = Field(240, ge=0, description="looks at orders a minute of one user")
    limit_open_orders: int = Field(20, ge=0, description="orders of one user that wait to be paid at once")
    shipping_within_hours: int = Field(
        0,
        ge=0,
        le=24 * 30,
        description="hours after payment by which WeChat must be told what was shipped, else an alarm; 0: it need not",
    )

    simulator_url: str = Field("http://127.0.0.1:8900", description="where the simulator listens, in simulator mode")
    catalogue_dir: Path = Field(Path("catalogue"), description="folder with `products.json` and `pictures/`")
    shop_name: str = Field("Tea & Bean", min_length=1, max_length=20, description="begins the text on the payer's bill")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")

    @property
    def simulator_mode(self) -> bool:
        """True when no merchant is configured at all: the simulator's test merchant serves."""
        return not (self.wechat_app_id or self.wechat_app_secret.get_secret_value() or self.wechat_mch_id)

    def plays(self, role: str) -> bool:
        """Whether this process does ``api``, ``notify``, ``jobs`` or ``ops``."""
        return role in self.roles.split(",")

    @property
    def rates(self) -> dict[str, tuple[int, float]]:
        """What is limited: how many, in how many seconds."""
        return {
            "login": (self.limit_logins, 60),
            "all logins": (self.limit_all_logins, 1),
            "order": (self.limit_orders, 60),
            "pay": (self.limit_pays, 60),
            "sync": (self.limit_syncs, 60),
            "read": (self.limit_reads, 60),
        }

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises ValueError, naming what is not an address."""
        return tuple(ip_network(each.strip()) for each in self.trusted_proxies.split(",") if each.strip())

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.get_secret_value().startswith("sqlite:")
