"""What the service is told by its environment, read once."""

from functools import cached_property, lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    port: int
    processes: int = 1
    database_url: str
    public_url: str
    wechat_app_id: str
    wechat_app_secret: str
    wechat_mch_id: str
    wechat_v3_api_key: str
    wechat_v3_serial_no: str
    wechat_v3_private_key_file: Path
    wechat_v3_public_key_file: Path
    wechat_v3_public_key_id: str
    wechat_pay_url: str
    wechat_api_url: str

    @cached_property
    def private_key(self) -> str:
        return self.wechat_v3_private_key_file.read_text("ascii")

    @cached_property
    def public_key(self) -> str:
        return self.wechat_v3_public_key_file.read_text("ascii")


@lru_cache
def get_settings() -> Settings:
    return Settings()
