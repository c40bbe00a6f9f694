"""The bill's file: vectors, every way of being cut or wrong, and garbage."""

from __future__ import annotations

import base64
import gzip
import random
from decimal import Decimal

import pytest

from adapters import bill, bill_forms
from adapters.base import BillLine
from adapters.errors import Malformed, OutcomeUnknown
from tests.adapters import known

VECTOR = known.named("bill.trade.all.own")
WHOLE = base64.b64decode(VECTOR["inputs"]["text_base64"])
COLUMNS = VECTOR["expected"]["columns"]
PAYMENT, BACK = VECTOR["expected"]["rows"]
OLD = [name for name in COLUMNS if name not in ("订单金额", "申请退款金额", "费率备注")]
OLD_TOTALS = ["总交易单数", "总交易额", "总退款金额", "总代金券或立减优惠退款金额", "手续费总金额"]

PAID = BillLine(
    kind="payment",
    out_trade_no="T20240101_000-1",
    provider_transaction_id="4200000000202401010000000001",
    amount_fen=100,
    settled_fen=100,
    at=1704074490,
    appid="wx00000000000test1",
    mchid="1900000001",
    openid="oTESTopenid0000000000000001",
)
REFUNDED = BillLine(
    kind="refund",
    out_trade_no="T20240101_000-1",
    provider_transaction_id="4200000000202401010000000001",
    amount_fen=40,
    settled_fen=40,
    at=1704103200,
    appid="wx00000000000test1",
    mchid="1900000001",
    openid="oTESTopenid0000000000000001",
    out_refund_no="R20240101-1",
    provider_refund_id="50300000002024010100000000001",
    refund_status="SUCCESS",
)


def reader(tmp_path):
    """Reads bytes as a bill: how many lines it says it has, and the lines."""

    def read(data, *args, **options):
        path = tmp_path / "bill"
        path.write_bytes(data)
        found = bill.read(path, "trade", *args, **options)
        return found.count, list(found.lines)

    return read


read = pytest.fixture(reader, name="read")


def row(values):
    return ",".join(f"`{value}" for value in values)


def made(rows, totals, *, columns=COLUMNS, names=None, end="\r\n", bom=True):
    names = names or VECTOR["expected"]["summary_columns"]
    lines = [",".join(columns), *map(row, rows), ",".join(names), row(totals)]
    return (b"\xef\xbb\xbf" if bom else b"") + "".join(line + end for line in lines).encode()


def changed(values, **changes):
    return [changes.get(name, value) for name, value in zip(COLUMNS, values, strict=True)]


TOTALS = VECTOR["expected"]["summary"]


# --- vectors ---


def test_the_vector_is_what_this_file_builds():
    assert made([PAYMENT, BACK], TOTALS) == WHOLE


def test_vector_bill_parse(read):
    assert read(WHOLE) == (2, [PAID, REFUNDED])
    lines = WHOLE.decode("utf-8-sig").split("\r\n")
    assert [bill.fields(line) for line in lines if line.startswith("`")] == [*VECTOR["expected"]["rows"], TOTALS]


def test_the_sums_are_fen_and_a_fee_may_be_part_of_one(tmp_path):
    (tmp_path / "bill").write_bytes(made([PAYMENT, BACK], [*TOTALS[:4], "-0.00600", *TOTALS[5:]]))
    found = bill.read(tmp_path / "bill", "trade")
    assert found.sums == {"paid": 100, "refunded": 40, "fees": Decimal("-0.6")}


def test_the_file_itself_is_handed_out_unpacked(tmp_path):
    (tmp_path / "bill").write_bytes(gzip.compress(WHOLE))
    assert b"".join(bill.read(tmp_path / "bill", "trade").raw) == WHOLE


@pytest.mark.parametrize("vector", known.vectors("bill_row_parse"), ids=known.name_of)
def test_vector_bill_row_parse(vector):
    assert bill.fields(vector["inputs"]["line"]) == vector["expected"]["fields"]


@pytest.mark.parametrize("vector", known.vectors("bill_hash"), ids=known.name_of)
def test_vector_bill_hash(read, vector):
    packed, expected = base64.b64decode(vector["inputs"]["gzip_base64"]), vector["expected"]
    assert read(packed, expected["hash_value"])[0] == 2
    assert read(packed, expected["hash_value"].upper())[0] == 2
    assert read(gzip.decompress(packed), expected["hash_value"])[0] == 2
    for wrong in (expected["sha1_of_gzip_bytes_is_wrong"], "0" * 40, ""):
        with pytest.raises(OutcomeUnknown):
            read(packed, wrong)


