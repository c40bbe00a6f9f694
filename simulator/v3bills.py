"""API v3's bills as WeChat answers them: hash and address first, then the file without a signature (v3.md 14).

It must not know HTTP servers; what a day's books say is ``bills``' business, how and when they are written
``billfile``'s and ``billmaking``'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from urllib.parse import parse_qsl

from simulator import billfile
from simulator.billfile import BillFile
from simulator.bills import BillRefused, NoBill
from simulator.v3 import Answer, Call
from simulator.v3auth import admit
from simulator.v3errors import Refused, param_error, refusal
from simulator.wire import Message, Reply
from simulator.world import World

FILE = "/v3/billdownload/file"
_TYPES = {"bill_type": tuple(billfile.FORMS), "account_type": ("BASIC", "OPERATION", "FEES"), "tar_type": ("GZIP",)}
_REFUSALS = {
    NoBill.CREATING: (400, "STATEMENT_CREATING", "账单生成中，请稍后再试"),
    NoBill.EMPTY: (400, "NO_STATEMENT_EXIST", "账单文件不存在"),
    NoBill.OUT_OF_RANGE: (400, "INVALID_REQUEST", "账单日期超出可下载的范围"),
}


def trade_bill(world: World, call: Call) -> Answer:
    """GET /v3/bill/tradebill?bill_date=&bill_type=&tar_type="""
    asked = _asked(call.message, "bill_type")
    day, form = _day(asked["bill_date"]), asked.get("bill_type", "ALL")
    return _handed_out(world, call.message, lambda: world.making.trade(day, form), asked)


def fund_flow_bill(world: World, call: Call) -> Answer:
    """GET /v3/bill/fundflowbill?bill_date=&account_type=&tar_type="""
    asked = _asked(call.message, "account_type")
    day, account = _day(asked["bill_date"]), asked.get("account_type", "BASIC")
    return _handed_out(world, call.message, lambda: world.making.fund_flow(day, account), asked)


def download(world: World, message: Message) -> Reply:
    """GET download_url, signed over its path and query as handed out; the answer bears no signature."""
    try:
        admit(world, message, accept=".")
    except Refused as refused:
        return refusal(refused, "bad" if refused.status == 401 else "none")
    link = world.links.find(message.query)
    if link is None:
        return refusal(Refused(400, "INVALID_REQUEST", "账单下载链接不存在或已过期，请重新申请"), "ok")
    kind = "application/x-gzip" if link.packed else "text/plain"
    headers = {"Content-Type": kind} | ({} if link.packed else {"Content-Length": str(link.file.size)})
    return Reply(200, headers, b"", "ok", pieces=link.file.pieces(link.packed))


def _asked(message: Message, kind: str) -> dict[str, str]:
    """The query's items, each known, allowed, and there once."""
    pairs = parse_qsl(message.query, keep_blank_values=True, errors="replace")
    asked = dict(pairs)
    if len(asked) != len(pairs) or not asked.keys() <= {"bill_date", "tar_type", kind}:
        raise param_error("query", "", "有重复或未定义的参数", None)
    for name in asked.keys() & _TYPES.keys():
        if asked[name] not in _TYPES[name]:
            raise param_error("query", name, f"{name}只能是{'、'.join(_TYPES[name])}", None)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", asked.get("bill_date", ""), re.ASCII):
        raise param_error("query", "bill_date", "bill_date格式必须是yyyy-MM-DD", None)
    return asked


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise param_error("query", "bill_date", "没有这一天", None) from error


def _handed_out(world: World, message: Message, make: Callable[[], BillFile], asked: dict[str, str]) -> Answer:
    try:
        file = make()
    except BillRefused as refused:
        raise Refused(*_REFUSALS[refused.why]) from refused
    link = world.links.new(file, "tar_type" in asked)
    host = message.headers.get("Host", "")
    scheme = "https" if host.rpartition(":")[2] == world.secapi_url.rpartition(":")[2] else "http"
    url = f"{scheme}://{host}{FILE}?{link.query}"
    return Answer({"hash_type": "SHA1", "hash_value": file.sha1, "download_url": url})
