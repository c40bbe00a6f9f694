"""Bills of both generations: their bytes, when there are none, how they are fetched, and errors planted in them."""

from __future__ import annotations

import gzip
import hashlib
import http.client
from decimal import Decimal

import pytest

from tests.simulator.billing import NAMES, day_of, download, parsed, to_noon, v2_bill, v3_bill
from tests.simulator.client import Sim


@pytest.fixture(scope="module")
def books():
    """A simulator whose yesterday has two payments, one with a coupon, and three refunds, one of them closed."""
    sim = Sim()
    sim.control("PUT", "refunds", {"interval_seconds": 0, "next": ["SUCCESS", "ABNORMAL", "CLOSED"]})
    to_noon(sim)
    three, two = sim.paid_v3(description="咖啡, 大杯,热", attach="a,`b"), sim.order_v2(total_fee="2345")
    sim.pay_v2(sim.v2("unifiedorder", two).xml["prepay_id"], coupon_fen=345)
    for order, fen, number in ((three, 40, "R1"), (three, 10, "R2"), (three, 5, "R3")):
        amount = {"refund": fen, "total": 100, "currency": "CNY"}
        body = {"out_trade_no": order["out_trade_no"], "out_refund_no": number, "amount": amount}
        body |= {"funds_account": "AVAILABLE"} if number == "R2" else {}
        assert sim.v3("POST", "/v3/refund/domestic/refunds", body).status == 200
    sim.advance(60)
    sim.three, sim.two = three, two
    early = day_of(sim)
    assert v2_bill(sim, early).xml == {"return_code": "FAIL", "return_msg": "Bill Creating", "error_code": "20005"}
    assert v3_bill(sim, early).json["code"] == "STATEMENT_CREATING"
    to_noon(sim)
    yield sim
    sim.stop()


def test_a_trade_bill_of_v2(books):
    answer = v2_bill(books, day_of(books, 1))
    assert answer.status == 200
    assert answer.body.decode("utf-8-sig").split("\r\n")[0] == NAMES
    rows, totals = parsed(answer.body)
    assert len(rows) == 4
    paid = {row["商户订单号"]: row for row in rows if row["交易状态"] == "SUCCESS"}
    first, second = paid[books.three["out_trade_no"]], paid[books.two["out_trade_no"]]
    assert first["商品名称"] == "咖啡, 大杯,热"
    assert (first["应结订单金额"], first["订单金额"], first["手续费"], first["费率"]) == (
        "1.00",
        "1.00",
        "0.01000",
        "0.60%",
    )
    assert (first["微信退款单号"], first["商户退款单号"], first["退款金额"], first["退款状态"]) == (
        "0",
        "0",
        "0.00",
        "",
    )
    assert (second["订单金额"], second["代金券金额"], second["手续费"]) == ("23.45", "3.45", "0.14000")
    refunds = {row["商户退款单号"]: row for row in rows if row["交易状态"] == "REFUND"}
    assert refunds.keys() == {"R1", "R2"}
    one = refunds["R1"]
    assert (one["应结订单金额"], one["退款金额"], one["申请退款金额"], one["退款状态"]) == (
        "0.00",
        "0.40",
        "0.40",
        "SUCCESS",
    )
    assert (one["退款类型"], refunds["R2"]["退款状态"]) == ("ORIGINAL", "CHANGE")
    assert one["微信订单号"] == first["微信订单号"]
    assert totals["总交易单数"] == "4"
    assert (Decimal(totals["订单总金额"]), Decimal(totals["退款总金额"])) == (Decimal("24.45"), Decimal("0.50"))
    fees = sum(Decimal(row["手续费"]) for row in rows)
    assert Decimal(totals["手续费总金额"]) == fees


def test_gzip_and_both_generations_are_the_same_bytes(books):
    day = day_of(books, 1)
    plain = v2_bill(books, day).body
    assert gzip.decompress(v2_bill(books, day, tar_type="GZIP").body) == plain
    for more in ({}, {"tar_type": "GZIP"}):
        handed = v3_bill(books, day, bill_type="ALL", **more)
        books.verify(handed.headers, handed.body)
        assert handed.json["hash_type"] == "SHA1"
        file = download(books, handed.json)
        assert not [name for name in file.headers if name.startswith("wechatpay-")]
        raw = gzip.decompress(file.body) if more else file.body
        assert raw == plain
        assert hashlib.sha1(raw).hexdigest() == handed.json["hash_value"]
        assert handed.json["download_url"].endswith("&tartype=gzip") == bool(more)


@pytest.mark.parametrize(
    ("form", "columns", "rows"), [("SUCCESS", 20, 2), ("REFUND", 29, 2), ("RECHARGE_REFUND", 28, 1)]
)
def test_other_forms(books, form, columns, rows):
    found, _ = parsed(v2_bill(books, day_of(books, 1), bill_type=form).body)
    assert (len(found), len(found[0])) == (rows, columns)
    assert ("返还手续费" in found[0]) == (form == "RECHARGE_REFUND")
    if form == "REFUND":
        assert found[0]["退款成功时间"] >= found[0]["退款申请时间"] > "2"


def test_the_old_form(books):
    books.control("PUT", "bill", {"columns": 24})
    rows, totals = parsed(v2_bill(books, day_of(books, 1)).body)
    books.control("DELETE", "bill")
    assert (len(rows), len(rows[0]), len(totals)) == (4, 24, 5)
    assert rows[0]["总金额"] in ("1.00", "23.45")
    assert Decimal(totals["总交易额"]) == Decimal("24.45")