# --- forms ---


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_line_end_with_and_without_a_mark_packed_or_not(read, end, bom, packed):
    data = made([PAYMENT, BACK], TOTALS, end=end, bom=bom)
    assert read(gzip.compress(data) if packed else data) == (2, [PAID, REFUNDED])
    assert read(data.rstrip(b"\r\n")) == (2, [PAID, REFUNDED])
    assert read(data + b"\r\n") == (2, [PAID, REFUNDED])


def test_columns_are_found_by_name(read):
    order = random.Random(7).sample(range(len(COLUMNS)), len(COLUMNS))
    columns, *rows = ([values[index] for index in order] for values in (COLUMNS, PAYMENT, BACK))
    more = [[*values, "new"] for values in rows]
    assert read(made(rows, TOTALS, columns=columns)) == (2, [PAID, REFUNDED])
    assert read(made(more, TOTALS, columns=[*columns, "将来的列"])) == (2, [PAID, REFUNDED])


@pytest.mark.parametrize("amount", ["应结订单金额", "总金额"])
def test_the_older_form_with_24_columns(read, amount):
    rows = [[values[COLUMNS.index(name)] for name in OLD] for values in (PAYMENT, BACK)]
    columns = [amount if name == "应结订单金额" else name for name in OLD]
    data = made(rows, ["2", "1.0", "0.4", "0.0", "0.01"], columns=columns, names=OLD_TOTALS)
    assert read(data) == (2, [PAID, REFUNDED])
    for wrong in (["2", "1.01", "0.4", "0.0", "0.01"], ["2", "1.0", "0.41", "0.0", "0.01"]):
        with pytest.raises(OutcomeUnknown):
            read(made(rows, wrong, columns=columns, names=OLD_TOTALS))


def test_the_order_s_amount_is_not_what_was_settled(read):
    coupon = changed(PAYMENT, 应结订单金额="0.95", 代金券金额="0.05")
    back = changed(BACK, 退款金额="0.36")
    _, lines = read(made([coupon, back], ["2", "0.95", "0.36", "0.00", "0.01000", "1.00", "0.40"]))
    assert [(line.amount_fen, line.settled_fen) for line in lines] == [(100, 95), (40, 36)]


def test_a_day_without_a_line(read):
    assert read(made([], ["0", "0.00", "0.00", "0.00", "0.00000", "0.00", "0.00"])) == (0, [])


def test_revoked_money_went_back(read):
    revoked = changed(BACK, 交易状态="REVOKED")
    assert read(made([PAYMENT, revoked], TOTALS))[1] == [PAID, REFUNDED]


@pytest.mark.parametrize("state", ["PROCESSING", "CHANGE", "FAIL", ""])
def test_a_refund_s_state_is_the_providers_word(read, state):
    assert read(made([PAYMENT, changed(BACK, 退款状态=state)], TOTALS))[1][1].refund_status == state


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        *[("0.01", 1), ("0.1", 10), ("1", 100), ("45.0", 4500), ("0.29", 29), ("1.15", 115), ("64.10", 6410)],
        *[("1001.10", 100110), ("9999999999.99", 999999999999), ("0.00", 0), ("00.57", 57)],
    ],
)
def test_yuan_become_fen_exactly(read, text, fen):
    payment = changed(PAYMENT, 订单金额=text, 应结订单金额=text)
    totals = ["2", text, "0.40", "0.00", "0.01000", text, "0.40"]
    assert read(made([payment, BACK], totals))[1][0].amount_fen == fen


# --- cut ---


def test_cut_anywhere_it_is_no_bill(read):
    """But for the line end, and zeros that change nothing."""
    for length in range(len(WHOLE)):
        if WHOLE[length:] in (b"\r\n", b"\n", b"0\r\n"):
            assert read(WHOLE[:length]) == (2, [PAID, REFUNDED])
            continue
        with pytest.raises(OutcomeUnknown):
            read(WHOLE[:length])


def test_cut_anywhere_a_packed_bill_is_none(read):
    packed = gzip.compress(WHOLE)
    for length in range(len(packed)):
        with pytest.raises((OutcomeUnknown, Malformed)):
            read(packed[:length])
    for data in (packed + b"rest", packed[:40] + b"\x00" * 8 + packed[48:], packed[:-8] + b"\x00" * 8):
        with pytest.raises(OutcomeUnknown):
            read(data)


