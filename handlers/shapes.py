"""The shapes of what a client may send. Strict: an unknown field, a price, an openid, "1" or 1.0 for 1 is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_ITEMS = 50
MOST_QUANTITY = 999


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LoginBody(Strict):
    """``code`` is what wx.login gave."""

    code: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class ItemBody(Strict):
    product_id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    quantity: Annotated[int, Field(ge=1, le=MOST_QUANTITY)]


class OrderBody(Strict):
    """Products and quantities. There is no field for a price or a payer: those are the server's."""

    items: Annotated[list[ItemBody], Field(min_length=1, max_length=MOST_ITEMS)]


class NoBody(Strict):
    """``{}`` or nothing at all."""
