"""Fetching a day's bill from the simulator, as a merchant does, and reading it without the code under test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY = 86400
NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注"
)


def day_of(sim, ago=0):
    """The Beijing day of the simulator's clock, so many days ago."""
    now = datetime.fromtimestamp(sim.control("GET", "clock")["now"], UTC) + timedelta(hours=8)
    return now.date() - timedelta(days=ago)


def to_noon(sim):
    """Past ten o'clock of the next Beijing day."""
    now = sim.control("GET", "clock")["now"] + 8 * 3600
    sim.advance(DAY - now % DAY + DAY // 2)


def v2_bill(sim, day, **more):
    return sim.v2("downloadbill", {"bill_date": f"{day:%Y%m%d}", "bill_type": "ALL", **more})


def v3_bill(sim, day, kind="trade", **more):
    query = "&".join([f"bill_date={day}", *(f"{name}={value}" for name, value in more.items())])
    return sim.v3("GET", f"/v3/bill/{kind}bill?{query}")


def download(sim, handed):
    url = handed["download_url"]
    here = f"http://127.0.0.1:{sim.port}"
    assert url.startswith(f"{here}/v3/billdownload/file?token=")
    return sim.v3("GET", url.removeprefix(here), headers={"Accept": "image/png"})


def parsed(raw):
    """Header, rows as dictionaries, summary: by the rules of v2.md 10."""
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.endswith(b"\r\n")
    lines = raw.decode("utf-8-sig").split("\r\n")[:-1]
    names, rows, totals = lines[0].split(","), [line[1:].split(",`") for line in lines[1:-2]], lines[-2].split(",")
    assert all(len(row) == len(names) for row in rows)
    return [dict(zip(names, row, strict=True)) for row in rows], dict(
        zip(totals, lines[-1][1:].split(",`"), strict=True)
    )
