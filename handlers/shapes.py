"""The shapes of what a client may send. Strict: an unknown field, a price, an openid, "1" or 1.0 for 1 is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_ITEMS = 50
MOST_QUANTITY = 999
MOST_PARCELS = 15  # WeChat's rule


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


class RefundBody(Strict):
    """``refund_no`` is the merchant's own number: the same again is the same refund."""

    amount_fen: Annotated[int, Field(ge=1, le=9_999_999_999)]
    reason: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
    refund_no: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")] | None = None


class ParcelBody(Strict):
    """``receiver_contact``: a masked telephone number, whose last four digits alone are clear."""

    item_desc: Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
    tracking_no: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,128}$")] = ""
    express_company: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,128}$")] = ""
    receiver_contact: Annotated[str, Field(max_length=40, pattern=r"^[0-9+-]*\*{4,}[0-9]{4}$")] = ""


class ShipmentBody(Strict):
    """``all_delivered``: nothing of the order follows."""

    logistics_type: Annotated[str, Field(pattern=r"^(express|same_city|virtual|pickup)$")]
    parcels: Annotated[list[ParcelBody], Field(min_length=1, max_length=MOST_PARCELS)]
    all_delivered: bool = True


class NoBody(Strict):
    """``{}`` or nothing at all."""