@pytest.mark.parametrize("place", range(7))
def test_totals_that_do_not_agree(read, place):
    wrong = [*TOTALS[:place], {0: "3"}.get(place, "9.99"), *TOTALS[place + 1 :]]
    if place in (3, 4):  # coupons and fees: no line of ours has them in fen
        assert read(made([PAYMENT, BACK], wrong))[0] == 2
        return
    with pytest.raises(OutcomeUnknown):
        read(made([PAYMENT, BACK], wrong))


@pytest.mark.parametrize("rows", [[PAYMENT], [BACK], [PAYMENT, BACK, BACK], []])
def test_a_line_too_many_or_too_few(read, rows):
    with pytest.raises(OutcomeUnknown):
        read(made(rows, TOTALS))


@pytest.mark.parametrize(
    "totals", [["", *TOTALS[1:]], ["2", "", *TOTALS[2:]], ["1e0", *TOTALS[1:]], ["２", *TOTALS[1:]]]
)
def test_totals_that_are_no_figures(read, totals):
    with pytest.raises(OutcomeUnknown):
        read(made([PAYMENT, BACK], totals))


def test_a_count_must_be_there(read):
    with pytest.raises(OutcomeUnknown):
        read(made([PAYMENT, BACK], TOTALS[1:], names=VECTOR["expected"]["summary_columns"][1:]))


def test_nothing_may_follow_the_totals(read):
    for data in (WHOLE + row(TOTALS).encode() + b"\r\n", WHOLE + WHOLE):
        with pytest.raises(Malformed):
            read(data)


# --- not understood ---


@pytest.mark.parametrize(
    "change",
    [
        {"交易状态": "NEW"},
        {"交易状态": ""},
        {"交易时间": "2024-02-30 00:00:00"},
        {"交易时间": "2024/01/01 10:00:00"},
        {"交易时间": "20240101100000"},
        {"商户订单号": ""},
        {"商户订单号": "订单"},
        {"微信订单号": ""},
        {"公众账号ID": ""},
        {"商户号": ""},
        {"订单金额": "1.005"},
        {"订单金额": "1.000"},
        {"订单金额": "-1.00"},
        {"订单金额": "1,00"},
        {"订单金额": "1e2"},
        {"订单金额": "１.00"},
        {"订单金额": " 1.00"},
        {"订单金额": ""},
        {"订单金额": ".50"},
        {"订单金额": "1."},
        {"订单金额": "NaN"},
        {"应结订单金额": "1.005"},
        {"退款金额": "x"},
    ],
    ids=str,
)
def test_a_payment_that_is_not_understood_is_named_by_its_line(read, change):
    with pytest.raises(Malformed, match="line 3"):
        read(made([BACK, changed(PAYMENT, **change)], TOTALS))


@pytest.mark.parametrize("change", [{"申请退款金额": "0.401"}, {"商户退款单号": ""}, {"微信退款单号": "退款"}], ids=str)
def test_a_refund_that_is_not_understood_is_named_by_its_line(read, change):
    with pytest.raises(Malformed, match="line 2"):
        read(made([changed(BACK, **change), PAYMENT], TOTALS))


@pytest.mark.parametrize("column", ["交易状态", "商户订单号", "订单金额", "交易时间", "商户退款单号"])
def test_a_column_that_is_missing(read, column):
    columns = [f"x{name}" if name == column else name for name in COLUMNS]
    if column == "订单金额":
        columns = [f"x{name}" if name in bill_forms.PAID else name for name in COLUMNS]
    with pytest.raises(Malformed, match="line"):
        read(made([PAYMENT, BACK], TOTALS, columns=columns))


def test_fields_too_many_or_too_few(read):
    for wrong in (
        PAYMENT[:-1],
        [*PAYMENT, "more"],
        changed(PAYMENT, 商品名称="a,`b"),
        changed(PAYMENT, 商品名称="a\nb"),
    ):
        with pytest.raises(Malformed, match="line 2"):
            read(made([wrong, BACK], TOTALS))


def test_bytes_that_are_not_utf8(read):
    with pytest.raises(Malformed, match="line 2"):
        read(WHOLE.replace("测试".encode(), b"\xff\xfe", 1))


def test_the_error_says_nothing_of_the_line_but_its_number(read):
    with pytest.raises(Malformed) as caught:
        read(made([changed(PAYMENT, 订单金额="secret"), BACK], TOTALS))
    assert "secret" not in str(caught.value)