def test_no_bill(books):
    empty, future, ancient = day_of(books, 40), day_of(books, -1), day_of(books, 93)
    for day in (empty, future, ancient):
        answer = v2_bill(books, day, tar_type="GZIP")
        assert answer.xml == {"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}
    assert v3_bill(books, empty).json["code"] == "NO_STATEMENT_EXIST"
    assert {v3_bill(books, day).json["code"] for day in (future, ancient)} == {"INVALID_REQUEST"}
    assert v3_bill(books, day_of(books, 1), "fundflow", account_type="FEES").json["code"] == "NO_STATEMENT_EXIST"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "bill_date=20261120",
        "bill_date=2026-02-30",
        "bill_date=2026-11-20&bill_date=2026-11-20",
        "bill_date=2026-11-20&bill_type=SOME",
        "bill_date=2026-11-20&tar_type=ZIP",
        "bill_date=2026-11-20&mchid=1",
        "bill_date=2026-11-20&account_type=BASIC",
    ],
)
def test_wrong_questions_of_v3(sim, query):
    answer = sim.v3("GET", f"/v3/bill/tradebill?{query}")
    assert (answer.status, answer.json["code"]) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"bill_type": "ALL"}, "missing parameter"),
        ({"bill_date": "2026-11-20"}, "data format error"),
        ({"bill_date": "20260230"}, "data format error"),
        ({"bill_date": "20261120", "bill_type": "SOME"}, "invalid bill_type"),
        ({"bill_date": "20261120", "tar_type": "ZIP"}, "data format error"),
    ],
)
def test_wrong_questions_of_v2(sim, fields, text):
    assert sim.v2("downloadbill", fields).xml["return_msg"] == text
    forged = sim.v2("downloadbill", fields, sign=lambda _: "0" * 32)
    assert forged.xml == {"return_code": "FAIL", "return_msg": "sign error", "error_code": "20001"}
    assert "x-sim-explain" in forged.headers


def test_the_address_is_good_for_five_minutes_and_verbatim(books):
    handed = v3_bill(books, day_of(books, 1), tar_type="GZIP").json
    path = handed["download_url"].removeprefix(f"http://127.0.0.1:{books.port}")
    assert books.v3("GET", path).status == 200
    assert books.v3("GET", path.removesuffix("&tartype=gzip")).json["code"] == "INVALID_REQUEST"
    assert books.v3("GET", path, text=lambda signed: signed.replace(b"&tartype=gzip", b"")).status == 401
    assert books.call("GET", path, headers={"User-Agent": "x", "Accept": "*/*"}).status == 401
    books.advance(301)
    assert books.v3("GET", path).json["code"] == "INVALID_REQUEST"


def fund_flow_v2(sim, day, **more):
    fields = {"bill_date": f"{day:%Y%m%d}", "account_type": "Basic", "sign_type": "HMAC-SHA256"} | more
    fields = sim.identity_v2() | {name: value for name, value in fields.items() if value}
    signed = fields | {"sign": sim.keyed(fields, fields.get("sign_type", "MD5"))}
    body = "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in signed.items())
    return sim.secapi("/pay/downloadfundflow", f"<xml>{body}</xml>".encode())


def test_fund_flow(books):
    day = day_of(books, 1)
    answer = fund_flow_v2(books, day)
    rows, totals = parsed(answer.body)
    assert answer.headers["digest"] == f"SHA={hashlib.sha1(answer.body).hexdigest()}"
    assert gzip.decompress(fund_flow_v2(books, day, tar_type="GZIP").body) == answer.body
    handed = v3_bill(books, day, "fundflow", tar_type="GZIP").json
    assert gzip.decompress(download(books, handed).body) == answer.body
    assert handed["hash_value"] == hashlib.sha1(answer.body).hexdigest()
    signs = {"收入": 1, "支出": -1}
    balance = Decimal(0)
    for row in rows:
        balance += signs[row["收支类型"]] * Decimal(row["收支金额(元)"])
        assert Decimal(row["账户结余(元)"]) == balance
    assert balance == Decimal("24.45") - Decimal("0.15") - Decimal("0.40")
    assert totals["资金流水总笔数"] == f"{len(rows)}.0" == "5.0"
    assert sum(row["业务名称"] == "退款" for row in rows) == 1


def test_fund_flow_refusals(books):
    day = day_of(books, 1)
    assert fund_flow_v2(books, day, sign_type=None).xml["err_code"] == "PARAM_ERROR"
    assert fund_flow_v2(books, day, account_type="Mine").xml["err_code"] == "PARAM_ERROR"
    assert fund_flow_v2(books, day, account_type="Fees").xml["err_code"] == "NO_BILL_EXIST"
    assert fund_flow_v2(books, day_of(books)).xml["err_code"] == "BILL_CREATING"
    assert books.v2("downloadfundflow", {}).status == 400


def test_faults_of_bills(books, request):
    day = day_of(books, 1)
    request.addfinalizer(lambda: books.control("DELETE", "faults"))

    def fault(op, name, **more):
        books.control("PUT", "faults", [{"op": op, "fault": name, "count": 1, **more}])

    handed = v3_bill(books, day, tar_type="GZIP").json
    fault("v3.bill_file", "tamper")
    damaged = download(books, handed).body
    assert damaged != download(books, handed).body
    fault("v3.bill_file", "truncate")
    with pytest.raises(http.client.IncompleteRead):
        download(books, handed)
    fault("v2.bill", "system_error")
    assert v2_bill(books, day).xml["return_msg"] == "SYSTEMERROR"
    fault("v2.bill", "error", code="CompressGZip Error")
    assert v2_bill(books, day).xml["return_msg"] == "CompressGZip Error"
    fault("v3.bill", "system_error")
    assert v3_bill(books, day).status == 500
