"""The fund-flow bill: its file, and its calls in both generations over real sockets."""

from __future__ import annotations

import gzip
import hashlib
import random

import pytest

from adapters import bill
from adapters.base import FundLine
from adapters.errors import Malformed, NotReady, NotSent, OutcomeUnknown, Rejected, Throttled
from tests.adapters import build, known
from tests.adapters.driving import drive
from tests.adapters.test_bill import row
from tests.adapters.test_bill_calls import DAY, gateway, v3_no
from tests.adapters.wire import Authority, http, say

COLUMNS = [
    *[
        "记账时间",
        "微信支付业务单号",
        "资金流水单号",
        "业务名称",
        "业务类型",
        "收支类型",
        "收支金额(元)",
        "账户结余(元)",
    ],
    *["资金变更提交申请人", "备注", "业务凭证号"],
]
NAMES = ["资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"]
PAY = "2018-02-01 04:20:00,4200000068201801293084726067,19000092312018020158846521,交易,交易,收入,0.20,0.20,system,,T1"
FEE = PAY.replace("交易,交易,收入,0.20,0.20", "交易,扣除交易手续费,支出,0.01,0.19")
BACK = known.named("bill.fundflow.official-row")["expected"]["fields"]
ROWS = [PAY.split(","), FEE.split(","), BACK]
TOTALS = ["3.0", "1.0", "0.2", "2.0", "0.03"]
LINES = [
    FundLine("payment", "4200000068201801293084726067", 20, 1517430000),
    FundLine("other", "4200000068201801293084726067", -1, 1517430000),
    FundLine("refund", "50000305742018020103387128253", -2, 1517430083),
]


def made(rows=ROWS, totals=TOTALS, *, columns=COLUMNS, names=NAMES):
    lines = [",".join(columns), *map(row, rows), ",".join(names), row(totals)]
    return b"\xef\xbb\xbf" + "".join(line + "\r\n" for line in lines).encode()


def changed(values, **changes):
    return [changes.get(name.split("(")[0], value) for name, value in zip(COLUMNS, values, strict=True)]


WHOLE = made()
PACKED = gzip.compress(WHOLE)
SHA1 = hashlib.sha1(WHOLE).hexdigest()


@pytest.fixture
def read(tmp_path):
    def read(data, *args, **options):
        path = tmp_path / "bill"
        path.write_bytes(data)
        return bill.read(path, "fund", *args, **options)

    return read


# --- the file ---


@pytest.mark.parametrize("data", [WHOLE, PACKED], ids=["plain", "packed"])
def test_what_moved(read, data):
    found = read(data, SHA1)
    assert (found.count, list(found.lines), found.sums) == (3, LINES, {"in": 20, "out": 3})
    assert b"".join(found.raw) == WHOLE


def test_columns_are_found_by_name(read):
    order = random.Random(7).sample(range(len(COLUMNS)), len(COLUMNS))
    columns, *rows = ([values[index] for index in order] for values in (COLUMNS, *ROWS))
    assert list(read(made(rows, columns=columns)).lines) == LINES


def test_brackets_of_either_width(read):
    columns = [name.replace("(", "（").replace(")", "）") for name in COLUMNS]
    assert list(read(made(columns=columns)).lines) == LINES


@pytest.mark.parametrize("place", range(5))
def test_totals_that_do_not_agree_or_are_missing(read, place):
    for wrong in ("9.0", "", "1e0", "３.0"):
        with pytest.raises(OutcomeUnknown):
            read(made(totals=[*TOTALS[:place], wrong, *TOTALS[place + 1 :]]))
    with pytest.raises(OutcomeUnknown):
        read(made(totals=TOTALS[:place] + TOTALS[place + 1 :], names=NAMES[:place] + NAMES[place + 1 :]))


def test_a_day_on_which_nothing_moved(read):
    assert read(made([], ["0.0", "0.0", "0.0", "0.0", "0.0"])).count == 0
    with pytest.raises(OutcomeUnknown):
        read(made([], TOTALS))


@pytest.mark.parametrize(
    "change",
    [
        {"收支类型": "借"},
        {"收支类型": ""},
        {"收支金额": "-0.02"},
        {"收支金额": "0.020"},
        {"收支金额": ""},
        {"记账时间": "2018-02-30 00:00:00"},
        {"微信支付业务单号": ""},
        {"微信支付业务单号": "退款"},
    ],
    ids=str,
)
def test_a_line_that_is_not_understood_is_named(read, change):
    with pytest.raises(Malformed, match="line 4"):
        read(made([*ROWS[:2], changed(BACK, **change)]))


def test_other_business_may_have_any_number(read):
    rows = [*ROWS[:2], changed(BACK, 业务类型="提现", 微信支付业务单号="")]
    assert list(read(made(rows)).lines)[2] == FundLine("other", "", -2, 1517430083)


def test_a_refund_that_came_back_is_no_payment(read):
    rows = [*ROWS[:2], changed(BACK, 业务类型="退款关闭", 收支类型="收入")]
    assert list(read(made(rows, ["3.0", "2.0", "0.22", "1.0", "0.01"])).lines)[2].kind == "other"


# --- v3 ---


def download(folder, day=DAY):
    async def use(adapter):
        found = await adapter.download_bill(day, "fund", folder)
        return found.count, list(found.lines)

    return use


