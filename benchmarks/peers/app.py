"""The service: FastAPI's routes, wechatpayv3's asynchronous client, one unit of work or two for each request."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType

from benchmarks.peers import work
from benchmarks.peers.database import open_database
from benchmarks.peers.settings import Settings, get_settings
from benchmarks.peers.tables import Attempt, Order, Product

NOTIFY = "/notify/wechat_v3/payment"
STALE = 300  # seconds: WeChat's rule for the time in a signature
KEPT = httpx.Limits(max_connections=256, max_keepalive_connections=256, keepalive_expiry=60)
STATUS = {"CREATED": "pending", "PAYING": "pending", "PAID": "paid"}


def wechat_pay(settings: Settings, http: httpx.AsyncClient) -> AsyncWeChatPay:
    """Two things that it has no parameter for are set: where WeChat is, and a client that keeps its connections."""
    client = AsyncWeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG,
        mchid=settings.wechat_mch_id,
        private_key=settings.private_key,
        cert_serial_no=settings.wechat_v3_serial_no,
        appid=settings.wechat_app_id,
        apiv3_key=settings.wechat_v3_api_key,
        notify_url=settings.public_url + NOTIFY,
        public_key=settings.public_key,
        public_key_id=settings.wechat_v3_public_key_id,
    )
    client._core._gate_way, client._core._client = settings.wechat_pay_url, http
    return client


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = app.state.settings = get_settings()
    app.state.database = open_database(settings.database_url)
    async with httpx.AsyncClient(timeout=30, limits=KEPT) as app.state.http:
        app.state.wxpay = wechat_pay(settings, app.state.http)
        yield


app = FastAPI(lifespan=lifespan)
Token = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
Moment = Annotated[int, PlainSerializer(lambda at: datetime.fromtimestamp(at, UTC).isoformat(), return_type=str)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class LoginIn(Strict):
    code: Annotated[str, Field(min_length=1, max_length=128)]


class ItemIn(Strict):
    product_id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    quantity: Annotated[int, Field(ge=1, le=999)]


class OrderIn(Strict):
    items: Annotated[list[ItemIn], Field(min_length=1, max_length=50)]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class LoginOut(Out):
    token: str
    expires_in: int


class ProductOut(Out):
    id: str
    title: str
    price_fen: int


class ProductsOut(Out):
    products: list[ProductOut]


class ItemOut(Out):
    product_id: str
    title: str
    price_fen: int
    quantity: int


class OrderOut(Out):
    order_no: str
    status: Annotated[str, Field(validation_alias="state"), PlainSerializer(STATUS.__getitem__)]
    amount_fen: int
    refunded_fen: int = 0
    currency: str
    items: list[ItemOut]
    created_at: Moment
    expires_at: Moment
    paid_at: Moment | None


class PayOut(Out):
    timeStamp: str  # noqa: N815 - wx.requestPayment's names
    nonceStr: str  # noqa: N815
    package: str
    signType: Literal["RSA"] = "RSA"  # noqa: N815
    paySign: str  # noqa: N815


@app.post("/api/login")
async def login(body: LoginIn, request: Request) -> LoginOut:
    state = request.app.state
    settings: Settings = state.settings
    asked = {
        "appid": settings.wechat_app_id,
        "secret": settings.wechat_app_secret,
        "js_code": body.code,
        "grant_type": "authorization_code",
    }
    answer = (await state.http.get(f"{settings.wechat_api_url}/sns/jscode2session", params=asked)).json()
    if "openid" not in answer:
        raise HTTPException(401, "WeChat does not know this code")
    return LoginOut(token=await state.database.write(work.log_in, answer["openid"]), expires_in=work.LOGIN_LASTS)


@app.get("/api/products", response_model=ProductsOut)
async def products(request: Request) -> dict[str, list[Product]]:
    return {"products": await request.app.state.database.read(work.list_products)}


@app.post("/api/orders", status_code=201, response_model=OrderOut)
async def create_order(body: OrderIn, token: Token, request: Request) -> Order:
    quantities = [(item.product_id, item.quantity) for item in body.items]
    return await request.app.state.database.write(work.create_order, token.credentials, quantities)


@app.get("/api/orders/{order_no}", response_model=OrderOut)
async def read_order(order_no: str, token: Token, request: Request) -> Order:
    return await request.app.state.database.read(work.read_order, token.credentials, order_no)


@app.post("/api/orders/{order_no}/pay")
async def pay(order_no: str, token: Token, request: Request) -> PayOut:
    """The attempt is committed before WeChat hears of it."""
    state = request.app.state
    attempt: Attempt = await state.database.write(work.begin_payment, token.credentials, order_no)
    prepay_id = attempt.prepay_id
    if prepay_id is None:
        prepay_id = await ask_prepay(state.wxpay, attempt)
        await state.database.write(work.keep_prepay, attempt.id, prepay_id)
    stamp, nonce, package = str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"
    signature = state.wxpay.sign([state.settings.wechat_app_id, stamp, nonce, package])
    return PayOut(timeStamp=stamp, nonceStr=nonce, package=package, paySign=signature)


async def ask_prepay(wxpay: AsyncWeChatPay, attempt: Attempt) -> str:
    try:
        code, message = await wxpay.pay(
            description="小店订单",
            out_trade_no=attempt.out_trade_no,
            amount={"total": attempt.amount_fen, "currency": attempt.currency},
            payer={"openid": attempt.openid},
        )
    except httpx.TransportError as error:
        raise HTTPException(503, "WeChat cannot be reached") from error
    if code != 200:
        raise HTTPException(502, "WeChat refused the payment")
    return json.loads(message)["prepay_id"]


@app.post(NOTIFY, status_code=204)
async def notified(request: Request) -> Response:
    """Acknowledged once it is committed, or was before."""
    state, body = request.app.state, await request.body()
    message = verified(state.wxpay, request, body)
    if message is None:
        raise HTTPException(401, "The signature does not hold")
    if message["event_type"] == "TRANSACTION.SUCCESS":
        settings: Settings = state.settings
        await state.database.write(work.book, message, settings.wechat_app_id, settings.wechat_mch_id)
    return Response(status_code=204)


def verified(wxpay: AsyncWeChatPay, request: Request, body: bytes) -> dict[str, Any] | None:
    """The message, decrypted. ``callback`` returns None, or raises, for what WeChat did not sign; it leaves the
    time of the signature to us."""
    try:
        if abs(time.time() - int(request.headers["Wechatpay-Timestamp"])) > STALE:
            return None
        return wxpay.callback(headers=request.headers, body=body)
    except Exception:
        return None
