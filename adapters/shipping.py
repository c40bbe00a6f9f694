"""Shipping information at WeChat, and the access token that it takes (mini-program.md 3 and 4).

The token travels in the query, AppSecret in a body: no error of this module may hold a URL, a body or either of them.
A token leaves this module sealed alone (``vault``), and comes back so.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from adapters import errcodes
from adapters.delivery import AccessToken, Parcel, Shipment, Shipped
from adapters.errors import Conflict, NotReady, OutcomeUnknown, Rejected, Throttled, TokenRefused
from adapters.miniprogram import MiniProgramConfig
from adapters.transport import Transport
from adapters.vault import ACCESS_TOKEN, Vault

BEIJING = timezone(timedelta(hours=8))
LOGISTICS = {"express": 1, "same_city": 2, "virtual": 3, "pickup": 4}
NAMES = {number: name for name, number in LOGISTICS.items()}
UNIFIED, SPLIT = 1, 2
LONGEST_LIFE = 7200  # seconds
TRANSACTION_ID = 2  # order_number_type

# errcode: what the caller may do (mini-program.md 1.1, 3). All of these were said before anything was made.
TOKEN: errcodes.Table = {
    -1: Throttled,  # busy
    40002: Rejected,  # grant_type
    40013: Rejected,  # appid
    40125: Rejected,  # AppSecret
    40164: Rejected,  # this server's address is not on the white list
    41002: Rejected,  # appid missing
    41004: Rejected,  # AppSecret missing
    45009: Throttled,  # the day's quota
    45011: Throttled,  # too many a minute
}

ANY_CALL: errcodes.Table = {
    -1: OutcomeUnknown,  # busy
    40001: TokenRefused,  # invalid
    42001: TokenRefused,  # expired
    45009: Throttled,
    45011: Throttled,
    10060001: NotReady,  # the order reaches shipping some seconds after its payment
}

UPLOAD: errcodes.Table = {
    **ANY_CALL,
    10060002: Conflict,  # shipped already
    10060003: Conflict,  # the one correction is used up
    10060004: Conflict,  # refunded, confirmed, ...: perhaps after an upload whose answer we lost
    10060031: Rejected,  # another openid than the payer's; not on the page
    47001: Rejected,  # the body's form
}


class WeixinShipping:
    def __init__(self, config: MiniProgramConfig, transport: Transport) -> None:
        self.appid = config.appid
        self._config = config
        self._transport = transport
        self._vault = Vault(config.app_secret.get_secret_value(), ACCESS_TOKEN)

    async def fetch_token(self, *, force: bool) -> AccessToken:
        """stable_token. Raises NotSent, OutcomeUnknown, Throttled, Rejected (the settings must be mended)."""
        secret = self._config.app_secret.get_secret_value()
        asked = {"grant_type": "client_credential", "appid": self.appid, "secret": secret, "force_refresh": force}
        told = await self._post("stable_token", "/cgi-bin/stable_token", asked, TOKEN, (secret,))
        token, life = told.get("access_token"), told.get("expires_in")
        if not isinstance(token, str) or not (token.isascii() and token.isprintable() and 1 <= len(token) <= 2048):
            raise OutcomeUnknown("stable_token: no access_token")
        if type(life) is not int or life < 1:
            raise OutcomeUnknown("stable_token: no expires_in")
        return AccessToken(self._vault.seal(token, self.appid), min(life, LONGEST_LIFE))

    async def upload(self, token: str, shipment: Shipment) -> None:
        await self._call("upload_shipping_info", token, compose(shipment), UPLOAD)

    async def shipped(self, token: str, provider_transaction_id: str) -> Shipped:
        told = await self._call("get_order", token, {"transaction_id": provider_transaction_id}, ANY_CALL)
        return understand(told, provider_transaction_id)

    async def must_ship(self, token: str) -> bool:
        told = await self._call("is_trade_managed", token, {"appid": self.appid}, ANY_CALL)
        if not isinstance(told.get("is_trade_managed"), bool):
            raise OutcomeUnknown("is_trade_managed: neither yes nor no")
        return bool(told["is_trade_managed"])

    async def _call(self, name: str, sealed: str, asked: dict[str, Any], table: errcodes.Table) -> dict[str, Any]:
        try:
            token = self._vault.open(sealed, self.appid)
        except ValueError:
            raise TokenRefused("the stored access token cannot be opened") from None
        path = f"/wxa/sec/order/{name}?{urlencode({'access_token': token})}"
        return await self._post(name, path, asked, table, (token,))

    async def _post(
        self, name: str, path: str, asked: dict[str, Any], table: errcodes.Table, secrets: tuple[str, ...]
    ) -> dict[str, Any]:
        body = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = self._config.base_url.rstrip("/") + path
        response = await self._transport.request("POST", url, headers=headers, body=body)
        return errcodes.read(name, response, table, secrets)


def compose(shipment: Shipment) -> dict[str, Any]:
    """The body of upload_shipping_info. Keys that are not used are left out. Pure."""
    unified = shipment.all_delivered and len(shipment.parcels) == 1
    mode = (
        {"delivery_mode": UNIFIED} if unified else {"delivery_mode": SPLIT, "is_all_delivered": shipment.all_delivered}
    )
    return {
        "order_key": {"order_number_type": TRANSACTION_ID, "transaction_id": shipment.provider_transaction_id},
        "logistics_type": LOGISTICS[shipment.logistics_type],
        **mode,
        "shipping_list": [_parcel(parcel) for parcel in shipment.parcels],
        "upload_time": datetime.fromtimestamp(shipment.at, BEIJING).isoformat(timespec="milliseconds"),
        "payer": {"openid": shipment.openid},
    }


def _parcel(parcel: Parcel) -> dict[str, Any]:
    contact = {"receiver_contact": parcel.receiver_contact} if parcel.receiver_contact else None
    wanted = {
        "tracking_no": parcel.tracking_no,
        "express_company": parcel.express_company,
        "item_desc": parcel.item_desc,
        "contact": contact,
    }
    return {name: value for name, value in wanted.items() if value}


def understand(told: dict[str, Any], provider_transaction_id: str) -> Shipped:
    """What get_order says. Raises OutcomeUnknown if it is about another order, or says nothing. Pure."""
    order = told.get("order")
    if not isinstance(order, dict) or order.get("transaction_id") != provider_transaction_id:
        raise OutcomeUnknown("get_order: an answer about another order")
    shipping = order.get("shipping")
    if not isinstance(shipping, dict):
        return Shipped("", False, ())
    listed = shipping.get("shipping_list")
    parcels = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    number = shipping.get("logistics_type")
    name = NAMES.get(number, "") if parcels and type(number) is int else ""
    return Shipped(name, shipping.get("finish_shipping") is True, tuple(_listed(item) for item in parcels))


def _listed(item: dict[str, Any]) -> Parcel:
    """Its text stands under ``goods_desc``; ``item_desc``, as it was uploaded, would do as well."""
    desc = item.get("goods_desc") or item.get("item_desc")
    named = (item.get("tracking_no"), item.get("express_company"))
    return Parcel(*(text if isinstance(text, str) else "" for text in (desc, *named)))