def test_v3_a_fund_flow_bill(tmp_path):
    found, requests = drive(build.v3, gateway(PACKED, hash_value=SHA1), download(tmp_path))
    assert found == (3, LINES)
    asked = b"GET /v3/bill/fundflowbill?bill_date=2024-01-01&account_type=BASIC&tar_type=GZIP HTTP/1.1\r\n"
    assert requests[0].startswith(asked)


def test_v3_another_file_than_was_promised(tmp_path):
    wrong = gateway(gzip.compress(WHOLE.replace("缺货".encode(), b"x")), hash_value=SHA1)
    assert type(drive(build.v3, wrong, download(tmp_path))[0]) is OutcomeUnknown


def test_v3_a_day_on_which_nothing_moved(tmp_path):
    none = say(v3_no("400 Bad Request", "NO_STATEMENT_EXIST"))
    assert drive(build.v3, none, download(tmp_path))[0] == (0, [])


# --- v2 ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


FILES = {"cert_file": "here.pem", "key_file": "there.pem"}


def v2(script, use, **options):
    """Over plain sockets, but with a certificate, which there must be."""
    return drive(build.v2, script, use, **{**FILES, **options})


@pytest.mark.parametrize("scheme", ["MD5", "HMAC-SHA256"])
@pytest.mark.parametrize("file", [PACKED, WHOLE], ids=["packed", "plain"])
def test_v2_a_fund_flow_bill_is_asked_for_in_hmac_whatever_is_configured(tmp_path, file, scheme):
    found, requests = v2(say(http(file, Digest=f"SHA={SHA1}")), download(tmp_path), sign_type=scheme)
    assert found == (3, LINES)
    head, body = requests[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /pay/downloadfundflow HTTP/1.1")
    asked = {"appid": known.APPID, "mch_id": known.MCHID, "bill_date": "20240101", "account_type": "Basic"}
    asked = {**asked, "tar_type": "GZIP", "sign_type": "HMAC-SHA256", "nonce_str": build.NONCE}
    assert body == known.v2_xml(known.v2_signed(asked, "HMAC-SHA256"))


def test_v2_the_certificate_is_shown_at_its_own_address(tmp_path, authority):
    cert, key = authority.client()

    def make(transport, *, base_url):
        return build.v2(transport, secapi_url=base_url, cert_file=cert, key_file=key, ca_certs=str(authority.ca))

    answer = say(http(PACKED, Digest=f"SHA={SHA1}"))
    found, requests = drive(make, answer, download(tmp_path), tls=authority.server(mutual=True))
    assert found == (3, LINES)
    assert len(requests) == 1


@pytest.mark.parametrize("files", [{}, {"cert_file": "here.pem"}, {"key_file": "there.pem"}], ids=str)
def test_v2_without_a_certificate_there_are_trade_bills_alone(tmp_path, files):
    error, requests = drive(build.v2, say(http(PACKED)), download(tmp_path), **files)
    assert (type(error), requests) == (NotSent, [])
    assert build.v2(**files).bill_kinds == {"trade"}
    assert build.v2(**FILES).bill_kinds == build.v3().bill_kinds == {"trade", "fund"}


@pytest.mark.parametrize("digest", [None, "", f"SHA={'0' * 40}", f"SHA={SHA1}0", SHA1, f"MD5={SHA1}"], ids=str)
def test_v2_a_digest_there_must_be_and_it_must_be_right(tmp_path, digest):
    headers = {} if digest is None else {"Digest": digest}
    assert type(v2(say(http(PACKED, **headers)), download(tmp_path))[0]) is OutcomeUnknown


def test_v2_a_digest_in_capitals(tmp_path):
    assert v2(say(http(PACKED, Digest=f"SHA={SHA1.upper()}")), download(tmp_path))[0] == (3, LINES)


def refused(**fields):
    return http(known.v2_xml({"return_code": "SUCCESS", "result_code": "FAIL", **fields}))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("BILL_CREATING", NotReady),
        ("PARAM_ERROR", Rejected),
        ("SYSTEMERROR", OutcomeUnknown),
        ("NEVER_SEEN", OutcomeUnknown),
    ],
)
def test_v2_no_bill(tmp_path, code, kind):
    error, _ = v2(say(refused(err_code=code, err_code_des="because")), download(tmp_path))
    assert (type(error), error.code, error.message) == (kind, code, "because")


def test_v2_a_day_on_which_nothing_moved(tmp_path):
    assert v2(say(refused(err_code="NO_BILL_EXIST")), download(tmp_path))[0] == (0, [])


V2_UNKNOWN = {
    "wrong key": http(known.v2_xml({"return_code": "FAIL", "return_msg": "签名错误"})),
    "empty": http(Digest=f"SHA={hashlib.sha1(b'').hexdigest()}"),
    "html": http(b"<html>400 No required SSL certificate was sent</html>"),
    "500": http(PACKED, "500 Oops", Digest=f"SHA={SHA1}"),
    "cut": http(PACKED[:-20], Digest=f"SHA={SHA1}"),
}


@pytest.mark.parametrize("case", V2_UNKNOWN)
def test_v2_unknown(tmp_path, case):
    assert type(v2(say(V2_UNKNOWN[case]), download(tmp_path))[0]) is OutcomeUnknown


def test_v2_slower(tmp_path):
    assert type(v2(say(http(b"", "429 Slow")), download(tmp_path))[0]) is Throttled
