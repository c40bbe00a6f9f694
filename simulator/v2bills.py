"""API v2's bills as WeChat answers them: the file at once, or XML that says why not (v2.md 10, 11).

The numbers in ``error_code`` are this simulator's choice: no source fixes them. It must not know HTTP servers; what a
day's books say is ``bills``' business, how and when they are written ``billfile``'s and ``billmaking``'s.
"""

from __future__ import annotations

from datetime import date

from simulator import v2, v2fields, v2wire
from simulator.billfile import BillFile
from simulator.bills import BillRefused, NoBill
from simulator.v2 import Fields, ProtocolRefused
from simulator.v2fields import FieldRefused
from simulator.wire import Diagnosis, Message, Reply
from simulator.world import World

_XML = {"Content-Type": "text/xml; charset=utf-8"}
_PROTOCOL = {"SIGNERROR": ("20001", "sign error"), "LACK_PARAMS": ("20003", "missing parameter")}
_NUMBERS = {
    "sign error": "20001", "No Bill Exist": "20002", "missing parameter": "20003", "Bill Creating": "20005",
    "SYSTEMERROR": "20006",
}  # fmt: skip
_NO_BILL = {
    NoBill.CREATING: ("20005", "Bill Creating"),
    NoBill.EMPTY: ("20002", "No Bill Exist"),
    NoBill.OUT_OF_RANGE: ("20002", "No Bill Exist"),
}
_NO_FLOW = {
    NoBill.CREATING: ("BILL_CREATING", "账单生成中"),
    NoBill.EMPTY: ("NO_BILL_EXIST", "账单不存在"),
    NoBill.OUT_OF_RANGE: ("NO_BILL_EXIST", "账单不存在"),
}


def download_bill(world: World, message: Message) -> Reply:
    """POST /pay/downloadbill: text or GZIP; a failure is XML with ``error_code``, also where GZIP was asked for."""
    try:
        fields = v2.admit(world, message)
        v2fields.check(fields, v2fields.DOWNLOAD_BILL)
        return _file(world.making.trade(_day(fields), fields.get("bill_type") or "ALL"), fields)
    except ProtocolRefused as refused:
        return failure(*_PROTOCOL.get(refused.code, ("20004", "data format error")), refused.diagnosis)
    except FieldRefused as refused_field:
        return failure(*_of_field(refused_field))
    except BillRefused as refused_bill:
        return failure(*_NO_BILL[refused_bill.why])


def download_fund_flow(world: World, message: Message) -> Reply:
    """POST /pay/downloadfundflow (mutual TLS, HMAC-SHA256 only): ``Digest`` is the SHA-1 of the unpacked file, hex."""
    try:
        fields = v2.admit(world, message)
        v2fields.check(fields, v2fields.DOWNLOAD_FUND_FLOW)
        file = world.making.fund_flow(_day(fields), fields["account_type"])
        reply = _file(file, fields)
        reply.headers["Digest"] = f"SHA={file.sha1}"
        return reply
    except ProtocolRefused as refused:
        body = v2wire.write_xml({"return_code": "FAIL", "return_msg": refused.text})
        return Reply(200, dict(_XML), body, "none", refused.code, refused.text, refused.diagnosis)
    except FieldRefused as refused_field:
        return _flow_failure("PARAM_ERROR", refused_field.text)
    except BillRefused as refused_bill:
        return _flow_failure(*_NO_FLOW[refused_bill.why])


def _day(fields: Fields) -> date:
    return date.fromisoformat(fields["bill_date"])


def _file(file: BillFile, fields: Fields) -> Reply:
    packed = bool(fields.get("tar_type"))
    headers = {"Content-Type": "application/x-gzip" if packed else "text/plain"}
    return Reply(200, headers, b"", "ok", pieces=file.pieces(packed))


def _of_field(refused: FieldRefused) -> tuple[str, str]:
    if refused.code == "LACK_PARAMS":
        return _PROTOCOL["LACK_PARAMS"]
    return ("20004", "invalid bill_type" if refused.name == "bill_type" else "data format error")


def failure(number: str, text: str, diagnosis: Diagnosis | None = None) -> Reply:
    """What downloadbill says instead of a bill: unsigned, without ``result_code``."""
    body = v2wire.write_xml({"return_code": "FAIL", "return_msg": text, "error_code": number})
    return Reply(200, dict(_XML), body, "bad" if diagnosis else "none", number, text, diagnosis)


def refused_unread(message: Message, code: str, text: str) -> Reply:
    """A refusal of either bill before the request was looked at; of a trade bill ``code`` is the text (v2.md 10)."""
    if message.path.endswith("fundflow"):
        return _flow_failure(code, text)
    return failure(_NUMBERS.get(code, "20004"), code)


def _flow_failure(code: str, text: str) -> Reply:
    fields = {"return_code": "SUCCESS", "result_code": "FAIL", "err_code": code, "err_code_des": text}
    return Reply(200, dict(_XML), v2wire.write_xml(fields), "ok", code, text)
