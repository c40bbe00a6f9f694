"""GET /openapi.json: the mini-program API, described from the very shapes that check it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from handlers.shapes import LoginBody, OrderBody, RefundBody, ShipmentBody
from handlers.words import WORDS
from services.refund_views import STATUS as REFUND_STATUS
from services.shipments import STATUS as SHIPMENT_STATUS

ORDER_NO = {"name": "order_no", "in": "path", "required": True, "schema": {"type": "string"}}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 64},
}
FEN = {"type": "integer", "minimum": 0, "description": "whole fen"}
TIME = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
KIND = {"type": "http", "scheme": "bearer"}  # a user's token, or the merchant's key


def _object(optional: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": {**properties, **(optional or {})}}


ITEM = _object(product_id=TEXT, title=TEXT, price_fen=FEN, quantity={"type": "integer", "minimum": 1})
FIELD = {**TEXT, "description": "what in the request was refused, where it is one thing"}
STATUS = {"type": "string", "enum": ["pending", "paid", "closed", "partially_refunded", "refunded"]}
SCHEMAS = {
    "Error": _object(
        error=_object(
            optional={"field": FIELD}, code={"type": "string", "enum": sorted(WORDS)}, message=TEXT, request_id=TEXT
        )
    ),
    "Ticket": _object(token=TEXT, expires_in={"type": "integer", "description": "seconds"}),
    "Product": _object(
        id=TEXT, title=TEXT, title_en=TEXT, description=TEXT, description_en=TEXT, price_fen=FEN, picture=TEXT
    ),
    "Order": _object(
        order_no=TEXT,
        status=STATUS,
        amount_fen=FEN,
        refunded_fen=FEN,
        currency={"type": "string", "const": "CNY"},
        items={"type": "array", "items": ITEM},
        created_at=TIME,
        expires_at=TIME,
        paid_at={**TIME, "type": ["string", "null"]},
    ),
    "Refund": _object(
        refund_no=TEXT,
        out_refund_no=TEXT,
        order_no=TEXT,
        amount_fen=FEN,
        reason=TEXT,
        status={"type": "string", "enum": sorted(set(REFUND_STATUS.values()))},
        source={"type": "string", "enum": ["local", "external"]},
        message=TEXT,
        created_at=TIME,
        refunded_at={**TIME, "type": ["string", "null"]},
    ),
    "Shipment": _object(
        order_no=TEXT,
        shipment_no=TEXT,
        status={"type": "string", "enum": sorted(set(SHIPMENT_STATUS.values()))},
        logistics_type=TEXT,
        parcels={"type": "array", "items": {"$ref": "#/components/schemas/ParcelBody"}},
        all_delivered={"type": "boolean"},
        message=TEXT,
        created_at=TIME,
        uploaded_at={**TIME, "type": ["string", "null"]},
    ),
    "Payment": _object(timeStamp=TEXT, nonceStr=TEXT, package=TEXT, signType=TEXT, paySign=TEXT),
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(
    summary: str,
    answers: dict[str, Any],
    *,
    body: type[BaseModel] | None = None,
    open_to_all: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """``answers``: status -> schema. Every operation may also answer with an Error."""
    responses = {status: {"description": summary, "content": _json(schema)} for status, schema in answers.items()}
    responses["default"] = {"description": "refused", "content": _json(_ref("Error"))}
    operation = {"summary": summary, "responses": responses, **more}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _json(_ref(body.__name__))}
    if open_to_all:
        operation["security"] = []
    return operation


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _paths() -> dict[str, Any]:
    order, one = _ref("Order"), {"parameters": [ORDER_NO]}
    products = _object(products={"type": "array", "items": _ref("Product")})
    orders = _object(orders={"type": "array", "items": order})
    return {
        "/api/login": {
            "post": _operation("wx.login code for a token", {"200": _ref("Ticket")}, body=LoginBody, open_to_all=True)
        },
        "/api/products": {"get": _operation("what is for sale", {"200": products}, open_to_all=True)},
        "/api/orders": {
            "get": _operation("the user's newest orders", {"200": orders}),
            "post": _operation("make an order", {"201": order, "200": order}, body=OrderBody, parameters=[KEY]),
        },
        "/api/orders/{order_no}": {**one, "get": _operation("one order", {"200": order})},
        "/api/orders/{order_no}/pay": {
            **one,
            "post": _operation("parameters for wx.requestPayment", {"200": _ref("Payment")}),
        },
        "/api/orders/{order_no}/sync": {**one, "post": _operation("ask WeChat now", {"200": order})},
        "/api/orders/{order_no}/close": {**one, "post": _operation("cancel the order", {"200": order})},
        **_merchant_paths(),
    }


def _merchant_paths() -> dict[str, Any]:
    refund: dict[str, Any] = _ref("Refund")
    shipment: dict[str, Any] = _ref("Shipment")
    key: list[dict[str, list[str]]] = [{"merchant": []}]
    refunds = _object(refunds={"type": "array", "items": refund})
    by_number = {"parameters": [ORDER_NO, {**ORDER_NO, "name": "refund_no"}]}
    return {
        "/merchant/orders/{order_no}/refunds": {
            "parameters": [ORDER_NO],
            "get": _operation("an order's refunds", {"200": refunds}, security=key),
            "post": _operation("give money back", {"201": refund, "200": refund}, body=RefundBody, security=key),
        },
        "/merchant/orders/{order_no}/refunds/{refund_no}": {
            **by_number,
            "get": _operation("one refund", {"200": refund}, security=key),
        },
        "/merchant/orders/{order_no}/refunds/{refund_no}/resolve": {
            **by_number,
            "post": _operation("an abnormal refund to the merchant's own card", {"200": refund}, security=key),
        },
        "/merchant/orders/{order_no}/shipment": {
            "parameters": [ORDER_NO],
            "get": _operation("an order's last shipment", {"200": shipment}, security=key),
            "post": _operation("report shipping", {"201": shipment, "200": shipment}, body=ShipmentBody, security=key),
        },
    }


def document(public_url: str) -> dict[str, Any]:
    """The whole OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mini-program payment API", "version": "1"},
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {"securitySchemes": {"bearer": KIND, "merchant": KIND}, "schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = dict(SCHEMAS)
    for shape in (LoginBody, OrderBody, RefundBody, ShipmentBody):
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[shape.__name__] = schema
    return schemas
